//! The only way back: what is done about a run that did not reach its goal, be it that it failed
//! or that its process died, is what the recovery table wants.

use jiff::Timestamp;
use model::event::{Event, Sink};
use model::failure::{Failure, Standing, Traffic, in_one_line};
use model::journal::{OpenRun, Phase, Record, Verb};
use model::recovery::{Action, Seen, action};
use model::release::ReleaseId;
use state::releases;
use sys::hold;

use crate::app::App;
use crate::proof::{self, Unproven};
use crate::run::Run;
use crate::slot::{IdleSlot, drained};
use crate::traffic::{self, Sight};
use crate::{migration, save, workers};

mod slot;
mod way_back;

/// A run that did not reach its goal, what is seen of traffic, and the one thing to do about it.
#[derive(Debug)]
pub struct Plan {
    /// The run.
    pub open: OpenRun,
    /// What to do.
    pub action: Action,
    /// Where the link points and what NGINX answers, in words.
    pub seen: String,
    /// Whether both could be seen.
    pub visible: bool,
}

impl Plan {
    /// Looks where traffic is and says what the table wants.
    pub async fn of(app: &App, open: OpenRun) -> Plan {
        let Sight { link, nginx } = traffic::look(app).await;
        let words = |route: Option<model::color::Route>| {
            route.map_or("nothing".to_owned(), |route| route.to_string())
        };
        let (link, nginx) = (link.ok(), nginx.ok());
        Plan {
            action: action(open.phase, Seen::of(link, &open), Seen::of(nginx, &open)),
            open,
            seen: format!("link: {}, NGINX: {}", words(link), words(nginx)),
            visible: link.is_some() && nginx.is_some(),
        }
    }
}

/// Why a run did not reach its goal.
#[derive(Clone, Copy, Debug)]
pub enum Why<'a> {
    /// Its process died.
    Died,
    /// A step failed: which.
    Failed(&'a str),
}

/// How a run ended.
#[derive(Debug)]
pub enum Resolved {
    /// At its goal: what it had still to do is done.
    Finished(Standing),
    /// Where it began.
    Back {
        /// Whether traffic had moved.
        had_moved: bool,
        /// The release that is not to be gone back to.
        unfit: Option<ReleaseId>,
        /// A worker that does not run where it did before.
        stuck: Option<Failure>,
    },
}

/// What stands in the way of an end; the journal stays open.
#[derive(Debug)]
pub enum Unresolved {
    /// The table leaves it to a person.
    Refused,
    /// Traffic is not proven to be where the run found it.
    Unproven(Unproven),
    /// The slot does not have what it held before, and why.
    Owed(Option<Failure>),
}

/// Does what the table wants.
///
/// # Errors
/// What stands in the way.
pub async fn resolve(app: &App, plan: &Plan, why: Why<'_>, sink: &dyn Sink) -> Result<Resolved, Unresolved> {
    let open = &plan.open;
    migration::look_back(app, sink);
    let had_moved = match plan.action {
        Action::Refuse => return Err(Unresolved::Refused),
        Action::Finish => return finish(app, plan, why, sink).await,
        Action::Abandon => {
            let color = open.from.color.other();
            // A switch had begun to stop it, to start it anew.
            if hold::is_left(&app.layout.hold(color)) {
                restore(app, open, releases::slot(&app.layout, color).as_ref(), why, sink).await?;
            }
            return Ok(back(open, why, false, None));
        }
        Action::RestoreSlot => false,
        Action::Follow => {
            let back = way_back::back_at(app, open.from, open.was.is_some()).await;
            back.map_err(Unresolved::Unproven)?;
            true
        }
        Action::PutBack => {
            put_back(app, open, why, sink).await?;
            true
        }
    };
    let stuck = workers_back(app, open, sink).await;
    give_slot_back(app, open, why, sink).await?;
    Ok(back(open, why, had_moved, stuck))
}

