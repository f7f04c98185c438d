//! Workers: each made to run from the release that is live. One movement, the same after a
//! switch, on the way back, and after a run that died; done twice it changes nothing.

mod acquire;
mod by_hand;
mod ended;
mod entry;
mod handover;
mod ready;
mod replaced;
mod status;
mod trouble;
mod wanted;

use model::config::worker::OnFailure;
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Deployment, Failure};
use model::release::ReleaseId;
use state::instances;

use crate::app::App;
use crate::process_list;
use crate::run::Run;
use crate::verification::Unverified;
pub use by_hand::run_by_hand;
pub use status::{WorkerStatus, look, mismatch, statuses};
use wanted::manifest_of;

/// The workers after a switch: what there is to tell, and whether all run.
#[derive(Debug)]
pub struct Handed {
    /// What there is to tell, in the order of `bg.toml`.
    pub events: Vec<Event>,
    /// The first one that does not run on the new release.
    pub all: Result<(), Failure>,
}

/// Workers that do not all run from where they should.
#[derive(Debug)]
pub struct Stuck {
    /// The first one.
    pub failure: Failure,
    /// Whether one of them wants traffic to go back with it.
    pub wants_back: bool,
}

/// Hands every worker over to what is live now. One that does not start there goes back to
/// where it was.
///
/// # Errors
/// When such a one has `on_failure = "rollback"`: traffic is not to stay there.
pub async fn hand_over(run: &Run<'_>, live: &Deployment) -> Result<Handed, Failure> {
    let app = run.app;
    let before = run.live().release;
    let manifest = manifest_of(app, live.release.as_ref());
    let followed = handover::follow(app, manifest.as_ref(), before.as_ref(), &run.sink).await;
    let wants_back = |trouble: &&trouble::Trouble| trouble.on_failure == OnFailure::Rollback;
    let Some(trouble) = followed.troubles.iter().find(wants_back) else {
        return Ok(Handed {
            events: followed.events(),
            all: trouble::first(followed.troubles, &run.sink),
        });
    };
    let why = Unverified::Worker {
        what: trouble.told().what(),
        problem: trouble.problem.text.clone(),
    };
    let failure = why.into_failure(run.from.color, live.color);
    Err(failure.showing(trouble.problem.log.clone()))
}

/// Makes every worker run from `live`, and tells it. `before` is where one goes back to that
/// does not start there and of which nothing else is known.
///
/// # Errors
/// When one does not run there.
pub async fn settle(
    app: &App,
    live: Option<&ReleaseId>,
    before: Option<&ReleaseId>,
    sink: &dyn Sink,
) -> Result<(), Stuck> {
    let manifest = manifest_of(app, live);
    let followed = handover::follow(app, manifest.as_ref(), before, sink).await;
    for event in followed.events() {
        sink.emit(event);
    }
    if followed.changed() {
        process_list::or_warn(app, sink).await;
    }
    let wants_back = followed
        .troubles
        .iter()
        .any(|trouble| trouble.on_failure == OnFailure::Rollback);
    trouble::first(followed.troubles, sink).map_err(|failure| Stuck { failure, wants_back })
}

/// Says that a worker does not run as it should, where the run goes on all the same.
pub(crate) fn warn_of(stuck: &Failure, sink: &dyn Sink) {
    sink.emit(Event::Warned(Warning::StepFailed {
        step: Step::SettleWorkers,
        problem: stuck.in_one_line(),
    }));
}

/// Stops every worker and has PM2 forget them; what they replaced is left as it is.
///
/// # Errors
/// When one cannot be stopped.
pub async fn discard(app: &App) -> Result<(), Failure> {
    for instance in instances::all(&app.layout) {
        acquire::leave(app, &instance).await.map_err(|problem| {
            Failure::failed(format!("worker {instance} was not stopped: {}", problem.text))
        })?;
    }
    Ok(())
}

/// The names of PM2 that [`discard`] deletes.
#[must_use]
pub fn processes(app: &App) -> Vec<String> {
    let all = instances::all(&app.layout);
    all.iter().map(|instance| entry::process(app, instance)).collect()
}
