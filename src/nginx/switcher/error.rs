//! Why a route was not moved, or NGINX is not behind it.

use sys::command::CommandError;
use sys::link::LinkError;
use sys::lock::LockError;

use crate::NginxError;

/// The route was not moved, or NGINX is not behind it.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The link stands as it was.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The link stands as it was, as far as this user can tell.
    #[error(transparent)]
    Refused(AskError),
    /// The link was moved, NGINX did not follow.
    #[error(transparent)]
    ReloadFailed(#[from] ReloadFailed),
}

/// NGINX is not known to have read the link.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFailed {
    /// It did not take its configuration.
    #[error("NGINX did not take the new configuration")]
    Reload(#[source] NginxError),
    /// Somebody else's reload did not end.
    #[error("another reload of this NGINX goes on: {0}")]
    Busy(String),
    /// Reloads cannot be kept apart.
    #[error("NGINX was not told to reload")]
    Lock(#[source] LockError),
    /// The link names nothing that NGINX could be behind.
    #[error("NGINX cannot follow the link")]
    Link(#[source] LinkError),
    /// Root's program did not do it.
    #[error(transparent)]
    ReloadViaSudo(AskError),
}

/// The program that moves traffic with root's rights did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It said why.
    #[error("`{line}` did not move traffic{}", indented(.said))]
    Failed {
        /// The command line.
        line: String,
        /// What it, or sudo, said.
        said: String,
    },
    /// It could not be asked.
    #[error("cannot run `bluegreen-swap`, which moves traffic as root")]
    Command(#[from] CommandError),
}

fn indented(said: &str) -> String {
    said.lines().map(|line| format!("\n  {line}")).collect()
}
