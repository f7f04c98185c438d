//! Answers: what a command found or did, for stdout.

use std::fmt::Write;

use engine::workers::WorkerStatus;
use model::event::Event;
use model::journal::Verb;

use super::clean;
use super::human::{CARE, GOOD, sign, typed};
use crate::verbs::answer::Answer;
use crate::verbs::check::{Level, Report};
use crate::verbs::deployed::Deployed;
use crate::verbs::history::{Kept, Line, Timing};
use crate::verbs::init::Started;
use crate::verbs::plan::Planned;
use crate::verbs::repair::Repaired;
use crate::verbs::setup::SetUp;
use crate::verbs::status::{Health, RollbackStatus, SlotStatus, Status};

/// An answer as text; `name` is what to type for this program.
pub(super) fn text(answer: &Answer, name: &str) -> String {
    match clean::answer(answer) {
        Some(answer) => page(&answer, name),
        None => clean::debug(answer),
    }
}

fn page(answer: &Answer, name: &str) -> String {
    let text = match answer {
        Answer::Started(started) => init(started),
        Answer::Checked { report, .. } => check(report),
        Answer::Adopting(adopting) => return super::adopting::text(adopting, name),
        Answer::SetUp(done) => setup(done),
        Answer::Deployed(done) => deployed(done),
        Answer::Planned(plan) => planned(plan),
        Answer::Status(now) => status(now),
        Answer::History(lines) => history(lines),
        Answer::Run(events) => run(events, name),
        Answer::Timings(steps) => timings(steps),
        Answer::Listed(apps) => super::apps::text(apps),
        Answer::Releases(kept) => releases(kept),
        Answer::Data(found) => super::data::text(found),
        Answer::Maintenance(set) => {
            let page = if set.on { "the maintenance page" } else { "the app" };
            format!("visitors get {page}; {} is behind the link\n", set.live)
        }
        Answer::Repaired(repaired) => repair(repaired),
        Answer::Fleet(fleet) => super::fleet::table(fleet, |answer| self::text(answer, name)),
        Answer::Shown { .. } | Answer::ShownOf { .. } | Answer::Sighted(_) => String::new(),
        Answer::Text { text } => return text.clone(),
        Answer::Removed(removed) => steps(&removed.steps, removed.done, "`bg remove --yes` does it"),
    };
    typed(&text, name)
}

fn init(started: &Started) -> String {
    let mut text = format!("wrote {}\n", started.path.display());
    for guess in &started.guessed {
        writeln!(text, "  guessed {guess}").ok();
    }
    if !started.open.is_empty() {
        writeln!(text, "  left open, marked `?`: {}", started.open.join(", ")).ok();
    }
    text + "look it over, then `bg check` and `bg setup`\n"
}

fn setup(done: &SetUp) -> String {
    if done.changes.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let mut text = String::new();
    if done.done {
        for line in &done.changes {
            writeln!(text, "  {line}").ok();
        }
        writeln!(text, "traffic moves the {}", way(&done.switch)).ok();
        return text + "ready: `bg deploy`\n";
    }
    for diff in &done.diffs {
        text.push_str(diff);
    }
    for line in &done.changes {
        writeln!(text, "  would {line}").ok();
    }
    writeln!(text, "traffic would move the {}", way(&done.switch)).ok();
    if let Some(snippet) = &done.snippet {
        writeln!(text, "the site is yours; it needs:\n{snippet}").ok();
    }
    text + "nothing was changed; `bg setup` does it\n"
}

fn way(switch: &str) -> String {
    switch.replacen(": ", " way: ", 1)
}

