//! The lock of a seat: in the kernel, and inherited by what the holder becomes, so that it is
//! held exactly as long as the worker lives, whoever started it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use model::release::ReleaseId;
use model::seat::Occupant;
use nix::fcntl::{FcntlArg, FdFlag, Flock, fcntl};
use sys::lock::{take_file, user_name};
use sys::process::{self, Process};

/// A seat's lock, held.
#[derive(Debug)]
pub struct Guard {
    held: Flock<File>,
}

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
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

impl Guard {
    /// Takes the lock at once.
    ///
    /// # Errors
    /// [`GuardError::Held`] when somebody else has it.
    pub fn take(path: &Path) -> Result<Guard, GuardError> {
        let held = take_file(path).map_err(|source| GuardError::Io {
            path: path.to_owned(),
            source,
        })?;
        held.map(|held| Guard { held })
            .ok_or_else(|| GuardError::Held(path.to_owned()))
    }

    /// Writes down that this process sits there, and keeps the lock for what it becomes.
    ///
    /// # Errors
    /// When either cannot be done: the worker must not be started then, as nobody would know
    /// of it.
    pub fn sit_down(mut self, release: &ReleaseId, by_hand: bool) -> io::Result<()> {
        let this = Process::of(std::process::id()).ok_or(io::ErrorKind::NotFound)?;
        let occupant = Occupant {
            pid: this.pid,
            started: this.started,
            boot: process::boot(),
            release: release.clone(),
            since: Timestamp::now(),
            by_hand,
            by: user_name(),
        };
        self.held.rewind()?;
        self.held.write_all(&serde_json::to_vec(&occupant)?)?;
        let end = self.held.stream_position()?;
        self.held.set_len(end)?;
        fcntl(&*self.held, FcntlArg::F_SETFD(FdFlag::empty()))?;
        // Letting go of it would unlock it.
        std::mem::forget(self.held);
        Ok(())
    }
}
