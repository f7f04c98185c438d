//! The engine: a request comes in over standard input, events and the result go out over
//! standard output, and the host is this one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use engine::caller::Caller;
use engine::control::ControlChannel;
use model::failure::{Failure, Kind};
use model::wire::{EngineMessage, HEARTBEAT_INTERVAL, Hello, PROTOCOL, Request};
use release::uploads;
use state::outcome;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Verb;
use super::context::{ConfigSource, Context};
use super::dispatch::dispatch;
use super::rights;
use crate::ui::Ui;

/// A request is a command line and a `bg.toml`; a megabyte is far more than either.
const LONGEST_REQUEST: usize = 1 << 20;

/// Says what it is, does what it is asked for, and says how it went.
pub async fn main() -> u8 {
    // A connection that is cut sends this one; whether the run ends then is its own matter.
    let _hangup = signal(SignalKind::hangup());
    let ui = Ui::Wire;
    ui.say(&EngineMessage::Hello(Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }));
    let code = match request() {
        Ok((request, rest)) => answer(request, rest, ui).await,
        Err(failure) => ui.end(Err(failure)),
    };
    ui.flush();
    code
}

async fn answer(request: Request, rest: File, ui: Ui) -> u8 {
    let verb: Verb = match serde_json::from_value(request.verb) {
        Ok(verb) => verb,
        Err(error) => {
            let unknown = Failure::new(Kind::Usage, "the engine on the host does not know this command");
            return ui.end(Err(unknown.because(error)));
        }
    };
    let mut context = Context {
        app: request.app,
        config: request.config.map_or(ConfigSource::None, ConfigSource::Sent),
        place: request.place,
        author: None,
    };
    if let Err(failure) = rights::settle_sent(&mut context, &verb) {
        return ui.end(Err(failure));
    }
    if let Verb::Receive { commit, bytes } = &verb {
        return receive(&context, commit, *bytes, rest, ui);
    }
    // A command in a release takes over, with what is left of standard input.
    let control = match verb.kind().becomes_a_program() {
        true => ControlChannel::none(),
        false => ControlChannel::from(rest),
    };
    let mut caller = Caller::afar(&ui, control, request.expected, request.fleet);
    caller.request_id.clone_from(&request.request_id);
    let alive = tokio::spawn(tell_that_it_lives(ui));
    let done = dispatch(verb, &context, &caller, ui).await;
    alive.abort();
    if let Some(request_id) = request.request_id
        && let Ok(app) = context.open()
    {
        outcome::keep(&app.layout, &request_id, &Ui::result(&done)).ok();
    }
    ui.end(done)
}

/// Takes the files that come behind the request.
fn receive(context: &Context, commit: &str, bytes: u64, rest: File, ui: Ui) -> u8 {
    let received = context.open().and_then(|app| {
        uploads::receive(&app.layout, commit, bytes, rest)
            .map_err(|error| Failure::failed("the upload was not accepted").because(error))
    });
    ui.end(received.map(|()| None))
}

async fn tell_that_it_lives(ui: Ui) {
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        ui.say(&EngineMessage::Alive);
    }
}

/// Reads the first line of standard input and not a byte more: the rest may be for a
/// command that this process becomes.
fn request() -> Result<(Request, File), Failure> {
    let unread = |error: io::Error| Failure::failed("the request cannot be read").because(error);
    let input: OwnedFd = io::stdin().as_fd().try_clone_to_owned().map_err(unread)?;
    let mut input = File::from(input);
    let (mut line, mut byte) = (Vec::new(), [0]);
    while input.read(&mut byte).map_err(unread)? == 1 && byte != *b"\n" {
        line.extend(byte);
        if line.len() > LONGEST_REQUEST {
            return Err(Failure::new(Kind::Usage, "the request is longer than a megabyte"));
        }
    }
    let request = serde_json::from_slice(&line)
        .map_err(|error| Failure::new(Kind::Usage, "the request cannot be parsed").because(error))?;
    Ok((request, input))
}
