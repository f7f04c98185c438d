//! What is done about a run that died half-way: one row of the recovery table.

use std::time::Duration;

use jiff::Timestamp;

use crate::host::app::App;
use crate::host::journal::Journal;
use crate::host::{hold, process, releases};
use crate::model::event::{Event, Sink};
use crate::model::failure::{Failure, Standing};
use crate::model::journal::{OpenRun, Phase, Record, Story};
use crate::model::recovery::{Action, Seen, action};

use super::traffic::{self, Sight};
use super::{migrate, proof, run, save, slot, wake, workers};

/// How long programs that a dead run left may take to end.
const CHILD_GRACE: Duration = Duration::from_secs(10);

/// The run that died, what is seen of traffic, and the one thing to do about it.
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
    fn is_stuck(&self) -> bool {
        self.action == Action::Refuse && self.visible
    }

    /// The plan in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let OpenRun {
            run,
            verb,
            phase,
            from,
            to,
            ..
        } = &self.open;
        let action = match self.action {
            Action::Abandon => "note that it ended; traffic never moved".to_owned(),
            Action::RestoreSlot => format!("bring back what {} held; traffic is on {from}", to.color),
            Action::Finish => format!("prove that {to} is live and note it"),
            Action::PutBack => format!("put traffic back to {from}"),
            Action::Follow => format!("make NGINX follow the link to {from}"),
            Action::Refuse => "touch nothing; a person must look".to_owned(),
        };
        format!(
            "{verb} {run} died while {} ({}): {action}",
            phase_words(*phase),
            self.seen
        )
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "preparing",
        Phase::Replacing => "replacing the idle color",
        Phase::Swapping => "moving traffic",
        Phase::Proven => "finishing up",
        Phase::PuttingBack => "putting traffic back",
    }
}

/// Looks for a run that died and says what the table wants.
pub async fn plan(app: &App, story: &Story) -> Option<Plan> {
    let open = story.open.clone()?;
    let Sight { link, nginx } = traffic::look(app).await;
    let words = |route: Option<crate::model::color::Route>| {
        route.map_or("nothing".to_owned(), |route| route.to_string())
    };
    let (link, nginx) = (link.ok(), nginx.ok());
    let action = action(open.phase, Seen::of(link, &open), Seen::of(nginx, &open));
    Some(Plan {
        open,
        action,
        seen: format!("link: {}, NGINX: {}", words(link), words(nginx)),
        visible: link.is_some() && nginx.is_some(),
    })
}

/// Does what the table wants about a run that died, and notes it in the journal.
///
/// # Errors
/// Exit 7 where the table refuses, or where the one thing to do did not work.
pub async fn recover(app: &App, journal: &mut Journal, sink: &dyn Sink) -> Result<(), Failure> {
    // Whatever was begun there, it serves visitors now.
    if let Ok(route) = app.link.read() {
        hold::clear(&app.layout.hold(route.color));
    }
    let story = journal.story().clone();
    let Some(open) = &story.open else { return Ok(()) };
    // A slot that is started again would start a daemon that keeps nothing else.
    wake::wake(app, sink).await;
    let ended = process::end_marked(&open.run.0, CHILD_GRACE).await;
    if ended > 0 {
        sink.emit(Event::Recovered {
            what: format!("{ended} programs that {} had left were ended", open.run),
        });
    }
    migrate::look_back(app, sink);
    let Some(plan) = plan(app, &story).await else {
        return Ok(());
    };
    let sentence = plan.sentence();
    let record = carry_out(app, &plan, sink).await?;
    journal
        .write(record)
        .map_err(|error| run::journal_failure(app, error))?;
    sink.emit(Event::Recovered { what: sentence });
    Ok(())
}

/// Whether a run died in a way that the table leaves to a person, who can see where
/// traffic is.
pub async fn is_stuck(app: &App, story: &Story) -> bool {
    plan(app, story).await.is_some_and(|plan| plan.is_stuck())
}

/// Ends such a run on the word of a person who has said what shall be live; no slot is
/// touched.
///
/// # Errors
/// When the journal cannot be written.
pub async fn set_aside(app: &App, journal: &mut Journal, sink: &dyn Sink) -> Result<(), Failure> {
    let story = journal.story().clone();
    let Some(plan) = plan(app, &story).await.filter(Plan::is_stuck) else {
        return Ok(());
    };
    process::end_marked(&plan.open.run.0, CHILD_GRACE).await;
    journal
        .write(ended(&plan.open, false))
        .map_err(|error| run::journal_failure(app, error))?;
    sink.emit(Event::Recovered {
        what: format!("{}, and has said what shall be live", plan.sentence()),
    });
    Ok(())
}

