//! One request to the engine of one host: its hello, what it says, what it is told.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::wire::{ClientMessage, EngineMessage, Hello, PROTOCOL, Request};
use ssh::{Chunk, Connection, Input, Output, SshError};
use tokio::time::timeout;

/// How long an engine may take to say what it is. A login shell's own start-up counts, which
/// was seen to take 0.3 s with version managers in it.
const HELLO: Duration = Duration::from_secs(20);

/// How [`EngineMessage::Hello`] begins as JSON.
const HELLO_BEGINS: &[u8] = br#"{"hello":"#;

/// A login shell may print this much before the engine speaks.
const NOISE: usize = 64 << 10;

/// A line of an engine; a release's log in one failure is far shorter.
const LONGEST_LINE: usize = 16 << 20;

/// How much of what a host printed on standard error is kept for a message.
const COMPLAINT: usize = 4 << 10;

/// A request under way.
pub struct Call {
    input: Input,
    output: Output,
    unread: BytesMut,
    complaint: BytesMut,
    /// What ended the output while something was fed.
    last: Option<Option<Chunk>>,
    /// The engine's first line.
    pub hello: Hello,
}

/// The engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum NoEngine {
    /// There is no such program, or it cannot be run.
    #[error("`{command}` ended with {code}{}", said(.complaint))]
    NotThere {
        /// The command line.
        command: String,
        /// Its exit code.
        code: u32,
        /// What was said about it.
        complaint: String,
    },
    /// It speaks another protocol.
    #[error(
        "the engine on the host is version {} and speaks protocol {}, this program is version {} and speaks {PROTOCOL}",
        .0.version,
        .0.protocol,
        env!("CARGO_PKG_VERSION")
    )]
    OtherProtocol(Hello),
    /// It says nothing, or something else.
    #[error("`{command}` did not answer as an engine{}", said(.complaint))]
    Silent {
        /// The command line.
        command: String,
        /// What was said instead.
        complaint: String,
    },
    /// The connection.
    #[error(transparent)]
    Ssh(#[from] SshError),
}

fn said(complaint: &str) -> String {
    if complaint.is_empty() {
        String::new()
    } else {
        format!(": {complaint}")
    }
}

/// An engine's hello, behind whatever a login shell printed without a line's end.
fn hello_in(line: &[u8]) -> Option<Hello> {
    let at = line
        .windows(HELLO_BEGINS.len())
        .rposition(|piece| piece == HELLO_BEGINS)?;
    match serde_json::from_slice(line.get(at..)?) {
        Ok(EngineMessage::Hello(hello)) => Some(hello),
        _ => None,
    }
}

/// What is heard of a request.
#[derive(Debug)]
pub enum Received {
    /// A line of the engine's.
    EngineMessage(EngineMessage),
    /// The engine ended.
    Ended,
    /// Nothing more will be heard.
    Lost(SshError),
}

/// What a command that took over from the engine printed.
#[derive(Debug)]
pub enum Raw {
    /// On standard output.
    Stdout(Bytes),
    /// On standard error.
    Stderr(Bytes),
    /// It ended with this exit code.
    Ended(u32),
    /// A signal ended it.
    Signal(String),
    /// Nothing more will be heard.
    Lost(SshError),
}

impl Call {
    /// Starts the engine by `words` and hears its hello.
    ///
    /// # Errors
    /// When it does not start, or is no engine that we understand.
    pub async fn start(connection: &Connection, words: &[&str]) -> Result<Call, NoEngine> {
        let (input, output) = connection.exec(words).await?;
        let mut call = Call {
            input,
            output,
            unread: BytesMut::new(),
            complaint: BytesMut::new(),
            last: None,
            hello: Hello {
                protocol: 0,
                version: String::new(),
            },
        };
        let command = words.join(" ");
        match timeout(HELLO, call.hear_hello(&command)).await {
            Ok(hello) => call.hello = hello?,
            Err(_) => {
                let complaint = call.complaint();
                return Err(NoEngine::Silent { command, complaint });
            }
        }
        if call.hello.protocol == PROTOCOL {
            Ok(call)
        } else {
            Err(NoEngine::OtherProtocol(call.hello))
        }
    }

    async fn hear_hello(&mut self, command: &str) -> Result<Hello, NoEngine> {
        let mut noise = 0;
        loop {
            while let Some(line) = self.next_line() {
                if let Some(hello) = hello_in(&line) {
                    // What came before it is nobody's complaint.
                    self.complaint.clear();
                    return Ok(hello);
                }
                noise += line.len();
                self.complain(&line);
                self.complain(b"\n");
            }
            let silent = |call: &Call| NoEngine::Silent {
                command: command.to_owned(),
                complaint: call.complaint(),
            };
            if noise + self.unread.len() > NOISE {
                return Err(silent(self));
            }
            match self.output.next().await {
                Some(Chunk::Stdout(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Chunk::Stderr(bytes)) => self.complain(&bytes),
                Some(Chunk::Exit(code)) => {
                    return Err(NoEngine::NotThere {
                        command: command.to_owned(),
                        code,
                        complaint: self.complaint(),
                    });
                }
                Some(Chunk::Lost(error)) => return Err(error.into()),
                Some(Chunk::Signal(_)) | None => return Err(silent(self)),
            }
        }
    }

    /// Sends the request: the engine does nothing before it has all of it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn request(&mut self, request: &Request) -> Result<(), SshError> {
        self.line(serde_json::to_vec(request).unwrap_or_default()).await
    }