fn deployed(done: &Deployed) -> String {
    let Deployed {
        verb,
        live,
        other,
        switched,
        warm,
        ..
    } = done;
    if !switched && other.release.is_some() && !done.contract {
        return format!("{live} is live, {other} stands beside it: `bg switch` moves traffic there\n");
    }
    // What was rolled back from is never a rollback's target.
    let back = match verb {
        Verb::Rollback => format!("bg switch {}", other.color),
        _ => "bg rollback".to_owned(),
    };
    match &other.release {
        Some(_) if done.contract => format!(
            "{} is live. {other} does not work with the database as it is now: `{back}` refuses.\n",
            live.color
        ),
        Some(_) if !warm => format!(
            "{} is live. {other} was stopped: `{back}` starts it again.\n",
            live.color
        ),
        Some(_) => format!(
            "{} is live. {other} stays warm: `{back}` takes it back at once.\n",
            live.color
        ),
        None => format!("{live} is live\n"),
    }
}

fn planned(plan: &Planned) -> String {
    let mut text = format!(
        "{} would deploy {} \"{}\" to {}\n",
        plan.app,
        plan.commit.get(..7).unwrap_or(&plan.commit),
        plan.subject,
        plan.color
    );
    for change in &plan.config {
        writeln!(text, "  {}: {} → {}", change.key, change.old, change.new).ok();
    }
    for step in &plan.steps {
        writeln!(text, "  {step}").ok();
    }
    text + "nothing was changed\n"
}

fn status(now: &Status) -> String {
    let live = now
        .live
        .as_ref()
        .map_or("it is not known what is live".to_owned(), |live| {
            match &live.release {
                Some(_) => format!("{live} is live"),
                None => "nothing is live yet: `bg deploy`".to_owned(),
            }
        });
    let mut text = format!(
        "{} · {live}{}\n",
        now.app,
        if now.maintenance {
            ", behind the maintenance page"
        } else {
            ""
        }
    );
    for slot in &now.slots {
        text.push_str(&slot_line(
            slot,
            now.live
                .as_ref()
                .is_some_and(|live| live.color == slot.color && live.release.is_some()),
        ));
    }
    now.workers
        .iter()
        .for_each(|worker| text.push_str(&worker_line(worker)));
    text.push_str(&match &now.rollback {
        RollbackStatus::Ready { to } => format!("  rollback: ready, to {to}\n"),
        RollbackStatus::Cold { to, why } => format!("  rollback: {to} would be started first ({why})\n"),
        RollbackStatus::Nothing { why } => format!("  rollback: none, {why}\n"),
    });
    writeln!(
        text,
        "  switch: {} ({})",
        format!("{:?}", now.switch).to_lowercase(),
        now.switch_reason
    )
    .ok();
    if let Some(holder) = &now.locked_by {
        writeln!(text, "  running now: {holder}").ok();
    }
    if let (Some(run), Some(live)) = (&now.doubt, &now.live) {
        let release = live
            .release
            .as_ref()
            .map_or("RELEASE", |release| release.as_str());
        writeln!(
            text,
            "  ! in doubt: {run} never heard whether the other hosts moved; `bg switch --converge {release}` ends that"
        )
        .ok();
    }
    for note in &now.notes {
        writeln!(text, "  · {note}").ok();
    }
    for drift in &now.drift {
        text.push_str(&sign(CARE, "!", drift));
    }
    text
}

fn slot_line(slot: &SlotStatus, live: bool) -> String {
    let health = match &slot.health {
        Health::Empty => "empty".to_owned(),
        Health::Healthy => "healthy".to_owned(),
        Health::Unhealthy(why) => format!("unhealthy: {why}"),
        Health::Down(why) => format!("down: {why}"),
    };
    let release = slot.release.as_deref().unwrap_or("-");
    let subject = slot
        .subject
        .as_ref()
        .map_or(String::new(), |subject| format!(" \"{subject}\""));
    let process = slot.pid.map_or(String::new(), |pid| format!(", pid {pid}"));
    let text = format!(
        "{:<5} :{} {release}{subject}, {health}{process}",
        slot.color.name(),
        slot.port
    );
    match live {
        true => sign(GOOD, "●", &text),
        false => format!("  ○ {text}\n"),
    }
}

