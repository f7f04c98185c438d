//! What a check finds, a line each.

use std::fmt::Write;

use jiff::Timestamp;
use model::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::text::Show;

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// One line each.
    pub findings: Vec<Finding>,
    /// This host's clock when all had been looked at.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// The answer of `bg check`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// What was found.
    pub report: Report,
    /// Whether warnings count as errors.
    #[serde(skip)]
    pub strict: bool,
}

impl Show for Checked {
    fn show(&self) -> String {
        let mut text = String::new();
        for finding in &self.report.findings {
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
            self.report
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

    fn exit_code(&self) -> u8 {
        u8::from(!self.report.passes(self.strict))
    }
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

    pub(super) fn fine(&mut self, subject: &str, found: impl Into<String>) {
        self.add(Level::Fine, subject, found, None);
    }

    pub(super) fn warn(&mut self, subject: &str, found: impl Into<String>, fix: &str) {
        self.add(Level::Warning, subject, found, Some(fix.to_owned()));
    }

    pub(super) fn wrong(&mut self, subject: &str, found: impl Into<String>, fix: &str) {
        self.add(Level::Error, subject, found, Some(fix.to_owned()));
    }

    pub(super) fn add(&mut self, level: Level, subject: &str, found: impl Into<String>, fix: Option<String>) {
        self.findings.push(Finding {
            level,
            subject: subject.to_owned(),
            found: found.into(),
            fix,
        });
    }
}

/// Adds what `failure` says.
pub(super) fn against(report: &mut Report, subject: &str, failure: &Failure) {
    let found = std::iter::once(failure.what.clone())
        .chain(failure.causes())
        .collect::<Vec<_>>()
        .join(": ");
    report.wrong(subject, found, &failure.hints.join("; "));
}