    /// Tells the engine something.
    ///
    /// # Errors
    /// When the connection is lost, or the engine has ended.
    pub async fn send(&mut self, message: ClientMessage) -> Result<(), SshError> {
        self.line(serde_json::to_vec(&message).unwrap_or_default()).await
    }

    async fn line(&mut self, mut line: Vec<u8>) -> Result<(), SshError> {
        line.push(b'\n');
        self.input.write(Bytes::from(line)).await
    }

    /// Passes bytes on to a command that took over; an empty piece is the end of them.
    ///
    /// # Errors
    /// When the connection is lost, or the command has ended.
    pub async fn feed(&mut self, bytes: Bytes) -> Result<(), SshError> {
        if bytes.is_empty() {
            self.input.end().await;
            return Ok(());
        }
        self.input.write(bytes).await
    }

    /// The same, and hears meanwhile what the command prints: one that reads nothing while it
    /// prints would otherwise wait for us, and we for it.
    ///
    /// # Errors
    /// As [`Call::feed`].
    pub async fn feed_and_hear(
        &mut self,
        bytes: Bytes,
        mut print: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), SshError> {
        if bytes.is_empty() {
            return self.feed(bytes).await;
        }
        let write = self.input.write(bytes);
        tokio::pin!(write);
        loop {
            tokio::select! {
                written = &mut write => return written,
                chunk = self.output.next(), if self.last.is_none() => match chunk {
                    Some(Chunk::Stdout(bytes)) => print(&bytes, &[]),
                    Some(Chunk::Stderr(bytes)) => print(&[], &bytes),
                    last => self.last = Some(last),
                },
            }
        }
    }

    /// The next thing the engine says. Safe to drop and ask again.
    pub async fn next(&mut self) -> Received {
        loop {
            while let Some(line) = self.next_line() {
                if let Ok(said) = serde_json::from_slice(&line) {
                    return Received::EngineMessage(said);
                }
                self.complain(&line);
            }
            if self.unread.len() > LONGEST_LINE {
                self.unread.clear();
            }
            match self.output.next().await {
                Some(Chunk::Stdout(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Chunk::Stderr(bytes)) => self.complain(&bytes),
                Some(Chunk::Lost(error)) => return Received::Lost(error),
                Some(Chunk::Exit(_) | Chunk::Signal(_)) | None => return Received::Ended,
            }
        }
    }

    /// The next thing that a command which took over prints.
    pub async fn next_raw(&mut self) -> Raw {
        if !self.unread.is_empty() {
            return Raw::Stdout(self.unread.split().freeze());
        }
        if !self.complaint.is_empty() {
            return Raw::Stderr(self.complaint.split().freeze());
        }
        let chunk = match self.last.take() {
            Some(last) => last,
            None => self.output.next().await,
        };
        match chunk {
            Some(Chunk::Stdout(bytes)) => Raw::Stdout(bytes),
            Some(Chunk::Stderr(bytes)) => Raw::Stderr(bytes),
            Some(Chunk::Exit(code)) => Raw::Ended(code),
            Some(Chunk::Signal(name)) => Raw::Signal(name),
            Some(Chunk::Lost(error)) => Raw::Lost(error),
            None => Raw::Ended(0),
        }
    }

    /// What the host said beside the wire: a panic's message, a shell's complaint.
    #[must_use]
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.complaint).trim().to_owned()
    }

    fn complain(&mut self, bytes: &[u8]) {
        let room = COMPLAINT.saturating_sub(self.complaint.len());
        self.complaint
            .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn next_line(&mut self) -> Option<BytesMut> {
        let end = self.unread.iter().position(|byte| *byte == b'\n')?;
        let mut line = self.unread.split_to(end + 1);
        line.truncate(end);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_found_behind_what_a_shell_printed() {
        let line = serde_json::to_string(&EngineMessage::Hello(Hello {
            protocol: 1,
            version: "0.1.0".to_owned(),
        }))
        .unwrap();
        for noise in ["", "Last login: never ", "{\"hello\":", "{\"hello\":1}"] {
            let hello = hello_in(format!("{noise}{line}").as_bytes());
            assert_eq!(hello.map(|hello| hello.protocol), Some(1), "{noise}");
        }
        for other in ["", "hello", "{\"hello\":{}}", "\"done\""] {
            assert_eq!(hello_in(other.as_bytes()), None, "{other}");
        }
    }
}

#[cfg(test)]
mod hostile_tests;