fn worker_line(worker: &WorkerStatus) -> String {
    let runs = match (&worker.release, worker.pid, worker.up_seconds) {
        (Some(release), Some(pid), Some(up)) => {
            format!(
                " {release}, up {}, pid {pid}",
                super::human::seconds(up as f64 * 1000.0)
            )
        }
        _ => String::new(),
    };
    match &worker.problem {
        None => format!("  ● worker {}{runs}\n", worker.name),
        Some(problem) => format!(
            "  ! worker {}{runs}: it {problem}; `bg repair` sees to it\n",
            worker.name
        ),
    }
}

fn history(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing was done yet\n".to_owned();
    }
    let mut text = String::new();
    for line in lines {
        let mark = if line.done { "✓" } else { "✗" };
        let at = line.at.strftime("%Y-%m-%d %H:%M:%S UTC");
        writeln!(
            text,
            "{mark} {at}  {:<11} {}  ({}, {})",
            line.verb, line.summary, line.by, line.run
        )
        .ok();
    }
    text
}

fn timings(steps: &[Timing]) -> String {
    let mut text = "  took      at\n".to_owned();
    for step in steps {
        let seconds = |ms: u64| super::human::seconds(ms as f64);
        let (took, at) = (step.took_ms.map_or(String::new(), seconds), seconds(step.at_ms));
        writeln!(text, "{took:>6} {at:>7}  {}", step.step).ok();
    }
    text
}

fn run(events: &[serde_json::Value], name: &str) -> String {
    let mut text = String::new();
    for line in events {
        let event = line
            .get("event")
            .cloned()
            .and_then(|event| serde_json::from_value::<Event>(event).ok());
        if let Some(event) = event {
            let ms = line.get("ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
            write!(
                text,
                "{:>8} {}",
                super::human::seconds(ms as f64),
                super::human::event(&event, name)
            )
            .ok();
        }
    }
    text
}

fn releases(kept: &[Kept]) -> String {
    if kept.is_empty() {
        return "no release yet: `bg deploy`\n".to_owned();
    }
    let mut text = String::new();
    for release in kept {
        let colors: Vec<&str> = release.colors.iter().map(|color| color.name()).collect();
        let unfit = if release.unfit {
            "  (refused or rolled back from)"
        } else {
            ""
        };
        writeln!(
            text,
            "{}  {:<10} {} \"{}\" by {}{unfit}",
            release.release,
            colors.join(","),
            release.reference,
            release.subject,
            release.by
        )
        .ok();
        if let Some(data) = &release.data {
            writeln!(text, "    holds data, and is kept for it: {data}").ok();
        }
    }
    text
}

fn repair(repaired: &Repaired) -> String {
    let live = repaired
        .live
        .as_ref()
        .map_or(String::new(), |live| format!("{live} is live\n"));
    if repaired.plan.is_empty() {
        return format!("nothing to repair; {live}");
    }
    steps(&repaired.plan, repaired.done, "`bg repair` does it") + &live
}

fn steps(steps: &[String], done: bool, otherwise: &str) -> String {
    let mut text = String::new();
    for step in steps {
        writeln!(text, "  {step}").ok();
    }
    if done {
        text + "done\n"
    } else {
        text + "nothing was changed; " + otherwise + "\n"
    }
}

fn check(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let mark = match finding.level {
            Level::Fine => "✓",
            Level::Warning => "!",
            Level::Error => "✗",
        };
        writeln!(text, "{mark} {}: {}", finding.subject, finding.found).ok();
        if let Some(fix) = &finding.fix {
            writeln!(text, "    {}", fix.replace('\n', "\n    ")).ok();
        }
    }
    let count = |level| {
        report
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    writeln!(
        text,
        "{} fine, {} to look at, {} wrong",
        count(Level::Fine),
        count(Level::Warning),
        count(Level::Error)
    )
    .ok();
    text
}
