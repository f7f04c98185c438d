//! `bg history`: what the journal and the runs' own logs say.

use std::fmt::Write;

use engine::app::App;
use engine::{ledger, run};
use jiff::Timestamp;
use model::event::Event;
use model::failure::Failure;
use model::journal::Record;
use serde::{Deserialize, Serialize};
use serde_json::json;
use state::journal::Journal;
use sys::lock;

use crate::text::{self, Show, events, notices};

/// One run, as `bg history` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub run: String,
    /// When it ended; when it began for one that died.
    pub at: Timestamp,
    /// What it set out to do.
    pub verb: String,
    /// Who asked.
    pub by: String,
    /// Whether it did.
    pub done: bool,
    /// What it did, or why not.
    pub summary: String,
}

impl Show for Vec<Line> {
    fn show(&self) -> String {
        if self.is_empty() {
            return "no runs yet\n".to_owned();
        }
        let mut text = String::new();
        for line in self {
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
}

/// A run, and whether its end is on record.
struct Told {
    line: Line,
    has_ended: bool,
}

/// The last `lines` runs, newest first.
///
/// # Errors
/// When the journal cannot be read.
pub fn history(app: &App, lines: usize) -> Result<Vec<Line>, Failure> {
    let enough = |records: &[Record]| all_of(records).len() >= lines;
    let records =
        Journal::latest(&app.layout.journal(), enough).map_err(|error| run::journal_failure(app, error))?;
    let mut told = all_of(&records);
    if let Some(newest) = told.last_mut().filter(|told| !told.has_ended)
        && lock::current_holder(&app.layout.lock()).is_some()
    {
        "goes on".clone_into(&mut newest.line.summary);
    }
    Ok(told.into_iter().rev().take(lines).map(|told| told.line).collect())
}

/// Each run that began in these records and had something to do, oldest first.
fn all_of(records: &[Record]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for record in records {
        match record {
            Record::Begin {
                run, at, verb, by, ..
            } => all.push(Told {
                line: Line {
                    run: run.to_string(),
                    at: *at,
                    verb: verb.to_string(),
                    by: by.clone(),
                    done: false,
                    summary: "died half-way".to_owned(),
                },
                has_ended: false,
            }),
            Record::Enter { .. } => {}
            Record::Commit { run, at, summary, .. } => end(&mut all, &run.0, *at, true, summary),
            Record::Abort {
                run, needless: true, ..
            } => all.retain(|told| told.line.run != run.0),
            Record::Abort { run, at, reason, .. } => end(&mut all, &run.0, *at, false, reason),
        }
    }
    all
}

fn end(all: &mut [Told], run: &str, at: Timestamp, done: bool, summary: &str) {
    if let Some(told) = all.iter_mut().rev().find(|told| told.line.run == run) {
        told.has_ended = true;
        told.line.at = at;
        told.line.done = done;
        summary.clone_into(&mut told.line.summary);
    }
}

/// All that one run told, as JSON lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunLog(pub Vec<serde_json::Value>);

impl Show for RunLog {
    fn show(&self) -> String {
        let mut text = String::new();
        for line in &self.0 {
            let event = line.get("event").and_then(|event| events::recorded(event, "bg"));
            if let Some(event) = event {
                let ms = line.get("ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
                write!(text, "{:>8} {event}", text::seconds(ms as f64)).ok();
            }
        }
        text
    }
}

/// Everything that one run told.
///
/// # Errors
/// When there is no such run.
pub fn log_of(app: &App, run: &str) -> Result<RunLog, Failure> {
    let unknown =
        || Failure::failed(format!("the history has no run `{run}`")).hint("`bg history` lists the runs");
    if run.contains('/') || run.starts_with('.') {
        return Err(unknown());
    }
    let path = app.layout.runs().join(format!("{run}.ndjson"));
    let text = std::fs::read_to_string(path).map_err(|_| unknown())?;
    let lines = text.lines().filter_map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get_mut("event").map(notices::add_sentence);
        Some(line)
    });
    let mut lines: Vec<_> = lines.collect();
    if let Some(behaved) = behaved(app, run) {
        let ms = lines.last().and_then(|line| line.get("ms")).cloned();
        lines.push(json!({"ms": ms, "event": behaved}));
    }
    Ok(RunLog(lines))
}

/// How the release that a run made live has behaved since.
fn behaved(app: &App, run: &str) -> Option<Event> {
    let is_there = |records: &[Record]| records.iter().any(|record| record.run().0 == run);
    let records = Journal::latest(&app.layout.journal(), is_there).ok()?;
    let release = records.iter().find_map(|record| match record {
        Record::Commit {
            run: this, live, was, ..
        } if this.0 == run && live.release != *was => live.release.clone(),
        _ => None,
    })?;
    let ledger = ledger::of(app, &release);
    ledger.until?;
    Some(Event::Behaved {
        counts: ledger.counts(),
        places: ledger.behavior(),
        release,
    })
}

/// One step of a run, as `bg history RUN --timings` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The event that ended it.
    pub step: String,
    /// From the start of the run to its end, milliseconds.
    pub at_ms: u64,
    /// How long it took, milliseconds, where it says so. Steps may overlap.
    pub took_ms: Option<u64>,
}

