//! `bg releases`: the releases that are kept, and which of them is meant by part of its name.

use std::fmt::Write;

use engine::app::App;
use engine::{run, traffic};
use model::color::Color;
use model::failure::Failure;
use model::release::{Beginning, ReleaseId};
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;

use super::data;
use crate::text::{Show, notices};

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

impl Show for Vec<Kept> {
    fn show(&self) -> String {
        if self.is_empty() {
            return "no release yet: `bg deploy`\n".to_owned();
        }
        let mut text = String::new();
        for release in self {
            let colors: Vec<&str> = release.colors.iter().map(|color| color.name()).collect();
            let unfit = if release.unfit {
                "  (refused or rolled back)"
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
            data: data::held_by(app, &id).as_ref().map(notices::written),
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
        ([], None) => format!("no kept release or commit begins with `{beginning}`"),
        (several, _) => format!("`{beginning}` fits {} releases", several.len()),
    };
    let names = meant.iter().rev().map(ToString::to_string);
    Err(Failure::failed(what)
        .showing(names)
        .hint("`bg releases` lists the kept releases; type enough of a name to tell it from the others")
        .with_traffic(traffic::unchanged(app)))
}
