//! Commands that go to other machines: what is sent there, and how it is shown as if it had
//! been done here.

use std::path::PathBuf;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::host::front::Nonce;
use crate::model::event::{Event, Sink};
use crate::model::failure::{Failure, Kind, Traffic};
use crate::model::wire::{ConfigText, InStep, Order, Request, Saw};
use crate::remote::host::{Host, Way};
use crate::remote::interrupts::Interrupts;
use crate::remote::program::Program;
use crate::remote::relay::{self, Finished, Onlooker};
use crate::remote::{public, ssh};
use crate::ui::{HostUi, Ui};
use crate::verbs::answer::Answer;
use crate::verbs::sight::Sighted;

use super::args::Verb;
use super::hosts::Chosen;
use super::run::told;
use super::{passage, shell};

/// A command for other machines.
#[derive(Clone)]
pub struct Errand {
    /// What was typed.
    pub verb: Verb,
    /// The app, where it was named.
    pub app: Option<String>,
    /// The configuration at hand.
    pub config: Option<ConfigText>,
    /// The machines.
    pub chosen: Chosen,
    /// How we speak.
    pub ui: Ui,
}

impl Errand {
    /// Does it, on one host as if it were here, on several in company.
    pub async fn run(self, accept_new_host_key: bool) -> u8 {
        let way = match way(accept_new_host_key) {
            Ok(way) => way,
            Err(failure) => return told(self.ui, Err(failure)),
        };
        match self.chosen.names.as_slice() {
            [name] => self.alone(name, &way).await,
            _ => super::fleet::together(&self, &way).await,
        }
    }

    async fn alone(&self, name: &str, way: &Way) -> u8 {
        let onlooker = Alone(self.ui);
        let tell = |event| self.ui.emit(event);
        let host = match Host::connect(name, way, &tell).await {
            Ok(host) => host,
            Err(failure) => return told(self.ui, Err(failure)),
        };
        let code = if matches!(self.verb, Verb::Exec { .. }) {
            passage::exec(&host, &self.request(), self.ui).await
        } else {
            let world = self.world_before().await;
            let finished = self.carry_out(&host, &onlooker).await;
            let finished = self.world_after(world, finished).await;
            show(self.ui, finished)
        };
        host.close().await;
        code
    }

    async fn carry_out(&self, host: &Host, onlooker: &Alone) -> Finished {
        let mut request = self.request_to_remember();
        if self.verb.changes() {
            // Without a sight the verb itself says what is wrong.
            request.saw = self.sight(host).await.ok().map(|sighted| Saw {
                live: sighted.live.release,
            });
        }
        let mut interrupts = Interrupts::listen();
        let (order, orders) = watch::channel(None);
        let work = relay::carry_out(host, &request, self.verb.needs_root(), orders, onlooker);
        tokio::pin!(work);
        let mut second = interrupts.clone();
        loop {
            tokio::select! {
                finished = &mut work => return finished,
                () = interrupts.first(), if order.borrow().is_none() => {
                    if self.verb.changes() {
                        onlooker.event(Event::Noted {
                            text: format!("`{}` was asked to stop, which it does before traffic moves; again leaves it alone", host.name),
                        });
                    }
                    order.send_replace(Some(Order::Stop));
                }
                () = second.second() => return left(&host.name).into(),
            }
        }
    }

    /// What was typed, as a host is asked for it.
    #[must_use]
    pub fn request(&self) -> Request {
        self.request_of(&self.verb)
    }

    /// The same, with a ticket where what came of it must not be lost with a connection.
    #[must_use]
    pub fn request_to_remember(&self) -> Request {
        Request {
            ticket: self.verb.changes().then(ticket),
            ..self.request()
        }
    }

    /// The same for another command.
    #[must_use]
    pub fn request_of(&self, verb: &Verb) -> Request {
        Request {
            app: self.app.clone(),
            verb: serde_json::to_value(verb).unwrap_or_default(),
            config: self.config.clone(),
            ..Request::default()
        }
    }

