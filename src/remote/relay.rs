//! One request, from the first word to the last: events are shown as they come, and a lost
//! connection is made again to hear what came of it.

use std::time::{Duration, Instant};

use model::event::{Event, Warning};
use model::failure::Failure;
use model::wire::{ClientMessage, EngineMessage, HEARTBEAT_INTERVAL, READ_TIMEOUT, Request};
use ssh::SshError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::call::{Call, Received};
use super::host::Host;
use crate::verbs::Answer;

/// The pauses between tries to reach a host again grow from this ...
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// ... to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a host is tried to be reached again: a rebooting router takes about a minute.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// Whoever looks on.
pub trait Onlooker: Send + Sync {
    /// A fact.
    fn event(&self, event: Event);
    /// Lines of the app's log.
    fn lines(&self, text: &str);
    /// What was found by a command that goes on looking.
    fn look(&self, answer: &Answer);
}

/// What came of a request.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: u8,
    /// The answer, if there is something to tell, or the failure.
    pub result: Result<Option<Answer>, Failure>,
}

impl From<Failure> for Finished {
    fn from(failure: Failure) -> Finished {
        Finished {
            code: failure.exit_code(),
            result: Err(failure),
        }
    }
}

/// What the client says meanwhile; `None` so far.
pub type Messages = watch::Receiver<Option<ClientMessage>>;

/// How a call went.
enum Followed {
    Finished(Finished),
    /// The engine ended without a word; what the host said instead.
    Died(String),
    /// The engine is there and does not speak.
    Silent,
    Lost(SshError),
}

/// Has `request` carried out on `host`.
///
/// # Errors
/// Inside [`Finished`]: as the verb, or exit 7 when the host could not be reached again.
pub async fn carry_out(
    host: &Host,
    request: &Request,
    as_root: bool,
    mut messages: Messages,
    onlooker: &dyn Onlooker,
) -> Finished {
    let tell = |event| onlooker.event(event);
    let mut call = match host.call(request, as_root, &tell).await {
        Ok(call) => call,
        Err(failure) => return failure.into(),
    };
    let lost = match follow(&mut call, &mut messages, onlooker).await {
        Followed::Finished(finished) => return with_hint(finished, host, request),
        Followed::Died(complaint) => {
            let failure = Failure::failed(format!("the engine on `{}` exited without an answer", host.name));
            failure.showing(complaint.lines().map(str::to_owned))
        }
        Followed::Silent => Failure::failed(format!(
            "the engine on `{}` has said nothing for {} s",
            host.name,
            READ_TIMEOUT.as_secs()
        )),
        Followed::Lost(error) => host.lost(error),
    };
    let Some(request_id) = &request.request_id else {
        return lost.into();
    };
    onlooker.event(Event::Warned(Warning::ConnectionLost {
        on: host.name.clone(),
        problem: lost.what.clone(),
    }));
    let question = Request {
        app: request.app.clone(),
        verb: serde_json::json!({"outcome": {"request_id": request_id}}),
        config: request.config.clone(),
        ..Request::default()
    };
    ask_again(host, &question, onlooker, lost).await
}

/// A failure without root's rights names them: they may be what is missing.
fn with_hint(mut finished: Finished, host: &Host, request: &Request) -> Finished {
    let command = request.verb.as_object().and_then(|verb| verb.keys().next());
    if let (Err(failure), Some(command)) = (&mut finished.result, command) {
        failure.hints.extend(host.root_hint(command));
    }
    finished
}

/// Reaches the host again and asks, until it is known or the time is up.
async fn ask_again(host: &Host, question: &Request, onlooker: &dyn Onlooker, lost: Failure) -> Finished {
    let (until, mut pause) = (Instant::now() + AGAIN_WITHIN, FIRST_PAUSE);
    let quiet = |_| {};
    while Instant::now() < until {
        if let Ok(again) = Host::connect(&host.name, &host.way, &quiet).await
            && let Ok(mut call) = again.call(question, false, &quiet).await
        {
            let (_keep, mut messages) = watch::channel(None);
            let followed = follow(&mut call, &mut messages, onlooker).await;
            again.close().await;
            if let Followed::Finished(finished) = followed {
                return finished;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Failure::unknown(
        format!("`{}` could not be reached again", host.name),
        "if traffic had begun to move, the engine finishes the switch; otherwise it undoes the run",
    )
    .because(std::io::Error::other(lost.what))
    .hint(format!("`bg status --hosts {}` shows what is live", host.name))
    .into()
}

async fn follow(call: &mut Call, messages: &mut Messages, onlooker: &dyn Onlooker) -> Followed {
    let mut keep = interval(HEARTBEAT_INTERVAL);
    keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Finished> = None;
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            received = call.next() => { heard_at = Instant::now(); match received {
                Received::EngineMessage(EngineMessage::Event(event)) => onlooker.event(event),
                Received::EngineMessage(EngineMessage::Lines(text)) => onlooker.lines(&text),
                Received::EngineMessage(EngineMessage::Look { answer }) => {
                    if let Ok(answer) = serde_json::from_value(answer) {
                        onlooker.look(&answer);
                    }
                }
                Received::EngineMessage(said) => last = finished(said).or(last),
                Received::Ended => return last.map_or_else(
                    || Followed::Died(call.complaint()),
                    Followed::Finished,
                ),
                Received::Lost(error) => return last.map_or(Followed::Lost(error), Followed::Finished),
            } }
            () = sleep_until((heard_at + READ_TIMEOUT).into()) => {
                return last.map_or(Followed::Silent, Followed::Finished);
            }
            Ok(()) = messages.changed() => {
                let message = *messages.borrow_and_update();
                if let Some(message) = message {
                    call.send(message).await.ok();
                }
            }
            _ = keep.tick() => {
                call.send(ClientMessage::Heartbeat).await.ok();
            }
        }
    }
}

fn finished(said: EngineMessage) -> Option<Finished> {
    match said {
        EngineMessage::Answer { exit_code, answer } => Some(match serde_json::from_value(answer) {
            Ok(answer) => Finished {
                code: exit_code,
                result: Ok(Some(answer)),
            },
            Err(error) => Failure::failed("the host's answer cannot be parsed")
                .because(error)
                .into(),
        }),
        EngineMessage::Failure(failed) => Some(Failure::from(failed).into()),
        EngineMessage::Done => Some(Finished {
            code: 0,
            result: Ok(None),
        }),
        EngineMessage::Hello(_)
        | EngineMessage::Alive
        | EngineMessage::Event(_)
        | EngineMessage::Lines(_)
        | EngineMessage::Look { .. } => None,
    }
}
