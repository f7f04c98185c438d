//! A status as people read it.

use std::fmt::Write;

use engine::workers::WorkerStatus;
use jiff::Timestamp;
use model::preview::Preview;

use super::super::bake;
use super::super::canary::{Stepped, next_words};
use super::{Health, RollbackStatus, SlotStatus, Status};
use crate::text::{self, CARE, GOOD, Show, sign};

impl Show for Status {
    fn show(&self) -> String {
        let live = self
            .live
            .as_ref()
            .map_or("cannot tell what is live".to_owned(), |live| {
                match &live.release {
                    Some(_) => format!("{live} is live{}", self.but()),
                    None => "nothing is live yet: `bg deploy`".to_owned(),
                }
            });
        let mut text = format!(
            "{} · {live}{}\n",
            self.app,
            if self.maintenance {
                ", behind the maintenance page"
            } else {
                ""
            }
        );
        for slot in &self.slots {
            text.push_str(&slot_line(
                slot,
                self.live
                    .as_ref()
                    .is_some_and(|live| live.color == slot.color && live.release.is_some()),
            ));
        }
        if let Some(canary) = &self.canary {
            text.push_str(&canary_line(canary));
        }
        self.workers
            .iter()
            .for_each(|worker| text.push_str(&worker_line(worker)));
        self.previews
            .iter()
            .for_each(|preview| text.push_str(&preview_line(preview, Timestamp::now())));
        if let Some(bake) = &self.bake {
            text.push_str(&bake::line(bake, Timestamp::now()));
        }
        text.push_str(&match &self.rollback {
            RollbackStatus::Ready { to } => {
                let rehearsed = self.rehearsal.as_ref().map_or(String::new(), |rehearsal| {
                    format!("; {}", rehearsal.told(Timestamp::now()))
                });
                format!("  rollback: ready, to {to}{rehearsed}\n")
            }
            RollbackStatus::Cold { to, why } => format!("  rollback: {to} would be started first ({why})\n"),
            RollbackStatus::Nothing { why } => format!("  rollback: none, {why}\n"),
        });
        writeln!(
            text,
            "  switch strategy: `{}` ({})",
            format!("{:?}", self.switch).to_lowercase(),
            self.switch_reason
        )
        .ok();
        if let Some(holder) = &self.locked_by {
            writeln!(text, "  running now: {holder}").ok();
        }
        if let (Some(run), Some(live)) = (&self.doubt, &self.live) {
            let release = live
                .release
                .as_ref()
                .map_or("RELEASE", |release| release.as_str());
            writeln!(
                text,
                "  ! in doubt: {run} lost the client before all hosts confirmed; `bg switch --reconcile {release}` settles that"
            )
            .ok();
        }
        for note in &self.notes {
            writeln!(text, "  · {note}").ok();
        }
        for drift in &self.drift {
            text.push_str(&sign(CARE, "!", drift));
        }
        text
    }

    fn exit_code(&self) -> u8 {
        if self.live.is_none() { 7 } else { 0 }
    }
}

impl Status {
    /// What there is against the color that is live.
    fn but(&self) -> &'static str {
        let is_live = |slot: &&SlotStatus| self.live.as_ref().is_some_and(|live| live.color == slot.color);
        match self.slots.iter().find(is_live).map(|slot| &slot.health) {
            Some(Health::Down(_)) => " but down",
            Some(Health::Unhealthy(_)) => " but unhealthy",
            _ => "",
        }
    }
}

fn slot_line(slot: &SlotStatus, live: bool) -> String {
    let health = match &slot.health {
        Health::Empty => "empty".to_owned(),
        Health::Healthy => "healthy".to_owned(),
        Health::Unhealthy(why) => format!("unhealthy: {why}"),
        Health::Down(why) => format!("down: {why}"),
    };
    let subject = slot
        .subject
        .as_ref()
        .map_or(String::new(), |subject| format!(" \"{subject}\""));
    let release = slot
        .release
        .as_ref()
        .map_or(String::new(), |release| format!("{release}{subject}, "));
    let process = slot.pid.map_or(String::new(), |pid| format!(", pid {pid}"));
    let text = format!(
        "{:<5} :{} {release}{health}{process}",
        slot.color.name(),
        slot.port
    );
    match live {
        true => sign(GOOD, "●", &text),
        false => format!("  ○ {text}\n"),
    }
}

fn canary_line(canary: &Stepped) -> String {
    let share = canary.share.map_or(String::new(), |share| share.to_string());
    let next = next_words(canary.next);
    let by_itself = canary.lasts.map_or(String::new(), |left| {
        format!("; goes to {next} by itself in {}", text::rough(left.0))
    });
    format!(
        "  canary: {share} of the visitors get {}{by_itself}; `bg promote` goes to {next}, `bg abort` back to none\n",
        canary.other
    )
}

fn preview_line(preview: &Preview, now: Timestamp) -> String {
    let Preview { color, terms } = preview;
    let (left, by) = (terms.until.duration_since(now), &terms.by);
    match left.is_positive() {
        true => format!(
            "  preview: {color}, for another {}, opened by {by}\n",
            text::rough(left.unsigned_abs())
        ),
        false => {
            format!(
                "  ! preview: {color}, opened by {by}, although its time is over; `bg preview --off` ends it\n"
            )
        }
    }
}

fn worker_line(worker: &WorkerStatus) -> String {
    let runs = match (&worker.release, worker.pid, worker.up_seconds) {
        (Some(release), Some(pid), Some(up)) => {
            format!(" {release}, up {}, pid {pid}", text::seconds(up as f64 * 1000.0))
        }
        _ => String::new(),
    };
    match &worker.problem {
        None => format!("  ● worker {}{runs}\n", worker.name),
        Some(problem) => format!(
            "  ! worker {}{runs}: it {problem}; `bg repair` fixes that\n",
            worker.name
        ),
    }
}
