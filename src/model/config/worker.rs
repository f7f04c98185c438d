//! `[[worker]]`: what works beside the site and has no port: a queue, a sync, a scheduler.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// A background process of each release, handed over when traffic has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Its name: lower-case letters, digits and dashes. PM2 calls it `<process.name>-worker-<name>`.
    pub name: String,
    /// The command, split into words first and then rendered: `{{ venv }}`, `{{ release }}`,
    /// `{{ color }}`. No shell.
    pub run: String,
    /// Whether the old one ends before the new one starts, or after it is ready.
    #[serde(default)]
    pub handover: Handover,
    /// How long it must stay up to count as started.
    #[serde(default = "ready")]
    pub ready: Span,
    /// A command that must exit 0 after that, tried again until it does.
    #[serde(default)]
    pub ready_command: Option<String>,
    /// The deadline of `ready_command`.
    #[serde(default = "ready_timeout")]
    pub ready_timeout: Span,
    /// How it is asked to end.
    #[serde(default)]
    pub stop_signal: StopSignal,
    /// How long it may take to end before it is killed.
    #[serde(default = "stop_timeout")]
    pub stop_timeout: Span,
    /// What happens to traffic when it does not start on a new release.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The hosts of `hosts` where it runs. Default: the primary alone.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// An entry of PM2 that did this job before: stopped at the first handover, kept in
    /// PM2's list, and started again where a release has no such worker.
    #[serde(default)]
    pub replaces: Option<String>,
}

/// In which order the old and the new one change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Handover {
    /// Never two at once on a host: the new one starts when the old one is gone.
    #[default]
    Singleton,
    /// Never none: the old one ends when the new one is ready.
    Overlap,
}

/// What happens to traffic when a worker does not start on a new release. The worker itself
/// goes back to the old one either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It stays with the new release, and the deploy says so.
    #[default]
    Keep,
    /// It is put back.
    Rollback,
}

/// The signal that asks a worker to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// `SIGTERM`.
    #[default]
    #[serde(alias = "SIGTERM")]
    Term,
    /// `SIGINT`.
    #[serde(alias = "SIGINT")]
    Int,
    /// `SIGQUIT`.
    #[serde(alias = "SIGQUIT")]
    Quit,
    /// `SIGHUP`.
    #[serde(alias = "SIGHUP")]
    Hup,
    /// `SIGUSR1`.
    #[serde(alias = "SIGUSR1")]
    Usr1,
    /// `SIGUSR2`.
    #[serde(alias = "SIGUSR2")]
    Usr2,
}

fn ready() -> Span {
    Span::seconds(1)
}

fn ready_timeout() -> Span {
    Span::seconds(30)
}

fn stop_timeout() -> Span {
    Span::seconds(30)
}

impl Worker {
    /// Whether it runs on this host.
    pub(super) fn is_for(&self, host: &str, primary: bool) -> bool {
        match self.hosts.is_empty() {
            true => primary,
            false => self.hosts.iter().any(|named| named == host),
        }
    }
}
