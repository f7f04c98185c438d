//! A command over there: what goes in, what comes out, how it ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::error::SshError;

/// How long output may still come after the command's end. Where something that it started
/// keeps its outputs open, the server never says that they are done.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many pieces of output may wait for their reader before the server has to.
const WAITING: usize = 256;
/// How many may while somebody writes. A host that prints without end must not fill our memory:
/// past this it has to wait, and whoever writes without reading runs into their own deadline.
const MOST_WAITING: usize = 8 * WAITING;

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

/// The standard input of a command; dropping it says that nothing more comes.
pub struct Input {
    half: Arc<ChannelWriteHalf<Msg>>,
    state: watch::Receiver<State>,
    writing: watch::Sender<bool>,
}

/// What a command prints, and how it ends. When this and the [`Input`] are dropped, nothing
/// more is heard of the command; it is told so by its outputs being closed.
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

/// Takes over a channel on which a command was asked for.
pub(super) fn attend(channel: Channel<Msg>, lost: watch::Receiver<Option<String>>) -> (Input, Output) {
    let (read, half) = channel.split();
    let half = Arc::new(half);
    let (state_of, state) = watch::channel(State::Runs);
    let (writing, written) = watch::channel(false);
    let (to_output, chunks) = mpsc::unbounded_channel();
    let (taken, taken_of) = watch::channel(0);
    let pump = Pump {
        read,
        half: Arc::clone(&half),
        lost,
        state: state_of,
        writing: written,
        input_is_gone: false,
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

/// Reads all that comes on a channel, so that the command's end is noticed also by somebody
/// who only writes: the server takes no more bytes then, and says no more than that.
struct Pump {
    read: ChannelReadHalf,
    half: Arc<ChannelWriteHalf<Msg>>,
    lost: watch::Receiver<Option<String>>,
    state: watch::Sender<State>,
    writing: watch::Receiver<bool>,
    input_is_gone: bool,
    to_output: mpsc::UnboundedSender<Chunk>,
    sent: usize,
    taken: watch::Receiver<usize>,
    ending: Option<(Chunk, Instant)>,
}

enum Happening {
    Message(ChannelMsg),
    /// The channel is closed, or all that could come has come.
    Over,
    /// Nobody writes any more.
    InputGone,
    /// Nobody is there any more.
    AllGone,
}

impl Pump {
    async fn run(mut self) {
        let last = loop {
            match self.wait().await {
                Happening::Message(message) => {
                    if let Some(last) = self.handle(message).await {
                        break last;
                    }
                }
                Happening::InputGone => {
                    self.input_is_gone = true;
                    self.half.eof().await.ok();
                }
                Happening::Over | Happening::AllGone => break self.ending(),
            }
        };
        let state = match last {
            Chunk::Lost(_) => State::Lost,
            _ => State::Ended,
        };
        self.state.send_replace(state);
        self.to_output.send(last).ok();
        // Nothing is sent twice: the server's own closing was answered already.
        self.half.close().await.ok();
    }

    async fn wait(&mut self) -> Happening {
        let until = self.ending.as_ref().map(|(_, until)| *until);
        let is_late = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.read.wait() => message.map_or(Happening::Over, Happening::Message),
            () = is_late => Happening::Over,
            () = dropped(&mut self.writing), if !self.input_is_gone => Happening::InputGone,
            () = self.to_output.closed(), if self.input_is_gone => Happening::AllGone,
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
        let least = self.sent.saturating_sub(MOST_WAITING);
        let reader = self.taken.clone();
        let has_room = async |mut reader: watch::Receiver<usize>, enough| {
            reader.wait_for(|taken| *taken >= enough).await.map(drop)
        };
        tokio::select! {
            biased;
            _ = has_room(reader.clone(), enough) => {}
            _ = self.writing.wait_for(|writing| *writing), if !self.input_is_gone => {}
        }
        // An error says that nobody reads any more: what is sent then goes nowhere.
        has_room(reader, least).await.ok();
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

/// Returns when the other end of a channel is dropped.
async fn dropped<T>(receiver: &mut watch::Receiver<T>) {
    while receiver.changed().await.is_ok() {}
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}