fn back(open: &OpenRun, why: Why<'_>, had_moved: bool, stuck: Option<Failure>) -> Resolved {
    // What a deploy brought is not to be gone back to once it was refused or traffic was taken
    // from it; what served before may be, whatever came in the way this time.
    let is_unfit =
        open.verb == Verb::Deploy && open.touched_slot && (had_moved || matches!(why, Why::Failed(_)));
    Resolved::Back {
        had_moved,
        unfit: open.release.clone().filter(|_| is_unfit),
        stuck,
    }
}

async fn put_back(app: &App, open: &OpenRun, why: Why<'_>, sink: &dyn Sink) -> Result<(), Unresolved> {
    let back = way_back::back_from(app, open.to, open.from, open.was.is_some()).await;
    back.map_err(Unresolved::Unproven)?;
    sink.emit(Event::PutBack {
        live: traffic::standing(app, open.from.color),
        reason: match why {
            Why::Died => format!("{} {} died", open.verb, open.run),
            Why::Failed(what) => what.to_owned(),
        },
    });
    Ok(())
}

async fn finish(app: &App, plan: &Plan, why: Why<'_>, sink: &dyn Sink) -> Result<Resolved, Unresolved> {
    let open = &plan.open;
    let moves_color = open.from.color != open.to.color;
    // Before the proof was on record, nobody had said that a color that fails may be live.
    let may_fail = open.phase == Phase::Proven || open.was.is_none();
    let proven = proof::prove(app, open.to, moves_color).await;
    let is_live = proven.is_ok_and(|proof| may_fail || proof.sick.is_empty());
    if !is_live || (moves_color && workers_want_back(app, open, sink).await) {
        put_back(app, open, why, sink).await?;
        let stuck = workers_back(app, open, sink).await;
        give_slot_back(app, open, why, sink).await?;
        return Ok(back(open, why, true, stuck));
    }
    if let Err(error) = save::save(app).await {
        sink.emit(Event::Warned {
            text: format!("the process list was not saved for a reboot: {error}"),
        });
    }
    Ok(Resolved::Finished(traffic::standing(app, open.to.color)))
}

/// After a run that had moved traffic: every worker to what is live. `true` when one that
/// does not start wants traffic to go back with it.
async fn workers_want_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> bool {
    let live = traffic::standing(app, open.to.color).release;
    match workers::settle(app, live.as_ref(), open.was.as_ref(), sink).await {
        Ok(()) => false,
        Err(stuck) => {
            sink.emit(Event::Warned {
                text: stuck.failure.in_one_line(),
            });
            stuck.wants_back
        }
    }
}

/// The same where traffic is back, or never moved; the first that does not run there.
async fn workers_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> Option<Failure> {
    if !open.may_have_moved() || open.from.color == open.to.color {
        return None;
    }
    let live = traffic::standing(app, open.from.color).release;
    let settled = workers::settle(app, live.as_ref(), None, sink).await;
    settled.err().map(|stuck| stuck.failure)
}

/// The slot gets back what it held, so that a rollback stays ready: at once where no visitor ever
/// came to it, else once no request is in flight.
async fn give_slot_back(app: &App, open: &OpenRun, why: Why<'_>, sink: &dyn Sink) -> Result<(), Unresolved> {
    if !open.touched_slot {
        return Ok(());
    }
    if open.may_have_moved() && !drained(app, open.to.color, sink).await {
        return Ok(());
    }
    restore(app, open, open.replaces.as_ref(), why, sink).await
}

/// A run that has only just failed leaves a slot that could not be given back to the next
/// command; that one ends it, whatever comes of it.
async fn restore(
    app: &App,
    open: &OpenRun,
    before: Option<&ReleaseId>,
    why: Why<'_>,
    sink: &dyn Sink,
) -> Result<(), Unresolved> {
    // The table has looked, or traffic was proven to be back.
    let idle = IdleSlot::of(open.from.color.other());
    let nonce = format!("{}-back", open.run);
    match slot::restore(app, &idle, before, &nonce, sink).await {
        Err(failure) => Err(Unresolved::Owed(Some(failure))),
        Ok(false) if matches!(why, Why::Failed(_)) => Err(Unresolved::Owed(None)),
        Ok(_) => Ok(()),
    }
}

