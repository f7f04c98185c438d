//! `[[worker]]`: what works beside the site and has no port: a queue, a sync, a scheduler.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
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
    fn is_for(&self, host: &str, primary: bool) -> bool {
        match self.hosts.is_empty() {
            true => primary,
            false => self.hosts.iter().any(|named| named == host),
        }
    }
}

impl Config {
    /// The worker of that name.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.name == name)
    }

    /// What the host of this name has to know: its own workers, and not which other hosts
    /// there are.
    #[must_use]
    pub fn of_host(self, host: &str, primary: bool) -> Config {
        self.with_workers_where(|worker| worker.is_for(host, primary))
    }

    /// The same where nobody says which of its hosts this is: the only one, or else one that
    /// goes on with the workers that it has.
    #[must_use]
    pub fn of_this_host(self, applied: Option<&Config>) -> Config {
        let alone = self.hosts.len() <= 1;
        self.with_workers_where(|worker| {
            alone || applied.is_some_and(|applied| applied.worker(&worker.name).is_some())
        })
    }

    fn with_workers_where(self, stays: impl Fn(&Worker) -> bool) -> Config {
        let mut config = self.of_one_host();
        config.workers.retain(stays);
        for worker in &mut config.workers {
            worker.hosts.clear();
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read::parse;
    use super::*;

    fn config(hosts: &str) -> Config {
        let text = format!(
            r#"
            app = "shop"
            root = "/srv/shop"
            hosts = [{hosts}]
            source.git = "/home/you/shop"
            process.run = "gunicorn -b 127.0.0.1:{{{{ port }}}} app:app"
            process.ports = {{ blue = 5001, green = 5002 }}
            nginx.server_names = ["example.com"]
            [[worker]]
            name = "sync"
            run = "python sync.py"
            [[worker]]
            name = "mail"
            run = "python mail.py"
            hosts = ["web2"]
            "#
        );
        parse(&text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn names(config: &Config) -> Vec<&str> {
        config.workers.iter().map(|worker| worker.name.as_str()).collect()
    }

    #[test]
    fn a_host_hears_of_its_own_workers_only() {
        let both = || config(r#""web1", "web2""#);
        let (first, second) = (both().of_host("web1", true), both().of_host("web2", false));
        assert_eq!(names(&first), ["sync"]);
        assert_eq!(names(&second), ["mail"]);
        assert!(second.hosts.is_empty() && second.workers[0].hosts.is_empty());
    }

    #[test]
    fn a_host_that_nobody_names_goes_on_with_what_it_has() {
        let both = || config(r#""web1", "web2""#);
        let applied = both().of_host("web2", false);
        assert_eq!(names(&both().of_this_host(Some(&applied))), ["mail"]);
        assert!(names(&both().of_this_host(None)).is_empty());
        assert_eq!(names(&config(r#""web2""#).of_this_host(None)), ["sync", "mail"]);
    }
}