impl Show for Vec<Timing> {
    fn show(&self) -> String {
        let mut text = "  took      at\n".to_owned();
        for step in self {
            let seconds = |ms: u64| text::seconds(ms as f64);
            let (took, at) = (step.took_ms.map_or(String::new(), seconds), seconds(step.at_ms));
            writeln!(text, "{took:>6} {at:>7}  {}", step.step).ok();
        }
        text
    }
}

/// How long each step of a run took, from what [`log_of`] says.
#[must_use]
pub fn timings(log: &RunLog) -> Vec<Timing> {
    let steps = log.0.iter().filter_map(|line| {
        let step = line.pointer("/event/event")?.as_str()?.replace('_', " ");
        let at_ms = line.get("ms")?.as_u64()?;
        let took = line.pointer("/event/took_ms").and_then(serde_json::Value::as_f64);
        let took_ms = took.map(|took| took.round() as u64);
        Some(Timing { step, at_ms, took_ms })
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_an_earlier_version_wrote_is_still_told() {
        let lines = [
            r#"{"ms":0,"event":{"event":"recovered","what":"the live link was missing and points at blue again"}}"#,
            r#"{"ms":130,"event":{"event":"noted","text":"green runs 2f61c0a again,\nas before"}}"#,
            r#"{"ms":200,"event":{"event":"warned","text":"journal: line 3 cannot be parsed and is ignored"}}"#,
            r#"{"ms":300,"event":{"event":"warned","notice":"journal_damaged","damage":"unreadable","line":3}}"#,
            r#"{"ms":301,"event":{"event":"what this version does not know"}}"#,
        ];
        let log = RunLog(lines.map(|line| serde_json::from_str(line).unwrap()).to_vec());
        let shown = anstream::adapter::strip_str(&log.show()).to_string();
        let expected = [
            "0.00s   ✓ the live link was missing and points at blue again",
            "0.1s   · green runs 2f61c0a again,",
            "as before",
            "0.2s   ! journal: line 3 cannot be parsed and is ignored",
            "0.3s   ! journal: line 3 cannot be parsed and is ignored",
        ];
        let shown: Vec<&str> = shown.lines().map(str::trim).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_step_has_the_time_that_it_names_itself() {
        let lines = [
            r#"{"ms":0,"event":{"event":"opened","run":"x"}}"#,
            r#"{"ms":130,"event":{"event":"release_made","release":"y","took_ms":12}}"#,
            r#"{"ms":200,"event":{"event":"traffic_moved","took_ms":41.6}}"#,
            r#"{"ms":201,"later":"what this version does not know"}"#,
        ];
        let log = RunLog(lines.map(|line| serde_json::from_str(line).unwrap()).to_vec());
        let steps = timings(&log)
            .into_iter()
            .map(|step| (step.step, step.at_ms, step.took_ms));
        let expected = [
            ("opened".to_owned(), 0, None),
            ("release made".to_owned(), 130, Some(12)),
            ("traffic moved".to_owned(), 200, Some(42)),
        ];
        assert_eq!(steps.collect::<Vec<_>>(), expected);
    }
}
