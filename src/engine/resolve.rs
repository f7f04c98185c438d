//! The only way back: what is done about a run that did not reach its goal, be it that it failed
//! or that its process died, is what the recovery table wants.

use std::time::Duration;

use jiff::Timestamp;
use model::attempt::Attempt;
use model::color::Route;
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Deployment, Failure, Traffic, in_one_line};
use model::journal::{OpenRun, Record, Verb};
use model::recovery::{Action, Interrupted, Seen, action};
use model::release::ReleaseId;
use state::releases;
use sys::restart_inhibitor;

use crate::app::App;
use crate::run::Run;
use crate::slot::{IdleSlot, drained};
use crate::traffic::{self, Observe};
use crate::verification::{self, Unverified};
use crate::{canary, migration, process_list, workers};

mod slot;
mod way_back;

/// How long NGINX is asked for where it is before traffic is put back.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A run that did not reach its goal, what is seen of traffic, and the one thing to do about it.
#[derive(Debug)]
pub struct Plan {
    /// The run.
    pub(crate) open: OpenRun,
    /// What to do.
    pub(crate) action: Action,
    /// Where the link points; none where that cannot be seen.
    link: Option<Route>,
    /// From where NGINX answers; none where that cannot be seen.
    nginx: Option<Route>,
}

impl Plan {
    /// Looks where traffic is and says what the table wants.
    pub async fn of(app: &App, open: OpenRun) -> Plan {
        let (link, nginx) = match &open.attempt {
            // Visitors are where they shall not be: NGINX answers at once or is not waited for.
            Attempt::PuttingBack(_) => {
                let look = tokio::time::timeout(AT_ONCE, traffic::look(app)).await;
                let nginx = look.ok().and_then(|observe| observe.nginx.ok());
                (app.link.read().ok(), nginx)
            }
            _ => {
                let Observe { link, nginx } = traffic::look(app).await;
                (link.ok(), nginx.ok())
            }
        };
        Plan {
            action: action(
                open.attempt.phase(),
                Seen::of(link, &open),
                Seen::of(nginx, &open),
            ),
            open,
            link,
            nginx,
        }
    }

    /// Whether both the link and NGINX's answer could be seen.
    pub(crate) fn is_visible(&self) -> bool {
        self.link.is_some() && self.nginx.is_some()
    }

    /// What is known of it, for people and programs.
    #[must_use]
    pub fn told(&self) -> Interrupted {
        let OpenRun {
            run, verb, attempt, ..
        } = &self.open;
        Interrupted {
            run: run.clone(),
            verb: *verb,
            phase: attempt.phase(),
            from: attempt.from(),
            to: attempt.to(),
            link: self.link,
            nginx: self.nginx,
            action: self.action,
        }
    }
}

/// Why a run did not reach its goal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why<'a> {
    /// Its process died.
    Died,
    /// A step failed: which.
    Failed(&'a str),
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// At its goal: what it had still to do is done.
    Finished(Deployment),
    /// Where it began.
    Back(Back),
}

/// Traffic where the run found it.
#[derive(Debug, Default)]
pub(crate) struct Back {
    /// Whether it had moved.
    pub(crate) had_moved: bool,
    /// The release that is not to be gone back to.
    unfit: Option<ReleaseId>,
    /// A worker that does not run where it did before.
    pub(crate) stuck: Option<Failure>,
}

/// What stands in the way of an end; the journal stays open.
#[derive(Debug)]
pub(crate) enum Unresolved {
    /// The table leaves it to a person.
    Refused,
    /// Traffic is not proven to be where the run found it.
    Unverified(Unverified),
    /// It is, and the slot does not have what it held before: why.
    Owed(Box<Back>, Option<Box<Failure>>),
}

/// Does what the table wants.
///
/// # Errors
/// What stands in the way.
pub(crate) async fn resolve(
    app: &App,
    plan: &Plan,
    why: Why<'_>,
    sink: &dyn Sink,
) -> Result<Resolved, Unresolved> {
    let open = &plan.open;
    migration::look_back(app, sink);
    match plan.action {
        Action::Refuse => Err(Unresolved::Refused),
        Action::Finish => finish(app, plan, why, sink).await,
        Action::Abandon => {
            let color = open.attempt.from().color.other();
            // A switch had begun to stop it, to start it anew.
            let is_stopping = restart_inhibitor::is_left(&app.layout.inhibitor(color));
            let held = releases::slot(&app.layout, color).filter(|_| is_stopping);
            match held {
                Some(held) => restore(app, open, Some(&held), why, Back::default(), sink).await,
                None => Ok(Resolved::Back(Back::default())),
            }
        }
        Action::RestoreSlot => give_back(app, open, why, false, sink).await,
        Action::Follow => {
            let followed = way_back::back_at(app, open.attempt.from(), open.was.is_some()).await;
            followed.map_err(Unresolved::Unverified)?;
            give_back(app, open, why, true, sink).await
        }
        Action::PutBack => {
            put_back(app, open, why, sink).await?;
            give_back(app, open, why, true, sink).await
        }
    }
}

