//! What PM2 did not do, in words for the one who has to mend it.

use std::path::PathBuf;

use nix::unistd::Uid;
use sys::capacity::DiskSpace;
use sys::command::CommandError;
use sys::path_security::Untrusted;

use crate::pm2::rpc::RpcError;

/// What PM2 did not do.
#[derive(Debug, thiserror::Error)]
pub enum Pm2Error {
    /// Neither the socket nor the command line gave a list.
    #[error("PM2's list cannot be read")]
    List(#[source] RpcError),
    /// Several users can change what it loads, and root acts for one only.
    #[error("root does not speak to the PM2 in `{}`: more than one user can change it", .home.display())]
    Untrusted {
        /// `PM2_HOME`.
        home: PathBuf,
        /// The place that they can change.
        #[source]
        source: Untrusted,
    },
    /// Its owner is not known here.
    #[error("`{}` belongs to uid {uid}, and this host has no such user", .home.display())]
    Nobodys {
        /// `PM2_HOME`.
        home: PathBuf,
        /// The number.
        uid: Uid,
    },
    /// The command line failed.
    #[error("PM2 failed")]
    Command(#[source] CommandError),
    /// Something needs a daemon that must not be started for it.
    #[error("no PM2 daemon is running under `{}`", .home.display())]
    Down {
        /// `PM2_HOME`.
        home: PathBuf,
    },
    /// PM2 said that entries are deleted, and they are still there.
    #[error("PM2 still has `{name}` after it was told to delete it{}", indented(.said))]
    NotDeleted {
        /// The name.
        name: String,
        /// What it printed.
        said: String,
    },
    /// PM2 said that a process is started, and there is not exactly one entry of that name.
    #[error("PM2 has {count} entries named `{name}` after a start, expected one")]
    NotOne {
        /// The name.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// PM2 started something else than it was told.
    #[error("PM2 started `{name}` as `{}` in `{}`, not as it was told", .script.display(), .folder.display())]
    Other {
        /// The name.
        name: String,
        /// The program it took.
        script: PathBuf,
        /// The folder it took.
        folder: PathBuf,
    },
    /// PM2 has an entry and no process behind it.
    #[error(
        "PM2 says `{name}` is {status}, but there is no process: check that `{}` is executable and that `{}` exists",
        .script.display(),
        .folder.display()
    )]
    NoProcess {
        /// The name.
        name: String,
        /// PM2's word for its state.
        status: String,
        /// The program.
        script: PathBuf,
        /// The folder it starts in.
        folder: PathBuf,
    },
    /// The file that tells PM2 what to start cannot be written.
    #[error("`{}` cannot take a temporary file", .folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The dump cannot be read.
    #[error("`{}` cannot be read", .path.display())]
    Dump {
        /// The dump.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The dump is not what PM2 writes.
    #[error("`{}` is damaged: `pm2 save` writes it anew", .path.display())]
    DumpDamaged {
        /// The dump.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// PM2 was not asked to save its list: it truncates the dump and its copy first, and on
    /// a disk without room neither comes back.
    #[error("there is no room in `{}` for PM2's list: {free}", .home.display())]
    NoRoom {
        /// `PM2_HOME`.
        home: PathBuf,
        /// What is left.
        free: DiskSpace,
    },
    /// PM2 was not asked to save its list: it deletes a dump that it could not write.
    #[error("`{}` cannot be written", .path.display())]
    Closed {
        /// The dump.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// PM2 said that its list is saved, and the dump does not say the same.
    #[error("PM2's list did not reach `{}`: a reboot would bring back something else; is the disk full?", .path.display())]
    NotSaved {
        /// The dump.
        path: PathBuf,
    },
}

fn indented(said: &str) -> String {
    said.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("\n  {line}"))
        .collect()
}
