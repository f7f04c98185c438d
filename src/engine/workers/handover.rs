//! The handover: the instances that a release wants are acquired, the others released.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keeper::launcher::work::color_of;
use model::color::Color;
use model::config::worker::{Handover, OnFailure};
use model::event::{Event, Sink, millis};
use model::instance::Instance;
use model::release::{Manifest, ReleaseId};
use state::instances;

use crate::app::App;
use crate::resurrect;
use crate::workers::acquire::{self, Acquired};
use crate::workers::trouble::{Problem, Trouble};
use crate::workers::wanted::{Wanted, manifest_of};
use crate::workers::{ready, replaced};

/// What came of one worker.
#[derive(Clone, Debug)]
pub(super) enum Moved {
    HandedOver { acquired: Acquired, took: Duration },
    Stopped { took: Duration },
    AsItWas,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(super) struct Followed {
    moved: Vec<(String, Moved)>,
    pub(super) troubles: Vec<Trouble>,
}

impl Followed {
    pub(super) fn events(&self) -> Vec<Event> {
        let each = self.moved.iter();
        each.filter_map(|(worker, moved)| told(worker, moved)).collect()
    }

    /// Whether PM2 may keep other entries than before.
    pub(super) fn changed(&self) -> bool {
        let moves = |(_, moved): &(String, Moved)| !matches!(moved, Moved::AsItWas);
        !self.troubles.is_empty() || self.moved.iter().any(moves)
    }
}

fn told(worker: &str, moved: &Moved) -> Option<Event> {
    match moved {
        Moved::HandedOver { acquired, took } => Some(Event::WorkerHandedOver {
            worker: worker.to_owned(),
            release: acquired.holder.release.clone(),
            pid: acquired.holder.pid,
            gap_ms: acquired.gap.map(millis),
            took_ms: millis(*took),
        }),
        Moved::Stopped { took } => Some(Event::WorkerStopped {
            worker: worker.to_owned(),
            took_ms: millis(*took),
        }),
        Moved::AsItWas => None,
    }
}

/// Makes every worker run as `manifest` wants it, all at the same time; without one, none.
/// One that does not start goes back to the release it ran from, or to `before`.
pub(super) async fn follow(
    app: &App,
    manifest: Option<&Manifest>,
    before: Option<&ReleaseId>,
    sink: &dyn Sink,
) -> Followed {
    let wanted: Vec<Wanted<'_>> = manifest
        .into_iter()
        .flat_map(|manifest| {
            let workers = manifest.config.workers.iter();
            workers.map(move |worker| Wanted { manifest, worker })
        })
        .collect();
    let mut names: Vec<String> = wanted.iter().map(|one| one.worker.name.clone()).collect();
    for instance in instances::all(&app.layout) {
        if !names.contains(&instance.worker) {
            names.push(instance.worker);
        }
    }
    if names.is_empty() {
        return Followed::default();
    }
    resurrect::resurrect(app, sink).await;
    let find = |name: &str| wanted.iter().find(|one| one.worker.name == name).copied();
    let each = names.iter().map(|name| one(app, name, find(name), before));
    let results = join_all(each).await;
    let mut followed = Followed::default();
    for (name, result) in names.into_iter().zip(results) {
        match result {
            Ok(moved) => followed.moved.push((name, moved)),
            Err(trouble) => followed.troubles.push(trouble),
        }
    }
    followed
}

/// One worker, and its way back.
async fn one(
    app: &App,
    name: &str,
    wanted: Option<Wanted<'_>>,
    before: Option<&ReleaseId>,
) -> Result<Moved, Trouble> {
    let goal = wanted.map(|wanted| &wanted.manifest.id);
    let old = ran_before(app, name, goal, before);
    let problem = match place(app, name, wanted).await {
        Ok(moved) => return Ok(moved),
        Err(problem) => problem,
    };
    let trouble = |runs, back| Trouble {
        worker: name.to_owned(),
        on_failure: wanted.map_or(OnFailure::Keep, |wanted| wanted.worker.on_failure),
        release: goal.cloned(),
        problem,
        runs,
        back,
    };
    let manifest = manifest_of(app, old.as_ref());
    let of_old = manifest.as_ref().and_then(|manifest| {
        let worker = manifest.config.worker(name)?;
        Some(Wanted { manifest, worker })
    });
    match place(app, name, of_old).await {
        Ok(_) => Err(trouble(of_old.and(old), None)),
        Err(other) => Err(trouble(None, Some(other))),
    }
}

/// The release that a worker comes from, where that is not the one it goes to.
fn ran_before(
    app: &App,
    name: &str,
    goal: Option<&ReleaseId>,
    before: Option<&ReleaseId>,
) -> Option<ReleaseId> {
    let named = of(name).into_iter().flat_map(|instance| {
        let runs = instances::holder(&app.layout, &instance).map(|holder| holder.release);
        runs.into_iter().chain(instances::release(&app.layout, &instance))
    });
    named.chain(before.cloned()).find(|release| Some(release) != goal)
}

/// Every instance that a worker of this name can have.
pub(super) fn of(name: &str) -> [Instance; 3] {
    [
        Instance::of(name),
        Instance::colored(name, Color::Blue),
        Instance::colored(name, Color::Green),
    ]
}

/// Makes a worker run as it is wanted, or not at all.
async fn place(app: &App, name: &str, wanted: Option<Wanted<'_>>) -> Result<Moved, Problem> {
    let began = Instant::now();
    let Some(wanted) = wanted else {
        let mut stopped = false;
        for instance in of(name) {
            stopped |= acquire::leave(app, &instance).await?;
        }
        replaced::start_again(app, name).await?;
        let took = began.elapsed();
        return Ok(match stopped {
            true => Moved::Stopped { took },
            false => Moved::AsItWas,
        });
    };
    let goal = goal(app, wanted);
    let others = || of(name).into_iter().filter(|instance| *instance != goal);
    if wanted.worker.handover == Handover::Singleton {
        for instance in others() {
            acquire::leave(app, &instance).await?;
        }
        replaced::stop(app, wanted.worker).await?;
    } else {
        // One that had to be alone when it started must be alone when it ends.
        acquire::leave(app, &Instance::of(name)).await?;
    }
    let acquired = acquire::acquire(app, &goal, wanted).await?;
    ready::ready(app, &goal, wanted, &acquired).await?;
    for instance in others() {
        acquire::leave(app, &instance).await?;
    }
    replaced::stop(app, wanted.worker).await?;
    Ok(match acquired.was_there {
        true => Moved::AsItWas,
        false => Moved::HandedOver {
            acquired,
            took: began.elapsed(),
        },
    })
}

/// The instance to be taken: a singleton's only one; else the one that has the release already,
/// its color's, or the other where that is held.
fn goal(app: &App, wanted: Wanted<'_>) -> Instance {
    let name = &wanted.worker.name;
    if wanted.worker.handover == Handover::Singleton {
        return Instance::of(name);
    }
    let id = &wanted.manifest.id;
    let color = color_of(&app.layout, id);
    let runs = |color: &Color| instances::holder(&app.layout, &Instance::colored(name, *color));
    let has_it = |color: &Color| runs(color).is_some_and(|holder| holder.release == *id);
    let both = [color, color.other()];
    let free = || both.into_iter().find(|color| runs(color).is_none());
    let color = both.into_iter().find(has_it).or_else(free).unwrap_or(color);
    Instance::colored(name, color)
}