/// Where traffic is back, or never moved: the workers go back with it, and the slot gets what it
/// held, so that a rollback stays ready: at once where no visitor ever came to it, else once no
/// request is in flight.
async fn give_back(
    app: &App,
    open: &OpenRun,
    why: Why<'_>,
    had_moved: bool,
    sink: &dyn Sink,
) -> Result<Resolved, Unresolved> {
    // What a deploy brought is not to be gone back to once it was refused or traffic was taken
    // from it; what served before may be, whatever came in the way this time.
    let is_unfit = open.verb == Verb::Deploy && (had_moved || matches!(why, Why::Failed(_)));
    let slot = open.attempt.replaced();
    let back = Back {
        had_moved,
        unfit: slot.and_then(|slot| slot.new.clone()).filter(|_| is_unfit),
        stuck: workers_back(app, open, sink).await,
    };
    match slot {
        Some(slot) if !open.attempt.may_have_moved() || drained(app, slot.to.color, sink).await => {
            restore(app, open, slot.old.as_ref(), why, back, sink).await
        }
        _ => Ok(Resolved::Back(back)),
    }
}

async fn put_back(app: &App, open: &OpenRun, why: Why<'_>, sink: &dyn Sink) -> Result<(), Unresolved> {
    let (from, to) = (open.attempt.from(), open.attempt.to());
    if let Err(unverified) = way_back::back_from(app, to, from, open.was.is_some()).await {
        // The link may be back all the same, and NGINX follow it once it can.
        if app.link.read().is_ok_and(|route| route == from)
            && let Some(stuck) = workers_back(app, open, sink).await
        {
            workers::warn_of(&stuck, sink);
        }
        return Err(Unresolved::Unverified(unverified));
    }
    sink.emit(Event::PutBack {
        live: traffic::deployment(app, from.color),
        reason: match why {
            Why::Died => format!("{} {} died", open.verb, open.run),
            Why::Failed(what) => what.to_owned(),
        },
    });
    Ok(())
}

async fn finish(app: &App, plan: &Plan, why: Why<'_>, sink: &dyn Sink) -> Result<Resolved, Unresolved> {
    let open = &plan.open;
    let (from, to) = (open.attempt.from(), open.attempt.to());
    let moves_color = from.color != to.color;
    // Before the proof was on record, nobody had said that a color that fails may be live.
    let may_fail = matches!(open.attempt, Attempt::Proven(_)) || open.was.is_none();
    let is_page = from.maintenance != to.maintenance;
    let proven = verification::verify(app, to, !is_page).await;
    let is_live = proven.is_ok_and(|proof| may_fail || proof.sick.is_empty());
    if !is_live || (moves_color && workers_want_back(app, open, sink).await) {
        put_back(app, open, why, sink).await?;
        return give_back(app, open, why, true, sink).await;
    }
    process_list::or_warn(app, sink).await;
    if from.share.is_some() && to.share.is_none() {
        canary::forget(app);
    }
    Ok(Resolved::Finished(traffic::deployment(app, to.color)))
}

/// After a run that had moved traffic: every worker to what is live. `true` when one that
/// does not start wants traffic to go back with it.
async fn workers_want_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> bool {
    let live = traffic::deployment(app, open.attempt.to().color).release;
    match workers::settle(app, live.as_ref(), open.was.as_ref(), sink).await {
        Ok(()) => false,
        Err(stuck) => {
            workers::warn_of(&stuck.failure, sink);
            stuck.wants_back
        }
    }
}

/// The same where traffic is back, or never moved; the first that does not run there.
async fn workers_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> Option<Failure> {
    if !open.attempt.may_have_moved() || open.attempt.from().color == open.attempt.to().color {
        return None;
    }
    let live = traffic::deployment(app, open.attempt.from().color).release;
    let settled = workers::settle(app, live.as_ref(), None, sink).await;
    settled.err().map(|stuck| stuck.failure)
}