    /// Part of a request over several hosts.
    #[must_use]
    pub fn request_in_step(&self, verb: &Verb, saw: Saw, step: InStep) -> Request {
        Request {
            ticket: Some(ticket()),
            saw: Some(saw),
            fleet: Some(step),
            ..self.request_of(verb)
        }
    }

    /// What is live on `host`.
    ///
    /// # Errors
    /// When that is not known.
    pub async fn sight(&self, host: &Host) -> Result<Sighted, Failure> {
        match self.quietly(host, &Verb::Sight).await? {
            Some(Answer::Sighted(sighted)) => Ok(sighted),
            _ => Err(Failure::failed(format!(
                "`{}` does not say what is live",
                host.name
            ))),
        }
    }

    /// Has another command carried out, showing nothing but that the engine was brought.
    ///
    /// # Errors
    /// As the command.
    pub async fn quietly(&self, host: &Host, verb: &Verb) -> Result<Option<Answer>, Failure> {
        let (_order, orders) = watch::channel(None);
        let quiet = Quiet(self.ui);
        relay::carry_out(host, &self.request_of(verb), false, orders, &quiet)
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
        match public::ask(url).await {
            Ok(()) => Some(true),
            Err(error) => {
                let why = words(&error);
                self.ui.emit(Event::Warned {
                    text: format!("before anything was changed: {why}"),
                });
                Some(false)
            }
        }
    }

    /// What is wrong with the public URL that was not before.
    pub async fn world_now(&self, before: Option<bool>) -> Option<public::NotThere> {
        let url = self.chosen.fleet.url.as_ref().filter(|_| before == Some(true))?;
        public::ask(url).await.err()
    }

    async fn world_after(&self, before: Option<bool>, finished: Finished) -> Finished {
        let Ok(Some(Answer::Deployed(done))) = &finished.result else {
            return finished;
        };
        match self.world_now(before).await {
            None => finished,
            Some(error) => Failure::failed("the site was there for the world before, and is not now")
                .because(error)
                .hint("`bg rollback` goes back at once")
                .with_traffic(Traffic::Moved {
                    live: done.live.clone(),
                })
                .into(),
        }
    }
}

/// An error with its causes in one line.
#[must_use]
pub fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// Shows what came of it, and returns the exit code.
pub fn show(ui: Ui, finished: Finished) -> u8 {
    told(ui, finished.result);
    finished.code
}

pub(super) fn left(host: &str) -> Failure {
    Failure::unknown(
        "left while the run goes on",
        format!("`{host}` stops it if traffic has not moved, and finishes it if it has"),
    )
    .hint(format!("`bg status --hosts {host}` shows how it ended"))
}

/// A name that no other request has, later ones sorting behind earlier ones.
fn ticket() -> String {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    format!("{now}-{}", Nonce::fresh().as_str())
}

fn way(accept_new_host_key: bool) -> Result<Way, Failure> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::new(Kind::Config, "HOME is not set, so no `.ssh` is found"))?;
    let program =
        Program::find().map_err(|error| Failure::failed("there is no engine to bring").because(error))?;
    Ok(Way {
        ssh: ssh::Options {
            home,
            accept_new_host_key,
            name: shell::name_to_type(),
        },
        program,
    })
}

/// One host, shown as if it were this one.
struct Alone(Ui);

impl Onlooker for Alone {
    fn event(&self, event: Event) {
        self.0.emit(event);
    }
    fn lines(&self, text: &str) {
        self.0.lines(text);
    }
    fn look(&self, answer: &Answer) {
        self.0.look(answer);
    }
}

/// A question on the way, of which only what went wrong is shown.
struct Quiet(Ui);

impl Onlooker for Quiet {
    fn event(&self, event: Event) {
        if matches!(event, Event::Noted { .. } | Event::Warned { .. }) {
            self.0.emit(event);
        }
    }
    fn lines(&self, _text: &str) {}
    fn look(&self, _answer: &Answer) {}
}

/// One of several hosts, with its name in front of what it says.
pub struct OneOf(pub HostUi);

impl Onlooker for OneOf {
    fn event(&self, event: Event) {
        self.0.emit(event);
    }
    fn lines(&self, text: &str) {
        self.0.lines(text);
    }
    fn look(&self, _answer: &Answer) {}
}
