//! Why the gate stayed shut, as far as it is known.

use model::color::Color;
use model::failure::Failure;
use sys::{process, sockets};

use crate::app::App;
use crate::gate::identity::{Identity, who_answers};
use crate::health::{self, Probe, Unhealthy};
use crate::slot::{self, Running};

/// Where the app listens, if that is nowhere near its port.
pub(super) fn elsewhere(running: &Running) -> String {
    let port = running.manifest.ports.of(running.color);
    let found = sockets::listening(&process::tree(running.process.pid));
    if found.is_empty() || found.iter().any(|address| address.port() == port) {
        return String::new();
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    format!(
        "; the app listens on {} instead: `process.run`, or what it starts, has to use `{{{{ port }}}}`",
        found.join(", ")
    )
}

/// Why the gate stayed shut.
#[derive(Debug)]
pub struct Refusal {
    /// What is wrong, in a sentence.
    pub problem: String,
    /// Every distinct probe result.
    pub probes: Vec<String>,
    /// What the app printed since its start.
    pub log: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    pub(super) answers: bool,
    pub(super) early: bool,
    pub(super) mistaken: bool,
}

impl Refusal {
    pub(super) fn new(problem: impl Into<String>) -> Refusal {
        Refusal {
            problem: problem.into(),
            probes: Vec::new(),
            log: Vec::new(),
            hints: Vec::new(),
            answers: false,
            early: false,
            mistaken: false,
        }
    }

    pub(super) fn of_identity(identity: Identity) -> Refusal {
        match identity {
            Identity::NotYet(problem) => Refusal {
                early: true,
                ..Refusal::new(problem)
            },
            Identity::Wrong(problem) => Refusal {
                mistaken: true,
                ..Refusal::new(problem)
            },
        }
    }

    pub(super) fn of_checks(problem: impl Into<String>, probes: &[Probe]) -> Refusal {
        Refusal {
            probes: health::summary(probes),
            answers: probes
                .iter()
                .any(|probe| !matches!(probe.outcome, Err(Unhealthy::NoAnswer(_)))),
            hints: health::advice(probes),
            ..Refusal::new(problem)
        }
    }

    /// An app that is unwell likes to show its settings.
    pub(super) fn without_secrets(mut self, app: &App, running: &Running) -> Refusal {
        let redactor = slot::redactor(app, &running.manifest);
        self.problem = redactor.redact(&self.problem);
        for line in &mut self.probes {
            *line = redactor.redact(line);
        }
        self
    }

    /// Whether time can cure it: the process runs and has not got so far yet.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.early
    }

    /// Whether another process was found in its place, which may have let go since.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        self.mistaken
    }

    /// Whether going past it leads anywhere: the release's own process answers where NGINX
    /// asks, only not as its checks want.
    #[must_use]
    pub fn can_be_forced(&self, running: &Running) -> bool {
        self.answers && running.process.alive() && who_answers(running).is_ok()
    }

    /// The failure that ends the command.
    #[must_use]
    pub fn into_failure(self, color: Color) -> Failure {
        let mut failure = Failure::failed(format!("{color} did not pass the gate: {}", self.problem))
            .showing(self.probes)
            .showing(self.log);
        for hint in self.hints {
            failure = failure.hint(hint);
        }
        failure.hint(format!("`bg logs {color}` shows the whole log"))
    }
}
