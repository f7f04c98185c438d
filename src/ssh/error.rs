//! What can go wrong between here and a host, and what the user is told to do about it.

use std::path::PathBuf;
use std::time::Duration;

use model::failure::{Failure, Kind};

use crate::presented::Presented;

/// Why there is no connection, or no longer one.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// What was typed is no address.
    #[error("`{text}` is not the address of a host: {why}")]
    Address {
        /// What was typed, made visible.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line of the SSH configuration.
    #[error("`{}` line {line}: {why}", .file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A file that has to be read, or written.
    #[error("`{}` cannot be {done}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that others can write.
    #[error("`{}` is writable by other users, so it is not used", .path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// A way to get there that we do not go.
    #[error("`{}` line {line} has a `ProxyCommand`, which is not supported", .file.display())]
    ProxyCommand {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// Jump hosts that lead to each other.
    #[error("the jump hosts lead back to `{hop}`")]
    JumpLoop {
        /// The one that comes twice.
        hop: String,
    },
    /// No such name.
    #[error("the name `{host}` is not found")]
    NoSuchName {
        /// The name, after the SSH configuration.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// No TCP connection.
    #[error("`{address}` cannot be reached")]
    Unreachable {
        /// The last IP address and port that was tried.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A wait that has a limit.
    #[error("{what}: no answer within {} s", .limit.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// Something else listens there.
    #[error("what listens at `{address}` is not an SSH server, or closed the connection at once")]
    NotSsh {
        /// Host and port.
        address: String,
    },
    /// No algorithm that both know.
    #[error("`{address}` and this program have no {kind} in common, it offers {theirs}")]
    NothingInCommon {
        /// Host and port.
        address: String,
        /// Of what.
        kind: &'static str,
        /// What the server offers.
        theirs: String,
    },
    /// A host key that no file has.
    #[error("its host key is not known: {} {}", .0.kind, .0.fingerprint)]
    UnknownKey(Box<Presented>),
    /// Another host key than the known one.
    #[error("its host key has changed: it shows {} {}", .0.kind, .0.fingerprint)]
    ChangedKey(Box<Presented>),
    /// A host key that is marked as revoked.
    #[error("its host key is revoked: {} {}", .0.kind, .0.fingerprint)]
    RevokedKey(Box<Presented>),
    /// No key was accepted.
    #[error("no key was accepted for the user `{user}`")]
    Refused {
        /// Who wanted in.
        user: String,
        /// Each thing that was tried, or why it was not, in order.
        tried: Vec<String>,
        /// What would let this user in, as far as it is known from here.
        advice: Vec<Advice>,
    },
    /// A key that waits for its passphrase, and nobody to ask.
    #[error("the key `{}` is accepted for the user `{user}`, but it has a passphrase and there is no terminal to ask for it", .file.display())]
    Locked {
        /// Who wants in.
        user: String,
        /// The key.
        file: PathBuf,
    },
    /// The passphrase was wrong, or was not given.
    #[error("the key `{}` was not unlocked", .file.display())]
    NotUnlocked {
        /// The key.
        file: PathBuf,
    },
    /// On the way.
    #[error("cannot get past the jump host `{hop}`")]
    Hop {
        /// As it is written in the configuration.
        hop: String,
        /// What is wrong with it.
        #[source]
        source: Box<SshError>,
    },
    /// The last jump host does not get through.
    #[error("the jump host `{hop}` cannot reach `{address}`: {why}")]
    NoWayOn {
        /// The jump host.
        hop: String,
        /// Host and port.
        address: String,
        /// What the jump host says.
        why: String,
    },
    /// The server does not start commands.
    #[error("the server does not start the command: {why}")]
    NoCommand {
        /// What it says.
        why: String,
    },
    /// The command is gone, and did not read everything.
    #[error("the remote command ended before it had read everything")]
    Ended,
    /// The connection is gone.
    #[error("the connection is lost: {why}")]
    Lost {
        /// How.
        why: String,
    },
    /// Something that should not be.
    #[error("the SSH connection failed")]
    Protocol(#[from] russh::Error),
}

/// What would let a user in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The mode of this key lets others read it.
    Close(PathBuf),
    /// This key has a passphrase.
    Unlock(PathBuf),
    /// No key at all was there to try.
    MakeKey,
    /// The agent has none.
    FillAgent,
    /// Nobody listens at the agent's socket.
    StartAgent(PathBuf),
    /// The server takes passwords only.
    NoPasswords,
    /// The public key is missing over there, or the user is wrong.
    Authorize,
}

impl SshError {
    /// The failure of a command for `host`, with the hints in the words of the program `name`.
    #[must_use]
    pub fn into_failure(self, host: &str, name: &str) -> Failure {
        let what = match &self {
            SshError::Lost { .. } => format!("lost contact with `{host}`"),
            SshError::Ended => format!("`{host}` did not accept all data"),
            SshError::NoCommand { .. } => format!("cannot run commands on `{host}`"),
            _ => format!("no SSH connection to `{host}`"),
        };
        let mut failure = Failure::new(self.kind(), what).showing(self.excerpt());
        failure.hints = self.hints(host, name);
        failure.because(self)
    }

    fn kind(&self) -> Kind {
        match self {
            SshError::Address { .. } => Kind::Usage,
            SshError::Config { .. }
            | SshError::File { .. }
            | SshError::Writable { .. }
            | SshError::ProxyCommand { .. }
            | SshError::JumpLoop { .. }
            | SshError::UnknownKey(_)
            | SshError::ChangedKey(_)
            | SshError::RevokedKey(_) => Kind::Config,
            SshError::Hop { source, .. } => source.kind(),
            _ => Kind::Failed,
        }
    }

    fn excerpt(&self) -> Vec<String> {
        match self {
            SshError::UnknownKey(key) | SshError::ChangedKey(key) | SshError::RevokedKey(key) => {
                key.known.iter().map(ToString::to_string).collect()
            }
            SshError::Refused { tried, .. } => tried.clone(),
            SshError::Hop { source, .. } => source.excerpt(),
            _ => Vec::new(),
        }
    }

    fn hints(&self, host: &str, name: &str) -> Vec<String> {
        match self {
            SshError::Config { .. } => vec![format!("`ssh -G {host}` shows the resulting configuration")],
            SshError::Writable { path } => vec![format!("`chmod go-w {}`", path.display())],
            SshError::ProxyCommand { file, .. } => vec![format!(
                "`ProxyJump HOST` goes through another SSH server; `ProxyJump none` above it in `{}` goes directly",
                file.display()
            )],
            SshError::NoSuchName { .. } => {
                vec!["a `Host` with a `HostName` in ~/.ssh/config gives a short name its address".to_owned()]
            }
            SshError::Unreachable { .. } | SshError::TimedOut { .. } | SshError::NotSsh { .. } => {
                vec![format!("`ssh -v {host} true` shows how far it gets")]
            }
            SshError::UnknownKey(key) => key.hints_for_unknown(host, name),
            SshError::ChangedKey(key) => key.hints_for_changed(),
            SshError::RevokedKey(_) => {
                vec!["a revoked key is never accepted: give the host a new key".to_owned()]
            }
            SshError::Refused { user, advice, .. } => {
                advice.iter().map(|advice| advice.words(user, host)).collect()
            }
            SshError::Locked { file, .. } => vec![unlocking(file)],
            SshError::NotUnlocked { file } => vec![unlocking(file)],
            SshError::Hop { hop, source } => source.hints(hop, name),
            SshError::NoWayOn { hop, .. } => {
                vec![format!(
                    "`AllowTcpForwarding` in the sshd_config of `{hop}` may forbid it"
                )]
            }
            _ => Vec::new(),
        }
    }
}

fn unlocking(file: &std::path::Path) -> String {
    format!("`ssh-add {}` gives it to the agent, unlocked", file.display())
}

impl Advice {
    fn words(&self, user: &str, host: &str) -> String {
        match self {
            Advice::Close(file) => format!("`chmod 600 {}`", file.display()),
            Advice::Unlock(file) => unlocking(file),
            Advice::MakeKey => {
                format!("`ssh-keygen -t ed25519` makes a key, `ssh-copy-id {user}@{host}` lets it in")
            }
            Advice::FillAgent => "`ssh-add FILE` gives a key to the agent".to_owned(),
            Advice::StartAgent(socket) => format!(
                "nobody listens at `{}`: start an agent anew, or leave SSH_AUTH_SOCK or `IdentityAgent` out",
                socket.display()
            ),
            Advice::NoPasswords => {
                format!("passwords are never sent: `ssh-copy-id {user}@{host}` lets a key in")
            }
            Advice::Authorize => format!(
                "one of these must be in authorized_keys of `{user}` at `{host}`; `User` in ~/.ssh/config or `USER@{host}` names another user"
            ),
        }
    }
}
