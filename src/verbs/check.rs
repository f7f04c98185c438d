//! `bg check`: everything that can be known to stand in the way before it does, each with
//! the fix.

mod machine;
mod owners;
mod site;

use std::path::PathBuf;

use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

use crate::host::app::App;
use crate::host::registry::Registry;
use crate::host::user;
use crate::model::config::Config;
use crate::model::failure::{Failure, Kind};

use super::setup::ground;

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// One line each.
    pub findings: Vec<Finding>,
}

/// One line of a check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Fine,
    /// Should be looked at.
    Warning,
    /// Stands in the way.
    Error,
}

impl Report {
    /// Whether nothing is wrong; with `strict`, nothing to look at either.
    #[must_use]
    pub fn passes(&self, strict: bool) -> bool {
        self.findings.iter().all(|finding| match finding.level {
            Level::Fine => true,
            Level::Warning => !strict,
            Level::Error => false,
        })
    }

    fn fine(&mut self, subject: &str, found: impl Into<String>) {
        self.add(Level::Fine, subject, found, None);
    }

    fn warn(&mut self, subject: &str, found: impl Into<String>, fix: &str) {
        self.add(Level::Warning, subject, found, Some(fix.to_owned()));
    }

    fn wrong(&mut self, subject: &str, found: impl Into<String>, fix: &str) {
        self.add(Level::Error, subject, found, Some(fix.to_owned()));
    }

    fn add(&mut self, level: Level, subject: &str, found: impl Into<String>, fix: Option<String>) {
        self.findings.push(Finding {
            level,
            subject: subject.to_owned(),
            found: found.into(),
            fix,
        });
    }
}

/// Looks over the host and the site of `config`. Changes nothing.
///
/// # Errors
/// Only when not even the host can be looked at.
pub async fn check(config: &Config) -> Result<Report, Failure> {
    let mut report = Report::default();
    let registry = Registry::of_this_user();
    let known = registry.find(&config.app).ok();
    if let Some(entry) = &known {
        owners::look(&mut report, entry, config, &registry).await;
    }
    let ground = match ground::survey(config, &registry).await {
        Ok(ground) => ground,
        Err(failure) => {
            let found = std::iter::once(failure.what.clone())
                .chain(failure.causes())
                .collect::<Vec<_>>()
                .join(": ");
            report.wrong("set-up", found, &failure.hints.join("; "));
            return Ok(report);
        }
    };
    // What is looked at from here on starts programs that the app's owner can change.
    if Uid::effective().is_root() && ground.owner.uid != Uid::effective() {
        user::become_user(&ground.owner).map_err(|error| {
            Failure::failed(format!("cannot become `{}`", ground.owner.name)).because(error)
        })?;
    }
    let entry = known.clone().unwrap_or_else(|| ground.entry.clone());
    let app = App::with(entry, config.clone())
        .map_err(|error| Failure::new(Kind::Config, "the configuration cannot be used").because(error))?;
    let set_up = known.is_some();
    match known {
        Some(_) => report.fine(
            "set-up",
            format!("{} is set up in {}", app.name(), app.layout.root().display()),
        ),
        None => report.warn(
            "set-up",
            format!("{} is not set up on this host", app.name()),
            "`bg setup` does that",
        ),
    }
    site::look(&mut report, &app, &ground, set_up).await;
    machine::look(&mut report, &app).await;
    Ok(report)
}

/// The folders on the way to `path`, outermost first.
fn ancestors(path: &std::path::Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = path.ancestors().map(PathBuf::from).collect();
    all.reverse();
    all
}
