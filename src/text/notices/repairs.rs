//! What is not as a run left it, what is done about it, and what was.

use model::drift::Drift;
use model::event::{Repair, RepairStep};
use model::journal::Left;

/// What was put right.
#[must_use]
pub fn repair(repair: &Repair) -> String {
    match repair {
        Repair::RunEnded(run) | Repair::RunSetAside(run) => run.past(),
        Repair::ProgramsStopped { run, programs } => {
            format!("stopped {programs} programs that {run} had left running")
        }
        Repair::Pm2Started { processes } => {
            format!("PM2's daemon was down; started it with {}", processes.join(", "))
        }
        Repair::LinkMade { route } => format!("the live link was missing and points at {route} again"),
        Repair::DriftMended(it) => mended(it),
        Repair::AdoptionFinished => "an adoption that was interrupted is finished".to_owned(),
    }
}

/// What `bg repair` does, or would do.
#[must_use]
pub fn step(step: &RepairStep) -> String {
    match step {
        RepairStep::EndRun(run) => run.to_string(),
        RepairStep::FollowLink { link, nginx } => {
            format!("NGINX answers from {nginx} and the link says {link}: make NGINX read the link")
        }
        RepairStep::Mend(it) => match mends(it) {
            Some(repair) => format!("{}: {repair}", drift(it)),
            None => drift(it),
        },
        RepairStep::SettleWorker {
            worker,
            problem,
            release: Some(release),
        } => format!("worker `{worker}` {problem}: hand it over to {}", release.short()),
        RepairStep::SettleWorker {
            worker,
            problem,
            release: None,
        } => format!("worker `{worker}` {problem}: stop it"),
    }
}

/// What is not as the last run left it, without what mends it.
fn drift(drift: &Drift) -> String {
    match drift {
        Drift::Asleep { processes } => format!("PM2's daemon is down and kept {}", processes.join(", ")),
        Drift::Moved { left, now } => format!(
            "{} is live, but the last run left {} live: traffic was moved without bg",
            place(now),
            place(left)
        ),
        Drift::Renamed(misnamed) => misnamed.to_string(),
        Drift::Dead { live, problem, .. } => format!("{live} is live but down: {problem}"),
        Drift::Strange { live, problem } => {
            format!("{live} is live, but PM2 does not manage the process that serves it: {problem}")
        }
        Drift::Stolen {
            live,
            by,
            maintenance: false,
        } if by.is_reached => format!(
            "{by}, and {live} is live: visitors' requests, with cookies and passwords, reach that program"
        ),
        Drift::Stolen { live, by, .. } => format!("{by}, and {live} is live"),
        Drift::Unsaved { process } => format!(
            "PM2's saved list lacks `{process}`, which is live: a reboot would not bring it back as it runs now"
        ),
    }
}

fn place(left: &Left) -> String {
    match left.maintenance {
        true => format!("{} behind the maintenance page", left.live),
        false => left.live.to_string(),
    }
}

/// What `bg repair` does about it; `None` for what it must not touch.
#[must_use]
pub fn mends(drift: &Drift) -> Option<String> {
    match drift {
        Drift::Asleep { processes } => Some(format!("start PM2's daemon with {}", processes.join(", "))),
        Drift::Moved { .. } => Some("record in the journal what is live".to_owned()),
        Drift::Renamed(misnamed) => Some(format!("point the slot at {} again", misnamed.live)),
        Drift::Dead {
            live, by_hand: None, ..
        } => Some(format!("start {live} again")),
        Drift::Dead { .. } | Drift::Strange { .. } | Drift::Stolen { .. } => None,
        Drift::Unsaved { .. } => Some("save PM2's list".to_owned()),
    }
}

/// What `bg repair` has done about it.
fn mended(it: &Drift) -> String {
    match it {
        Drift::Asleep { processes } => format!("started PM2's daemon with {}", processes.join(", ")),
        Drift::Moved { now, .. } => format!("the journal says now that {} is live", place(now)),
        Drift::Renamed(misnamed) => {
            let live = &misnamed.live;
            format!("slot {} points to {live} again", live.color)
        }
        Drift::Dead { live, .. } => format!("started {live} again"),
        Drift::Unsaved { process } => format!("PM2's saved list has `{process}` again"),
        Drift::Strange { .. } | Drift::Stolen { .. } => drift(it),
    }
}

/// What is not as the last run left it, and what to type.
#[must_use]
pub fn drift_and_fix(it: &Drift) -> String {
    let what = drift(it);
    match (mends(it), it) {
        (Some(repair), _) => format!("{what}; `bg repair` would {repair}"),
        (
            None,
            Drift::Dead {
                by_hand: Some(command),
                ..
            },
        ) => format!("{what}; `{command}` starts it"),
        (None, Drift::Stolen { live, by, .. }) => format!(
            "{what}; `bg switch {}` or `bg maintenance on` keeps visitors away from that program, {}",
            live.color.other(),
            by.way_out()
        ),
        (None, Drift::Strange { live, .. }) => format!(
            "{what}; `bg deploy` or `bg switch {}` moves traffic to a process that PM2 manages",
            live.color.other()
        ),
        (None, _) => what,
    }
}
