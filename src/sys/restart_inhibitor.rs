//! Keeps a color's launcher from starting while the color's process is stopped: PM2 would
//! restart it at once. The kernel's lock on the file is what counts, so that a command
//! that died keeps nothing back; the file that it leaves says that a stop was begun there and
//! did not end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::fault;
use crate::lock::close_to_others;

/// Keeps launchers waiting until it is released, or its holder dies.
#[derive(Debug)]
pub struct RestartInhibitor {
    path: PathBuf,
    _held: Flock<File>,
}

impl RestartInhibitor {
    /// Holds at `path`.
    ///
    /// # Errors
    /// When the file cannot be made, as on a full disk.
    pub fn take(path: &Path) -> io::Result<RestartInhibitor> {
        fault::file("hold", path)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)?;
        close_to_others(&file);
        Ok(RestartInhibitor {
            path: path.to_owned(),
            _held: lock(file, FlockArg::LockExclusive)?,
        })
    }

    /// The stop has ended.
    pub fn release(self) {
        clear(&self.path);
    }
}

/// Whether a stop was begun at `path` and has not ended, be it that its command died.
#[must_use]
pub fn is_left(path: &Path) -> bool {
    path.exists()
}

/// Takes away what a command that died has left.
pub fn clear(path: &Path) {
    fs::remove_file(path).ok();
}

/// Waits while somebody holds at `path`.
pub fn wait(path: &Path) {
    while let Ok(file) = File::open(path) {
        let Ok(file) = lock(file, FlockArg::LockShared) else {
            return;
        };
        // One that was released may have been followed by another.
        if file.metadata().is_ok_and(|about| about.nlink() > 0) {
            return;
        }
    }
}

fn lock(file: File, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(file, how).map_err(|(_, errno)| errno.into())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use crate::restart_inhibitor::*;

    fn waits(path: &Path, during: impl FnOnce()) -> bool {
        let (done, told) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                wait(path);
                done.send(()).ok();
            });
            let waits = told.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout);
            during();
            if waits {
                told.recv_timeout(Duration::from_secs(10)).unwrap();
            }
            waits
        })
    }

    #[test]
    fn an_inhibitor_is_waited_for_until_it_is_released_and_one_that_was_left_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hold-blue");
        assert!(!waits(&path, || ()) && !is_left(&path));

        let inhibitor = RestartInhibitor::take(&path).unwrap();
        assert!(is_left(&path));
        assert!(waits(&path, || inhibitor.release()));
        assert!(!is_left(&path));

        // What a command that died leaves: the file, and no lock.
        let inhibitor = RestartInhibitor::take(&path).unwrap();
        assert!(waits(&path, || drop(inhibitor)));
        assert!(is_left(&path));
        assert!(!waits(&path, || ()));
        RestartInhibitor::take(&path).unwrap().release();
        assert!(!is_left(&path));
    }
}