/// Passes on what came of `run`. Where it failed before its end was on record, what it has touched
/// is given back, and the journal says that it ended.
///
/// # Errors
/// As the run, and where traffic is now.
pub async fn unless_done<T>(run: &Run<'_>, done: Result<T, Failure>) -> Result<T, Failure> {
    let failure = match done {
        Ok(done) => return Ok(done),
        Err(failure) => failure,
    };
    let Some(mut open) = run.open() else {
        return Err(failure);
    };
    if open.may_have_moved() {
        // The journal stays open: the next command looks again, and finishes what is proven.
        if matches!(failure.traffic, Traffic::Unknown { .. } | Traffic::Moved { .. }) {
            return Err(failure);
        }
        // Traffic goes back, whether that can be noted or not.
        run.enter(Phase::PuttingBack, open.to, open.release.as_ref(), None)
            .ok();
        open.phase = Phase::PuttingBack;
    }
    Err(failed(run, open, failure).await)
}

async fn failed(run: &Run<'_>, open: OpenRun, failure: Failure) -> Failure {
    let plan = Plan::of(run.app, open).await;
    let resolved = resolve(run.app, &plan, Why::Failed(&failure.what), &run.sink).await;
    match resolved {
        Ok(Resolved::Back {
            had_moved,
            unfit,
            stuck,
        }) => {
            run.abort(&failure.what, unfit.as_ref());
            let live = run.live();
            let failure = match had_moved {
                true => failure.with_traffic(Traffic::PutBack { live }),
                false if plan.visible => failure.or_traffic(Traffic::Unchanged { live }),
                false => failure.or_traffic(Traffic::Unknown { seen: plan.seen }),
            };
            match stuck {
                Some(stuck) => failure.hint(format!("{}: `bg repair` tries again", stuck.what)),
                None => failure,
            }
        }
        Ok(Resolved::Finished(live)) => failure.with_traffic(Traffic::Moved { live }),
        Err(Unresolved::Refused) => match run.idle_slot().await.map(drop) {
            Err(moved) => run.leave(failure, moved),
            Ok(()) => run.owe(failure),
        },
        Err(Unresolved::Unproven(unproven)) => not_back(run.app, failure, &unproven),
        Err(Unresolved::Owed(why)) => {
            if let Some(why) = why {
                run.sink.emit(Event::Warned { text: why.what });
            }
            run.owe(failure)
        }
    }
}

fn not_back(app: &App, mut failure: Failure, unproven: &Unproven) -> Failure {
    let problem = in_one_line(unproven);
    let seen = match app.link.read() {
        Ok(route) => format!("the link says {route}; putting it back was not proven: {problem}"),
        Err(error) => format!("{error}; putting it back failed: {problem}"),
    };
    failure.hints = vec!["look at NGINX's error log, then `bg repair`".to_owned()];
    failure.with_traffic(Traffic::Unknown { seen })
}

/// The record of a run that died.
#[must_use]
pub fn record(open: &OpenRun, resolved: Resolved) -> Record {
    let (run, at, verb) = (open.run.clone(), Timestamp::now(), open.verb);
    match resolved {
        Resolved::Finished(live) => Record::Commit {
            doubt: open.fleet,
            run,
            at,
            verb,
            live,
            maintenance: open.to.maintenance,
            was: open.was.clone(),
            summary: format!(
                "{} → {}, finished by the next command",
                open.from.color, open.to.color
            ),
        },
        Resolved::Back { unfit, .. } => Record::Abort {
            run,
            at,
            verb,
            reason: "its process died".to_owned(),
            refused: unfit,
        },
    }
}
