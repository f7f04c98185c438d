//! A command over there: what goes in, what comes out, how it ended.

use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::error::SshError;

/// How long output may still come after the command's end. Where something that it started
/// keeps its outputs open, the server never says that they are done.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many pieces of output may wait for their reader before the server has to.
const WAITING: usize = 256;

/// Something that came from a command.
#[derive(Debug)]
pub enum Chunk {
    /// A piece of its standard output.
    Stdout(Bytes),
    /// A piece of its standard error.
    Stderr(Bytes),
    /// It ended with this exit code. Nothing follows.
    Exit(u32),
    /// This signal ended it, `TERM` and the like. Nothing follows.
    Signal(String),
    /// Nobody knows how it ended. Nothing follows.
    Lost(SshError),
}

/// The standard input of a command.
pub struct Input {
    half: ChannelWriteHalf<Msg>,
    state: watch::Receiver<State>,
    writing: watch::Sender<bool>,
}

/// What a command prints, and how it ends.
pub struct Output {
    chunks: mpsc::UnboundedReceiver<Chunk>,
    taken: watch::Sender<usize>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Runs,
    Ended,
    Lost,
}

impl Input {
    /// Sends bytes; returns when they are on their way.
    ///
    /// # Errors
    /// [`SshError::Ended`] or [`SshError::Lost`] as soon as that is known, also when the bytes
    /// can no longer be taken.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), SshError> {
        self.writing.send_replace(true);
        let sent = tokio::select! {
            biased;
            over = over(&mut self.state) => Err(over),
            sent = self.half.data_bytes(bytes) => sent.map_err(|_| gone()),
        };
        self.writing.send_replace(false);
        sent
    }

    /// Says that nothing more comes.
    pub async fn end(&mut self) {
        tokio::select! {
            biased;
            _ = over(&mut self.state) => {}
            _ = self.half.eof() => {}
        }
    }
}

async fn over(state: &mut watch::Receiver<State>) -> SshError {
    match state.wait_for(|state| *state != State::Runs).await {
        Ok(state) if *state == State::Ended => SshError::Ended,
        _ => gone(),
    }
}

fn gone() -> SshError {
    SshError::Lost {
        why: "nothing more can be sent".to_owned(),
    }
}

impl Output {
    /// The next thing that came. `None` after [`Chunk::Exit`], [`Chunk::Signal`] or
    /// [`Chunk::Lost`].
    pub async fn next(&mut self) -> Option<Chunk> {
        if self.is_over {
            return None;
        }
        let chunk = self.chunks.recv().await.unwrap_or_else(|| Chunk::Lost(gone()));
        self.taken.send_modify(|taken| *taken += 1);
        self.is_over = !matches!(chunk, Chunk::Stdout(_) | Chunk::Stderr(_));
        Some(chunk)
    }
}

/// Takes a channel on which a command was asked for apart.
pub(super) fn attend(channel: Channel<Msg>, lost: watch::Receiver<Option<String>>) -> (Input, Output) {
    let (read, half) = channel.split();
    let (state_of, state) = watch::channel(State::Runs);
    let (writing, written) = watch::channel(false);
    let (to_output, chunks) = mpsc::unbounded_channel();
    let (taken, taken_of) = watch::channel(0);
    let pump = Pump {
        read,
        lost,
        state: state_of,
        writing: written,
        to_output,
        sent: 0,
        taken: taken_of,
        ending: None,
    };
    tokio::spawn(pump.run());
    let input = Input { half, state, writing };
    let output = Output {
        chunks,
        taken,
        is_over: false,
    };
    (input, output)
}

/// Reads all that comes on a channel, so that its end is noticed also by somebody who only
/// writes: the server takes no more bytes then, and says no more than that the command ended.
struct Pump {
    read: ChannelReadHalf,
    lost: watch::Receiver<Option<String>>,
    state: watch::Sender<State>,
    writing: watch::Receiver<bool>,
    to_output: mpsc::UnboundedSender<Chunk>,
    sent: usize,
    taken: watch::Receiver<usize>,
    ending: Option<(Chunk, Instant)>,
}

impl Pump {
    async fn run(mut self) {
        let last = loop {
            match self.receive().await {
                Received::Message(message) => {
                    if let Some(last) = self.handle(message).await {
                        break last;
                    }
                }
                Received::Nothing => break self.ending(),
            }
        };
        let state = match last {
            Chunk::Lost(_) => State::Lost,
            _ => State::Ended,
        };
        self.state.send_replace(state);
        self.to_output.send(last).ok();
    }

    async fn receive(&mut self) -> Received {
        let Some((_, until)) = &self.ending else {
            return self.read.wait().await.into();
        };
        tokio::select! {
            message = self.read.wait() => message.into(),
            () = sleep_until(*until) => Received::Nothing,
        }
    }

    async fn handle(&mut self, message: ChannelMsg) -> Option<Chunk> {
        match message {
            ChannelMsg::Data { data } => self.give(Chunk::Stdout(data)).await,
            ChannelMsg::ExtendedData { data, ext: 1 } => self.give(Chunk::Stderr(data)).await,
            ChannelMsg::ExitStatus { exit_status } => self.ends(Chunk::Exit(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => self.ends(Chunk::Signal(name_of(&signal_name))),
            ChannelMsg::Failure => {
                let why = "it refuses to".to_owned();
                return Some(Chunk::Lost(SshError::NoCommand { why }));
            }
            ChannelMsg::Eof if self.ending.is_some() => return Some(self.ending()),
            ChannelMsg::Close => return Some(self.ending()),
            _ => {}
        }
        None
    }

    /// Hands on a piece of output. When too much of it waits for its reader, the server waits
    /// as well, unless somebody is writing: that one must not wait for the reader.
    async fn give(&mut self, chunk: Chunk) {
        self.sent += 1;
        let enough = self.sent.saturating_sub(WAITING);
        tokio::select! {
            _ = self.taken.wait_for(|taken| *taken >= enough) => {}
            _ = self.writing.wait_for(|writing| *writing) => {}
        }
        self.to_output.send(chunk).ok();
    }

    fn ends(&mut self, chunk: Chunk) {
        self.state.send_replace(State::Ended);
        self.ending = Some((chunk, Instant::now() + LAST_WORDS));
    }

    fn ending(&mut self) -> Chunk {
        if let Some((chunk, _)) = self.ending.take() {
            return chunk;
        }
        let why = self.lost.borrow().clone();
        let why = why.unwrap_or_else(|| "the server did not say how the command ended".to_owned());
        Chunk::Lost(SshError::Lost { why })
    }
}

enum Received {
    Message(ChannelMsg),
    Nothing,
}

impl From<Option<ChannelMsg>> for Received {
    fn from(message: Option<ChannelMsg>) -> Received {
        message.map_or(Received::Nothing, Received::Message)
    }
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}
