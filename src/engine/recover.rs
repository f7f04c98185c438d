//! A run that died half-way: what the next command makes of it before anything else.

use std::time::Duration;

use model::event::{Event, Repair, Sink};
use model::failure::Failure;
use model::journal::JournalState;
use model::recovery::Action;
use state::journal::Journal;
use sys::{process, restart_inhibitor};

use crate::app::App;
use crate::resolve::{Back, Plan, Resolved, Unresolved, Why, record, resolve};
use crate::{resurrect, run, workers};

/// How long programs that a dead run left may take to end.
const CHILD_GRACE: Duration = Duration::from_secs(10);

impl Plan {
    fn is_stuck(&self) -> bool {
        self.action == Action::Refuse && self.is_visible()
    }
}

/// Looks for a run that died and says what the table wants.
pub async fn plan(app: &App, state: &JournalState) -> Option<Plan> {
    Some(Plan::of(app, state.open.clone()?).await)
}

/// Does what the table wants about a run that died, and notes it in the journal.
///
/// # Errors
/// Exit 7 where the table refuses, or where the one thing to do did not work.
pub async fn recover(app: &App, journal: &mut Journal, sink: &dyn Sink) -> Result<(), Failure> {
    // Whatever was begun there, it serves visitors now.
    if let Ok(route) = app.link.read() {
        restart_inhibitor::clear(&app.layout.inhibitor(route.color));
    }
    let Some(open) = journal.state().open.clone() else {
        return Ok(());
    };
    // A slot that is started again would start a daemon that keeps nothing else.
    resurrect::resurrect(app, sink).await;
    let ended = process::end_marked(&open.run.0, CHILD_GRACE).await;
    if ended > 0 {
        sink.emit(Event::Recovered(Repair::ProgramsStopped {
            run: open.run.clone(),
            programs: ended,
        }));
    }
    let plan = Plan::of(app, open).await;
    let resolved = resolve(app, &plan, Why::Died, sink)
        .await
        .map_err(|unresolved| match unresolved {
            Unresolved::Refused => stuck(&plan),
            Unresolved::Unverified(unverified) => stuck(&plan).because(unverified),
            Unresolved::Owed(back, why) => {
                warn_of(&back, sink);
                why.map_or_else(|| stuck(&plan), |why| *why)
            }
        })?;
    if let Resolved::Back(back) = &resolved {
        warn_of(back, sink);
    }
    journal
        .write(record(&plan.open, resolved))
        .map_err(|error| run::journal_failure(app, error))?;
    sink.emit(Event::Recovered(Repair::RunEnded(plan.told())));
    Ok(())
}

fn warn_of(back: &Back, sink: &dyn Sink) {
    if let Some(worker) = &back.stuck {
        workers::warn_of(worker, sink);
    }
}

fn stuck(plan: &Plan) -> Failure {
    Failure::unknown(
        "an earlier run died half-way, and bg cannot repair that safely on its own",
        plan.told().to_string(),
    )
    .hint("`bg status` and NGINX's error log show where traffic is; `bg switch COLOR` makes that color live")
}

/// Whether a run died in a way that the table leaves to a person, who can see where
/// traffic is.
pub async fn is_stuck(app: &App, state: &JournalState) -> bool {
    plan(app, state).await.is_some_and(|plan| plan.is_stuck())
}

/// Ends such a run on the word of a person who has said what shall be live; no slot is
/// touched.
///
/// # Errors
/// When the journal cannot be written.
pub async fn set_aside(app: &App, journal: &mut Journal, sink: &dyn Sink) -> Result<(), Failure> {
    let state = journal.state().clone();
    let Some(plan) = plan(app, &state).await.filter(Plan::is_stuck) else {
        return Ok(());
    };
    process::end_marked(&plan.open.run.0, CHILD_GRACE).await;
    let set_aside = Resolved::Back(Back::default());
    journal
        .write(record(&plan.open, set_aside))
        .map_err(|error| run::journal_failure(app, error))?;
    sink.emit(Event::Recovered(Repair::RunSetAside(plan.told())));
    Ok(())
}
