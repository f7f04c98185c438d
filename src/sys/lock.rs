//! The lock of an app: in the kernel, so that a dead holder never blocks anyone. What is
//! written inside the file is for people. Whoever can open a file can lock it and keep all
//! others out: only its owner can open one of ours.

mod who;

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use crate::process;
use who::Who;

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

    /// `` `deploy` by ada (pid 4711), for 12 s ``.
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
    #[error("locked: {holder}{}", .stranger.map(end_it).unwrap_or_default())]
    Held {
        /// Who, in words.
        holder: String,
        /// The process, where it is of a user who has no business with the file.
        stranger: Option<u32>,
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

/// What to do about a stranger who holds a lock.
#[must_use]
pub fn end_it(pid: u32) -> String {
    format!(
        ", a user who should not be able to: `sudo kill -9 {pid}` ends that process; this command has closed the file to other users"
    )
}

/// Locks the file at `path`, which is made where it is missing; `None` when somebody else
/// has it locked.
///
/// # Errors
/// When it cannot be opened or locked.
pub fn take_file(path: &Path) -> std::io::Result<Option<Flock<File>>> {
    // Whoever holds the folder could have root write over any file.
    let open = |options: &mut OpenOptions| options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    let mut to_write = OpenOptions::new();
    to_write
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = match open(&mut to_write) {
        // The lock is the kernel's, and needs nothing to be written.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => open(OpenOptions::new().read(true))?,
        opened => opened?,
    };
    close_to_others(&file);
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(held) => Ok(Some(held)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Takes from a file what an earlier version, or an umask, let others do with it: to open it
/// is enough to lock it for ever.
pub(super) fn close_to_others(file: &File) {
    let Ok(about) = file.metadata() else { return };
    if about.is_file() && about.mode() & 0o077 != 0 {
        // Only its owner and root can; somebody else's is not ours to mend.
        file.set_permissions(Permissions::from_mode(0o600)).ok();
    }
}

/// Whether others than its owner can open the file at `path`, and so lock it.
#[must_use]
pub fn is_open_to_others(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let enters = folder.is_some_and(|folder| folder.mode() & 0o011 != 0);
    enters && std::fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.mode() & 0o066 != 0)
}

/// Takes from the file at `path`, where it is there, what others can do with it.
pub fn close(path: &Path) {
    if let Ok(file) = open_to_look(path) {
        close_to_others(&file);
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
            return Err(held_by(path));
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
                Err(LockError::Held { holder, stranger }) if Instant::now() < deadline => {
                    if let Some(tell) = waiting.take() {
                        tell(holder + &stranger.map(end_it).unwrap_or_default());
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
    let file = open_to_look(path).ok()?;
    let written = read_holder(&file);
    if let Some(written) = &written
        && who::holds(written.pid, &file) == Some(true)
    {
        return Some(written.describe(Timestamp::now()));
    }
    let pid = who::holder(&file)?;
    let (holder, stranger) = describe(pid, written, &file);
    Some(holder + &stranger.map(end_it).unwrap_or_default())
}

/// Whether whoever wrote into the lock last was about `command`.
#[must_use]
pub fn is_about(path: &Path, command: &str) -> bool {
    written(path).is_some_and(|written| written.command == command)
}

/// Whether it was one process that wrote into both locks last.
#[must_use]
pub fn are_of_one(path: &Path, other: &Path) -> bool {
    let pid = |path| written(path).map(|written| written.pid);
    pid(path).is_some() && pid(path) == pid(other)
}

/// Whether whoever wrote into the lock last is gone: what it has just forked holds it until that has
/// become another program.
#[must_use]
pub fn is_of_the_dead(path: &Path) -> bool {
    written(path).is_some_and(|written| process::Process::of(written.pid).is_none())
}

fn written(path: &Path) -> Option<Holder> {
    open_to_look(path).ok().and_then(|file| read_holder(&file))
}

fn open_to_look(path: &Path) -> std::io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

fn write_holder(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(holder)?)
}

fn read_holder(file: &File) -> Option<Holder> {
    let mut text = String::new();
    let read = file.take(4096).read_to_string(&mut text);
    read.ok().and_then(|_| serde_json::from_str(&text).ok())
}

fn held_by(path: &Path) -> LockError {
    // It may be free again by now.
    let unknown = || ("another `bg` command".to_owned(), None);
    let (holder, stranger) = open_to_look(path).map_or_else(
        |_| unknown(),
        |file| {
            let written = read_holder(&file);
            match who::holder(&file) {
                Some(pid) => describe(pid, written, &file),
                None => unknown(),
            }
        },
    );
    LockError::Held { holder, stranger }
}

/// The process that holds a lock, in words, and whether it is a stranger; what is written in
/// the file counts where that process wrote it.
fn describe(pid: u32, written: Option<Holder>, file: &File) -> (String, Option<u32>) {
    let who = Who::of(pid);
    let stranger = who.is_strange(file).then_some(pid);
    let words = match written {
        Some(written) if stranger.is_none() && (written.pid == pid || pid == 0) => {
            written.describe(Timestamp::now())
        }
        _ if pid == 0 => "a process that cannot be seen from here".to_owned(),
        _ => who.describe(),
    };
    (words, stranger)
}

#[cfg(test)]
mod tests {
    use crate::lock::*;

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
    fn what_a_dead_process_wrote_is_known_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let holder = Holder {
            pid: child.id(),
            ..Holder::this("deploy")
        };
        let lock = Lock::take(&path, &holder).unwrap();
        child.wait().unwrap();
        assert!(is_of_the_dead(&path));
        drop(lock);
        let _lock = Lock::take(&path, &Holder::this("deploy")).unwrap();
        assert!(!is_of_the_dead(&path));
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
