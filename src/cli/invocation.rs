//! A command for other machines: what is asked of each, and the questions on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use model::config::Config;
use model::config::hooks::Hooks;
use model::event::{Event, Sink, Warning};
use model::failure::{Failure, Kind, in_one_line};
use model::wire::{ConfigText, Expected, Participant, Request};
use release::bundle::Bundle;
use site::endpoint::Nonce;
use ssh;
use sys::command;
use tokio::sync::watch;

use super::args::Verb;
use super::context::ConfigSource;
use super::hosts::Chosen;
use super::shell;
use crate::remote::host::{Host, Way};
use crate::remote::program::Program;
use crate::remote::public_url;
use crate::remote::relay::{self, Finished, Onlooker};
use crate::text::Show;
use crate::ui::Ui;
use crate::verbs::Answer;
use crate::verbs::observe::Observed;

/// A command for other machines.
#[derive(Clone)]
pub struct Invocation {
    /// What was typed.
    pub verb: Verb,
    /// The app, where it was named.
    pub app: Option<String>,
    /// The configuration at hand.
    pub config: Option<ConfigText>,
    /// The machines.
    pub chosen: Chosen,
    /// Where it was typed, with a configuration at hand.
    pub client: Option<Client>,
    /// What each of them is brought first.
    pub bundle: Option<Arc<Bundle>>,
    /// How we speak.
    pub ui: Ui,
}

/// The folder of `bg.toml`, and what it says for this machine.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) folder: PathBuf,
    pub(super) app: String,
    pub(super) hooks: Hooks,
}

impl Client {
    /// The client that has `config`.
    #[must_use]
    pub fn of(config: Config, source: &ConfigSource) -> Client {
        let folder = match source {
            ConfigSource::File(path) => path.parent().map(Path::to_owned),
            _ => None,
        };
        Client {
            folder: folder
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or_else(|| PathBuf::from(".")),
            app: config.app,
            hooks: config.hooks,
        }
    }
}

impl Invocation {
    /// What was typed, as a host is asked for it.
    #[must_use]
    pub fn request(&self, host: &str) -> Request {
        self.request_of(&self.verb, host)
    }

    /// The same, with a request_id where what came of it must not be lost with a connection.
    #[must_use]
    pub fn request_to_remember(&self, host: &str) -> Request {
        Request {
            request_id: self.verb.kind().changes().then(request_id),
            ..self.request(host)
        }
    }

    /// The same for another command.
    #[must_use]
    pub fn request_of(&self, verb: &Verb, host: &str) -> Request {
        Request {
            place: Some(self.chosen.place(host)),
            app: self.app.clone(),
            verb: serde_json::to_value(verb).unwrap_or_default(),
            config: self.config.clone(),
            ..Request::default()
        }
    }

    /// Part of a request over several hosts.
    #[must_use]
    pub fn request_in_step(&self, verb: &Verb, host: &str, expected: Expected, step: Participant) -> Request {
        Request {
            request_id: Some(request_id()),
            expected: Some(expected),
            fleet: Some(step),
            ..self.request_of(verb, host)
        }
    }

    /// What is live on `host`.
    ///
    /// # Errors
    /// When that is not known.
    pub async fn observe(&self, host: &Host) -> Result<Observed, Failure> {
        match self.quietly(host, &Verb::Observe).await? {
            Some(Answer::Observed(observed)) => Ok(observed),
            _ => Err(Failure::failed(format!(
                "cannot tell what is live on `{}`",
                host.name
            ))),
        }
    }

    /// Has another command carried out, showing nothing but that the engine was brought.
    ///
    /// # Errors
    /// As the command.
    pub async fn quietly(&self, host: &Host, verb: &Verb) -> Result<Option<Answer>, Failure> {
        let (_order, messages) = watch::channel(None);
        let quiet = Quiet(self.ui);
        relay::carry_out(host, &self.request_of(verb, &host.name), false, messages, &quiet)
            .await
            .result
    }

    /// Whether the public URL answers, before anything is changed; `None` where it is not
    /// to be asked.
    pub async fn world_before(&self) -> Option<bool> {
        let url = self
            .chosen
            .fleet
            .url
            .as_ref()
            .filter(|_| self.verb.moves_traffic())?;
        match public_url::ask(url).await {
            Ok(()) => Some(true),
            Err(error) => {
                let problem = in_one_line(&error);
                self.ui.emit(Event::Warned(Warning::UrlDownBefore { problem }));
                Some(false)
            }
        }
    }

    /// What came of a check on `host`, with what only this end sees.
    #[must_use]
    pub fn seen_from_here(&self, host: &str, mut finished: Finished) -> Finished {
        if let Ok(Some(answer)) = &mut finished.result
            && let Answer::Checked(checked) = answer
        {
            checked.strict = matches!(self.verb, Verb::Check { strict: true });
            checked.report.seen_from_afar(host, Timestamp::now());
            finished.code = checked.exit_code();
        }
        finished
    }

    /// What is wrong with the public URL that was not before.
    pub async fn world_now(&self, before: Option<bool>) -> Option<public_url::NotThere> {
        let url = self.chosen.fleet.url.as_ref().filter(|_| before == Some(true))?;
        public_url::ask(url).await.err()
    }
}

/// What is said when a second Ctrl-C leaves `host` to itself.
#[must_use]
pub fn left(host: &str) -> Failure {
    Failure::unknown(
        "stopped waiting; the run continues on the host",
        format!("`{host}` stops the run if traffic has not moved, and finishes it if it has"),
    )
    .hint(format!("`bg status --hosts {host}` shows how the run ended"))
}

/// A name that no other request has, later ones sorting behind earlier ones.
fn request_id() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    format!("{now}-{}", Nonce::fresh().as_str())
}

/// How hosts are reached from here.
///
/// # Errors
/// When there is no home folder, or no program to bring.
pub fn way(accept_new_host_key: bool) -> Result<Way, Failure> {
    let home = command::home()
        .ok_or_else(|| Failure::new(Kind::Config, "HOME is not set, so `~/.ssh` cannot be found"))?;
    let program =
        Program::find().map_err(|error| Failure::failed("there is no engine to upload").because(error))?;
    Ok(Way {
        ssh: ssh::Options {
            home,
            accept_new_host_key,
            name: shell::name_to_type(),
        },
        program,
    })
}

/// A question on the way, of which only what went wrong is shown.
struct Quiet(Ui);

impl Onlooker for Quiet {
    fn event(&self, event: Event) {
        if matches!(event, Event::Noted(_) | Event::Warned(_)) {
            self.0.emit(event);
        }
    }
    fn lines(&self, _text: &str) {}
    fn look(&self, _answer: &Answer) {}
}
