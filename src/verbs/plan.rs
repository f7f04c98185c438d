//! `bg deploy --plan`: what a deploy would do. Fetches commits into the mirror, touches
//! nothing else.

use serde::{Deserialize, Serialize};

use crate::host::app::App;
use crate::host::releases;
use crate::model::color::Color;
use crate::model::config::difference::{self, Change};
use crate::model::failure::Failure;

use super::source::{self, Wanted};
use super::{adopted, slot, traffic};

/// What a deploy would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// The app.
    pub app: String,
    /// What was asked for: a branch, tag or commit.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// Its first line.
    pub subject: String,
    /// The color it would go to.
    pub color: Color,
    /// What the configuration changes against the release that is live.
    pub config: Vec<Change>,
    /// The steps.
    pub steps: Vec<String>,
}

/// Looks at what a deploy of what is wanted would do.
///
/// # Errors
/// As a deploy would fail before it touched anything.
pub async fn plan(app: &App, wanted: &Wanted, no_switch: bool) -> Result<Planned, Failure> {
    let route = traffic::observe(app).await?;
    let color = route.color.other();
    let commit = source::commit(app, wanted).await?;
    let live = releases::slot(&app.layout, route.color).and_then(|id| slot::read_manifest(app, &id).ok());
    let config = live.map_or_else(Vec::new, |live| difference::difference(&live.config, &app.config));
    Ok(Planned {
        app: app.name().to_owned(),
        steps: steps(app, color, &commit.sha, no_switch),
        reference: wanted.reference(app).to_owned(),
        commit: commit.sha,
        subject: commit.subject,
        color,
        config,
    })
}

fn steps(app: &App, color: Color, sha: &str, no_switch: bool) -> Vec<String> {
    let config = &app.config;
    let mut steps = vec![format!(
        "check out {} into a new release",
        sha.get(..7).unwrap_or(sha)
    )];
    steps.push("reuse the python environment, or build one beside it".to_owned());
    if let Some(held) = releases::slot(&app.layout, color) {
        let left = config.drain.quiet.0.saturating_sub(app.link.age()).as_secs();
        let wait = if left > 0 {
            format!(", in {left} s at the earliest")
        } else {
            String::new()
        };
        let name = adopted::process_name(app, color);
        let for_good = if name == app.process(color) {
            ""
        } else {
            " for good"
        };
        steps.push(format!("let {name} ({}) go{for_good}{wait}", held.short()));
    }
    steps.push(format!(
        "start {} on :{}",
        app.process(color),
        config.process.ports.of(color)
    ));
    steps.push(format!(
        "{}, then a soak of {}",
        counted(config.health.len(), "health check"),
        config.gate.soak
    ));
    if no_switch {
        steps.push("leave it there; traffic stays".to_owned());
    } else {
        let way = if app.reloads() {
            "rename the link and reload NGINX"
        } else {
            "rename the link"
        };
        steps.push(format!(
            "{way}, prove it on {} and {}",
            counted(config.nginx.paths.len(), "path"),
            counted(app.doors.len(), "listener")
        ));
    }
    steps
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
