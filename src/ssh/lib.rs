//! A connection to a host as OpenSSH's client would make it, by the same files: its
//! configuration, its keys, its agent, its known hosts. Only what weakens it is left out: a
//! host key that is not known is refused, and passwords are never sent.

use std::sync::Arc;
use std::time::Duration;

use model::event::SshSetting;
use tokio::time::timeout;

mod address;
mod agent;
mod candidates;
mod command;
pub mod config;
mod dial;
mod error;
pub mod host_key;
#[cfg(test)]
mod hostile_tests;
mod idle_timeout;
mod keys;
pub mod known_hosts;
mod login;
mod options;
mod passphrase;
pub mod pattern;
mod presented;
mod quickack;
mod refusal;
mod route;
mod sign;

pub use address::Address;
pub use command::{Chunk, Input, Output};
pub use error::{Advice, SshError};
pub use options::Options;

use dial::Line;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection on which commands can be run; cheap to clone. It ends when it is closed, or
/// when the last clone and the last command are gone.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    line: Line,
    /// The jump hosts, the nearest first.
    hops: Vec<Line>,
    user: String,
    limit: Duration,
    warnings: Vec<SshSetting>,
}

/// Connects to a host, over its jump hosts if it has any, and logs in.
///
/// # Errors
/// [`SshError`]; every wait has a limit, `ConnectTimeout` or 10 s for each step.
pub async fn connect(address: &Address, options: &Options) -> Result<Connection, SshError> {
    let files = config::Files::of(&options.home);
    connect_with(address, options, &files).await
}

/// The same with other configuration files.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(
    address: &Address,
    options: &Options,
    files: &config::Files,
) -> Result<Connection, SshError> {
    let route = route::plan(address, &options.home, files)?;
    let warnings = route::warnings(&route);
    let (mut lines, settings) = route::travel(route, options).await?;
    let Some(line) = lines.pop() else {
        // A route has its end at least.
        return Err(SshError::Protocol(russh::Error::Disconnect));
    };
    Ok(Connection {
        inner: Arc::new(Inner {
            line,
            hops: lines,
            user: settings.user,
            limit: settings.connect_timeout,
            warnings,
        }),
    })
}

impl Connection {
    /// Who we are over there.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// What of the SSH configuration has no effect here, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[SshSetting] {
        &self.inner.warnings
    }

    /// Starts a command given as words, which are quoted for the login shell over there. Its
    /// standard input is open until [`Input::end`] or until the [`Input`] is dropped.
    ///
    /// # Errors
    /// [`SshError::Lost`], [`SshError::NoCommand`], [`SshError::TimedOut`]. That the server
    /// refuses to run it is said by the first [`Chunk`].
    pub async fn exec(&self, words: &[&str]) -> Result<(Input, Output), SshError> {
        let command = shlex::try_join(words.iter().copied()).map_err(|_| SshError::NoCommand {
            why: "a word has a zero byte in it".to_owned(),
        })?;
        let starting = async {
            let channel = self.inner.line.handle.channel_open_session().await?;
            channel.exec(true, command).await?;
            Ok(channel)
        };
        let channel = match timeout(self.inner.limit, starting).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(self.not_started(&error)),
            Err(_) => {
                return Err(SshError::TimedOut {
                    what: "starting a command".to_owned(),
                    limit: self.inner.limit,
                });
            }
        };
        Ok(command::attend(channel, self.inner.line.lost.clone()))
    }

    fn not_started(&self, error: &russh::Error) -> SshError {
        match (error, self.inner.line.lost.borrow().clone()) {
            (_, Some(why)) => SshError::Lost { why },
            (russh::Error::ChannelOpenFailure(failure), None) => SshError::NoCommand {
                why: failure.description().to_lowercase(),
            },
            (error, None) => SshError::Lost {
                why: error.to_string(),
            },
        }
    }

    /// Ends the connection in an orderly way, the jump hosts' after it.
    pub async fn close(&self) {
        self.inner.line.hang_up(GOODBYE).await;
        for hop in self.inner.hops.iter().rev() {
            hop.hang_up(GOODBYE).await;
        }
    }
}
