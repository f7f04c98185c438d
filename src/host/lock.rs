//! The lock of an app: in the kernel, so that a dead holder never blocks anyone. What is
//! written inside the file is for people.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use crate::host::process::Process;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    pub by: String,
    /// The process.
    pub pid: u32,
    /// The command.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

impl Holder {
    /// This process, doing `command`.
    #[must_use]
    pub fn this(command: &str) -> Holder {
        Holder {
            by: user_name(),
            pid: std::process::id(),
            command: command.to_owned(),
            since: Timestamp::now(),
        }
    }

    /// `deploy by ada (pid 4711) since 12 s`.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        let age = now.duration_since(self.since).as_secs().max(0);
        format!(
            "`{}` by {} (pid {}), for {age} s",
            self.command, self.by, self.pid
        )
    }
}

/// The name of the user who runs this, for records.
#[must_use]
pub fn user_name() -> String {
    let sudo = std::env::var("SUDO_USER").ok();
    sudo.or_else(|| {
        nix::unistd::User::from_uid(nix::unistd::Uid::effective())
            .ok()
            .flatten()
            .map(|user| user.name)
    })
    .unwrap_or_else(|| nix::unistd::Uid::effective().to_string())
}

/// A held lock; dropping it lets go. Children do not inherit it: the descriptor closes on
/// exec, and the kernel frees it with the process.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("locked: {holder}")]
    Held {
        /// Who, in words.
        holder: String,
    },
    /// The file cannot be opened or locked.
    #[error("the lock `{}` cannot be opened", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Locks the file at `path`, which is made where it is missing; `None` when somebody else
/// has it locked.
///
/// # Errors
/// When it cannot be opened or locked.
pub(super) fn take_file(path: &Path) -> std::io::Result<Option<Flock<File>>> {
    // Whoever holds the folder could have root write over any file.
    let open = |options: &mut OpenOptions| options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    let mut to_write = OpenOptions::new();
    to_write
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644);
    let file = match open(&mut to_write) {
        // The lock is the kernel's, and needs nothing to be written.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => open(OpenOptions::new().read(true))?,
        opened => opened?,
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(held) => Ok(Some(held)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

impl Lock {
    /// Takes the lock at `path` or says who has it.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when somebody else has it.
    pub fn take(path: &Path, holder: &Holder) -> Result<Lock, LockError> {
        let io = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let Some(mut held) = take_file(path).map_err(io)? else {
            return Err(LockError::Held {
                holder: describe_holder(path),
            });
        };
        // For people only: on a full disk the lock is as good without it.
        write_holder(&mut held, holder).ok();
        Ok(Lock { _held: held })
    }

    /// Takes the lock, waiting up to `patience`; `waiting` is told once who has it.
    ///
    /// # Errors
    /// [`LockError::Held`] when the patience ends.
    pub async fn wait(
        path: &Path,
        holder: &Holder,
        patience: Duration,
        waiting: impl FnOnce(String),
    ) -> Result<Lock, LockError> {
        let deadline = Instant::now() + patience;
        let mut waiting = Some(waiting);
        loop {
            match Lock::take(path, holder) {
                Err(LockError::Held { holder }) if Instant::now() < deadline => {
                    if let Some(tell) = waiting.take() {
                        tell(holder);
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => return other,
            }
        }
    }
}

/// Whether somebody holds the lock now, and who. Taking the lock to find out could make
/// somebody else's attempt fail.
#[must_use]
pub fn current_holder(path: &Path) -> Option<String> {
    let file = std::fs::metadata(path).ok()?;
    let listed = || is_listed(file.ino());
    let held = match read_holder(path) {
        // Where the first process of all is hidden, others may be.
        Some(holder) if Process::of(holder.pid).is_none() => Process::of(1).is_none() && listed(),
        Some(holder) => has_open(holder.pid, &file).unwrap_or_else(listed),
        None => listed(),
    };
    held.then(|| describe_holder(path))
}

/// Whether a process has the file open; `None` when this user may not see that.
fn has_open(pid: u32, wanted: &Metadata) -> Option<bool> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let mut open = files
        .flatten()
        .filter_map(|file| std::fs::metadata(file.path()).ok());
    Some(open.any(|file| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino())))
}

/// Whether the kernel's list of locks has it. It stops all locking for that, which took 10
/// to 15 ms.
fn is_listed(inode: u64) -> bool {
    let inode = format!(":{inode} ");
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    locks
        .lines()
        .any(|line| line.contains(" FLOCK ") && line.contains(&inode))
}

fn write_holder(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(holder)?)
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok())
}

fn describe_holder(path: &Path) -> String {
    read_holder(path).map_or_else(
        || "another `bg` command".to_owned(),
        |holder| holder.describe(Timestamp::now()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, &Holder::this("deploy")).unwrap();
        let second = Lock::take(&path, &Holder::this("switch")).unwrap_err();
        assert!(second.to_string().contains("`deploy` by"), "{second}");
        assert!(current_holder(&path).unwrap().contains("`deploy`"));
        drop(first);
        assert!(current_holder(&path).is_none());
        // What stands in the file is for people; the lock is the kernel's.
        let first = Lock::take(&path, &Holder::this("deploy")).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(current_holder(&path).is_some());
        drop(first);
        assert!(current_holder(&path).is_none());
        Lock::take(&path, &Holder::this("switch")).unwrap();
    }

    #[test]
    fn a_child_does_not_inherit_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::take(&path, &Holder::this("deploy")).unwrap();
        let mut child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        drop(lock);
        assert!(Lock::take(&path, &Holder::this("switch")).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