async fn carry_out(app: &App, plan: &Plan, sink: &dyn Sink) -> Result<Record, Failure> {
    let open = &plan.open;
    match plan.action {
        Action::Abandon => {
            end_a_stop(app, open, sink).await?;
            Ok(ended(open, false))
        }
        Action::RestoreSlot => {
            workers_back(app, open, sink).await;
            if may_have_been_live(open) {
                give_slot_back(app, open, sink).await?;
            } else if open.touched_slot {
                slot::restore(app, open.to.color, open.replaces.as_ref(), &open.run.0, sink).await?;
            }
            Ok(ended(open, false))
        }
        Action::Finish => finish(app, plan, sink).await,
        Action::PutBack => put_back(app, plan, sink).await,
        Action::Follow => {
            proof::back_at(app, open.from, open.was.is_some())
                .await
                .map_err(|error| stuck(plan).because(error))?;
            workers_back(app, open, sink).await;
            give_slot_back(app, open, sink).await?;
            Ok(ended(open, true))
        }
        Action::Refuse => Err(stuck(plan)),
    }
}

fn stuck(plan: &Plan) -> Failure {
    Failure::unknown("a run died half-way and this cannot be put right without you", plan.sentence())
        .hint("`bg status` and NGINX's error log show where things stand; `bg switch COLOR` says what shall be live")
}

/// The slot that a switch had begun to stop, to start it anew, is warm again.
async fn end_a_stop(app: &App, open: &OpenRun, sink: &dyn Sink) -> Result<(), Failure> {
    let color = open.from.color.other();
    if hold::is_left(&app.layout.hold(color)) {
        let held = releases::slot(&app.layout, color);
        slot::restore(app, color, held.as_ref(), &open.run.0, sink).await?;
    }
    Ok(())
}

async fn finish(app: &App, plan: &Plan, sink: &dyn Sink) -> Result<Record, Failure> {
    let open = &plan.open;
    let moves_color = open.from.color != open.to.color;
    // Before the proof was on record, nobody had said that a color that fails may be live.
    let may_fail = open.phase == Phase::Proven || open.was.is_none();
    match proof::prove(app, open.to, moves_color).await {
        Ok(proof) if may_fail || proof.sick.is_empty() => {}
        Ok(_) | Err(_) => return put_back(app, plan, sink).await,
    }
    if moves_color && workers_want_back(app, open, sink).await {
        return put_back(app, plan, sink).await;
    }
    if let Err(error) = save::save(app).await {
        sink.emit(Event::Warned {
            text: format!("the process list was not saved for a reboot: {error}"),
        });
    }
    Ok(Record::Commit {
        doubt: open.fleet,
        run: open.run.clone(),
        at: Timestamp::now(),
        verb: open.verb,
        live: Standing {
            color: open.to.color,
            release: traffic::standing(app, open.to.color).release,
        },
        maintenance: open.to.maintenance,
        was: open.was.clone(),
        summary: format!(
            "{} → {}, finished by the next command",
            open.from.color, open.to.color
        ),
    })
}

async fn put_back(app: &App, plan: &Plan, sink: &dyn Sink) -> Result<Record, Failure> {
    let open = &plan.open;
    proof::back_from(app, open.to, open.from, open.was.is_some())
        .await
        .map_err(|error| stuck(plan).because(error))?;
    let live = traffic::standing(app, open.from.color);
    sink.emit(Event::PutBack {
        live,
        reason: format!("{} {} died", open.verb, open.run),
    });
    workers_back(app, open, sink).await;
    give_slot_back(app, open, sink).await?;
    Ok(ended(open, true))
}

/// After a run that had moved traffic: every worker to what is live. `true` when one that
/// does not start wants traffic to go back with it.
async fn workers_want_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> bool {
    let live = traffic::standing(app, open.to.color).release;
    match workers::settle(app, live.as_ref(), open.was.as_ref(), sink).await {
        Ok(()) => false,
        Err(stuck) => {
            warn_of(&stuck, sink);
            stuck.wants_back
        }
    }
}

/// The same where traffic is back, or never moved.
async fn workers_back(app: &App, open: &OpenRun, sink: &dyn Sink) {
    if !may_have_been_live(open) || open.from.color == open.to.color {
        return;
    }
    let live = traffic::standing(app, open.from.color).release;
    if let Err(stuck) = workers::settle(app, live.as_ref(), None, sink).await {
        warn_of(&stuck, sink);
    }
}

/// Whether visitors may have come to what the run made live.
fn may_have_been_live(open: &OpenRun) -> bool {
    matches!(open.phase, Phase::Swapping | Phase::Proven | Phase::PuttingBack)
}

fn warn_of(stuck: &workers::Stuck, sink: &dyn Sink) {
    let causes = stuck.failure.causes().join(": ");
    sink.emit(Event::Warned {
        text: format!("{}: {causes}", stuck.failure.what),
    });
}

/// After traffic was taken from a release again: its slot gets back what it held, so that
/// a rollback stays ready, once no request is in flight to it.
async fn give_slot_back(app: &App, open: &OpenRun, sink: &dyn Sink) -> Result<(), Failure> {
    let color = open.to.color;
    if !open.touched_slot {
        return Ok(());
    }
    if slot::drained(app, color, sink).await {
        slot::restore(app, color, open.replaces.as_ref(), &open.run.0, sink).await?;
    }
    Ok(())
}

fn ended(open: &OpenRun, unfit: bool) -> Record {
    Record::Abort {
        run: open.run.clone(),
        at: Timestamp::now(),
        verb: open.verb,
        reason: "its process died".to_owned(),
        refused: if unfit { open.release.clone() } else { None },
    }
}