/// A run that has only just failed leaves a slot that could not be given back to the next
/// command; that one ends it, whatever comes of it.
async fn restore(
    app: &App,
    open: &OpenRun,
    before: Option<&ReleaseId>,
    why: Why<'_>,
    back: Back,
    sink: &dyn Sink,
) -> Result<Resolved, Unresolved> {
    // The table has looked, or traffic was proven to be back.
    let idle = IdleSlot::of(open.attempt.from().color.other());
    let nonce = format!("{}-back", open.run);
    match slot::restore(app, idle, before, &nonce, sink).await {
        Err(failure) => Err(Unresolved::Owed(Box::new(back), Some(Box::new(failure)))),
        Ok(false) if matches!(why, Why::Failed(_)) => Err(Unresolved::Owed(Box::new(back), None)),
        Ok(_) => Ok(Resolved::Back(back)),
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
    let Some(mut open) = run.open().filter(|_| !run.is_given_back()) else {
        return Err(failure);
    };
    if open.attempt.may_have_moved() {
        // The journal stays open: the next command looks again, and finishes what is proven.
        if matches!(failure.traffic, Traffic::Unknown { .. } | Traffic::Moved { .. }) {
            return Err(failure);
        }
        // Traffic goes back, whether that can be noted or not.
        run.puts_back().ok();
        open.attempt = open.attempt.back();
    }
    Err(failed(run, open, failure).await)
}

async fn failed(run: &Run<'_>, open: OpenRun, failure: Failure) -> Failure {
    let plan = Plan::of(run.app, open).await;
    let resolved = resolve(run.app, &plan, Why::Failed(&failure.what), &run.sink).await;
    // Whether the journal could be told or not.
    run.gave_back();
    match resolved {
        Ok(Resolved::Back(back)) => {
            run.abort(&failure.what, back.unfit.as_ref());
            back_again(run, &plan, failure, back)
        }
        Ok(Resolved::Finished(live)) => failure.with_traffic(Traffic::Moved { live }),
        Err(Unresolved::Refused) => match run.idle_slot().await {
            Err(moved) if matches!(plan.open.attempt, Attempt::Preparing { .. }) => {
                // Nothing was touched that could be given back.
                run.abort(&failure.what, None);
                failure.with_traffic(moved.traffic)
            }
            Err(moved) => run.leave(failure, moved),
            Ok(_) => run.owe(failure),
        },
        Err(Unresolved::Unverified(unverified)) => not_back(run.app, failure, &unverified),
        Err(Unresolved::Owed(back, why)) => {
            if let Some(why) = why {
                run.sink.emit(Event::Warned(Warning::StepFailed {
                    step: Step::RestoreSlot,
                    problem: why.what,
                }));
            }
            run.owe(back_again(run, &plan, failure, *back))
        }
    }
}

/// The failure of a run whose traffic is where it found it.
fn back_again(run: &Run<'_>, plan: &Plan, failure: Failure, back: Back) -> Failure {
    let live = run.live();
    let seen = plan.told().seen();
    let failure = match back.had_moved {
        true => failure.with_traffic(Traffic::PutBack { live }),
        false if plan.is_visible() => failure.or_traffic(Traffic::Unchanged { live }),
        false => failure.with_traffic(Traffic::Unknown { seen }),
    };
    match back.stuck {
        Some(stuck) => failure.hint(format!("{}: `bg repair` tries again", stuck.what)),
        None => failure,
    }
}

fn not_back(app: &App, mut failure: Failure, unverified: &Unverified) -> Failure {
    let problem = in_one_line(unverified);
    let seen = match app.link.read() {
        Ok(route) => format!("the link says {route}; putting it back was not proven: {problem}"),
        Err(error) => format!("{error}; putting it back failed: {problem}"),
    };
    failure.hints = vec!["look at NGINX's error log, then `bg repair`".to_owned()];
    failure.with_traffic(Traffic::Unknown { seen })
}

/// The record of a run that died.
#[must_use]
pub(crate) fn record(open: &OpenRun, resolved: Resolved) -> Record {
    let (run, at, verb) = (open.run.clone(), Timestamp::now(), open.verb);
    let (from, to) = (open.attempt.from(), open.attempt.to());
    match resolved {
        Resolved::Finished(live) => Record::Commit {
            doubt: open.fleet,
            run,
            at,
            verb,
            live,
            maintenance: to.maintenance,
            share: to.share,
            was: open.was.clone(),
            summary: match to.share {
                None if from.color == to.color => format!("{from} → {to}, finished by the next command"),
                None => format!("{} → {}, finished by the next command", from.color, to.color),
                Some(_) => format!("{to}, finished by the next command"),
            },
        },
        Resolved::Back(Back { unfit, .. }) => Record::Abort {
            run,
            at,
            verb,
            reason: "its process died".to_owned(),
            refused: unfit,
            needless: false,
        },
    }
}
