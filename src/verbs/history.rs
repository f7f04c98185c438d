//! `bg history` and `bg releases`: what the journal and the folders say.

use engine::app::App;
use engine::{run, traffic};
use jiff::Timestamp;
use model::color::Color;
use model::failure::Failure;
use model::journal::Record;
use model::release::{Beginning, ReleaseId};
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;
use sys::lock;

use super::data;

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

/// Everything that one run told, as JSON lines.
///
/// # Errors
/// When there is no such run.
pub fn story_of(app: &App, run: &str) -> Result<Vec<serde_json::Value>, Failure> {
    let unknown = || Failure::failed(format!("no run `{run}` is kept")).hint("`bg history` lists the runs");
    if run.contains('/') || run.starts_with('.') {
        return Err(unknown());
    }
    let path = app.layout.runs().join(format!("{run}.ndjson"));
    let text = std::fs::read_to_string(path).map_err(|_| unknown())?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
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

/// How long each step of a run took, from what [`story_of`] says.
#[must_use]
pub fn timings(story: &[serde_json::Value]) -> Vec<Timing> {
    let steps = story.iter().filter_map(|line| {
        let step = line.pointer("/event/event")?.as_str()?.replace('_', " ");
        let at_ms = line.get("ms")?.as_u64()?;
        let took = line.pointer("/event/took_ms").and_then(serde_json::Value::as_f64);
        let took_ms = took.map(|took| took.round() as u64);
        Some(Timing { step, at_ms, took_ms })
    });
    steps.collect()
}

/// One release, as `bg releases` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub release: String,
    /// The commit's first line.
    pub subject: String,
    /// What was asked for.
    pub reference: String,
    /// Who made it.
    pub by: String,
    /// The colors that hold it.
    pub colors: Vec<Color>,
    /// Whether it was refused or rolled back from.
    pub unfit: bool,
    /// What was written into it, for which it is kept.
    #[serde(default)]
    pub data: Option<String>,
}

/// The releases on this host, newest first, and those that make no sense.
///
/// # Errors
/// When the journal cannot be read.
pub fn kept(app: &App) -> Result<Vec<Kept>, Failure> {
    let story = Journal::told(&app.layout.journal()).map_err(|error| run::journal_failure(app, error))?;
    let mut ids = releases::ids(&app.layout).unwrap_or_default();
    ids.sort();
    let slots = Color::BOTH.map(|color| (color, releases::slot(&app.layout, color)));
    let lines = ids.into_iter().rev().map(|id| {
        let holds =
            |(color, held): &(Color, Option<ReleaseId>)| (held.as_ref() == Some(&id)).then_some(*color);
        let manifest = releases::read(&app.layout, &id);
        let unread = |error: &releases::ReleaseError| format!("({error})");
        Kept {
            colors: slots.iter().filter_map(holds).collect(),
            unfit: story.is_unfit(&id),
            data: data::held_by(app, &id),
            subject: manifest
                .as_ref()
                .map_or_else(unread, |manifest| manifest.subject.clone()),
            reference: manifest
                .as_ref()
                .map_or(String::new(), |manifest| manifest.reference.clone()),
            by: manifest
                .as_ref()
                .map_or(String::new(), |manifest| manifest.made_by.clone()),
            release: id.to_string(),
        }
    });
    Ok(lines.collect())
}

/// The kept release that is meant by the beginning of its name or of its commit. Of a whole
/// name that none has, whoever uses it says what is wrong.
///
/// # Errors
/// When none begins so, or several do.
pub fn named(app: &App, beginning: &Beginning) -> Result<ReleaseId, Failure> {
    let mut meant = releases::ids(&app.layout).unwrap_or_default();
    meant.retain(|id| beginning.fits(id));
    let what = match (meant.as_slice(), beginning.whole()) {
        ([one], _) => return Ok(one.clone()),
        ([], Some(whole)) => return Ok(whole),
        ([], None) => format!("no kept release is called `{beginning}`, nor is its commit"),
        (several, _) => format!("`{beginning}` may be any of {} releases", several.len()),
    };
    let names = meant.iter().rev().map(ToString::to_string);
    Err(Failure::failed(what)
        .showing(names)
        .hint("`bg releases` lists those that are kept; name one by as much as it takes")
        .with_traffic(traffic::unchanged(app)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_time_that_it_names_itself() {
        let story = [
            r#"{"ms":0,"event":{"event":"opened","run":"x"}}"#,
            r#"{"ms":130,"event":{"event":"release_made","release":"y","took_ms":12}}"#,
            r#"{"ms":200,"event":{"event":"traffic_moved","took_ms":41.6}}"#,
            r#"{"ms":201,"later":"what this version does not know"}"#,
        ];
        let story = story.map(|line| serde_json::from_str(line).unwrap());
        let steps = timings(&story)
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
