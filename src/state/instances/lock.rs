//! The lock of an instance: in the kernel, and inherited by what the holder becomes, so that it is
//! held exactly as long as the worker lives, whoever started it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use model::instance::Holder;
use model::release::ReleaseId;
use nix::fcntl::{FcntlArg, FdFlag, Flock, fcntl};
use sys::lock::{take_file, user_name};
use sys::process::{self, Process};

/// An instance's lock, held.
#[derive(Debug)]
pub struct InstanceLock {
    held: Flock<File>,
}

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum InstanceLockError {
    /// Somebody else has it.
    #[error("somebody holds `{}`", .0.display())]
    Held(PathBuf),
    /// The file cannot be opened, locked or written.
    #[error("the lock `{}` cannot be used", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl InstanceLock {
    /// Takes the lock at once.
    ///
    /// # Errors
    /// [`InstanceLockError::Held`] when somebody else has it.
    pub fn take(path: &Path) -> Result<InstanceLock, InstanceLockError> {
        let held = take_file(path).map_err(|source| InstanceLockError::Io {
            path: path.to_owned(),
            source,
        })?;
        held.map(|held| InstanceLock { held })
            .ok_or_else(|| InstanceLockError::Held(path.to_owned()))
    }

    /// Writes down that this process is the holder, and keeps the lock for what it becomes.
    ///
    /// # Errors
    /// When either cannot be done: the worker must not be started then, as nobody would know
    /// of it.
    pub fn record_holder(mut self, release: &ReleaseId, by_hand: bool) -> io::Result<()> {
        let this = Process::of(std::process::id()).ok_or(io::ErrorKind::NotFound)?;
        let holder = Holder {
            pid: this.pid,
            started: this.started,
            boot: process::boot(),
            release: release.clone(),
            since: Timestamp::now(),
            by_hand,
            by: user_name(),
        };
        self.held.rewind()?;
        self.held.write_all(&serde_json::to_vec(&holder)?)?;
        let end = self.held.stream_position()?;
        self.held.set_len(end)?;
        fcntl(&*self.held, FcntlArg::F_SETFD(FdFlag::empty()))?;
        // Letting go of it would unlock it.
        std::mem::forget(self.held);
        Ok(())
    }
}
