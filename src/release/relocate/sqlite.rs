//! The locks of a SQLite database: while they are held, what SQLite keeps beside the database
//! stays as it is, and both can get another name. The bytes are those of SQLite's file format
//! (`os.h`: `PENDING_BYTE`, `RESERVED_BYTE`, `SHARED_FIRST`, `SHARED_SIZE`).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// What SQLite writes beside a database that is in use.
pub const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

const PENDING: i64 = 0x4000_0000;
const RESERVED: i64 = PENDING + 1;
const SHARED: (i64, i64) = (PENDING + 2, 510);
const ALL: (i64, i64) = (PENDING, 2 + SHARED.1);

/// How long an app may hold its database without a gap.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a gap is looked for.
const AGAIN: Duration = Duration::from_millis(2);

/// How long a connection may take from its opening to its first statement.
const SETTLED: Duration = Duration::from_secs(1);

/// Byte 18 of the header: 2 with a write-ahead log, 1 with a rollback journal.
const WRITE_VERSION: u64 = 18;

/// Whether a file begins as a SQLite database does.
#[must_use]
pub fn is_sqlite(path: &Path) -> bool {
    let mut first = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && &first == b"SQLite format 3\0"
}

/// The file with `end` beside a database.
#[must_use]
pub fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(end);
    name.into()
}

/// The database that a file lies beside, by its name.
#[must_use]
pub fn database_of(path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    let name = BESIDE.iter().find_map(|end| text.strip_suffix(end))?;
    (!name.is_empty() && !name.ends_with('/')).then(|| name.into())
}

/// A database whose companions nobody makes, removes or replaces while this is there. A
/// transaction that begins meanwhile waits, as for any other writer.
#[derive(Debug)]
pub struct Held {
    file: File,
    has_log: bool,
}

impl Held {
    /// Takes the locks, in a gap between two transactions. `None` where there is none in time.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn take(database: &Path) -> io::Result<Option<Held>> {
        let file = OpenOptions::new().read(true).write(true).open(database)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut version = [0];
            file.read_exact_at(&mut version, WRITE_VERSION)?;
            let has_log = version == [2];
            if is_alone(&file)? || (has_log && is_beside_others(&file, database)?) {
                return Ok(Some(Held { file, has_log }));
            }
            lock(&file, libc::F_UNLCK, ALL)?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(AGAIN);
        }
    }

    /// Gives what lies beside `database` its name beside `to` as well. A write-ahead log has
    /// both names before anybody opens it: two logs of one database would destroy it.
    ///
    /// # Errors
    /// When a name cannot be made.
    pub fn name_companions(&self, database: &Path, to: &Path) -> io::Result<()> {
        let mode = fs::metadata(database)?.mode() & 0o777;
        for end in BESIDE {
            let (from, to) = (beside(database, end), beside(to, end));
            if self.has_log && end != "-journal" {
                let mut file = OpenOptions::new();
                let made = file.write(true).create_new(true).mode(mode).open(&from);
                unless(ErrorKind::AlreadyExists, made.map(drop))?;
            }
            // What a database left there that went is nothing without it.
            if !is_same(&from, &to) {
                unless(ErrorKind::NotFound, fs::remove_file(&to))?;
                unless(ErrorKind::NotFound, fs::hard_link(&from, &to))?;
            }
        }
        Ok(())
    }

    /// Lets writers in, and keeps the log's names until whoever opened the database by its old
    /// name a moment ago has found it: whoever is the last to close it removes one name only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn let_settle(self) -> io::Result<()> {
        if self.has_log {
            lock(&self.file, libc::F_RDLCK, SHARED)?;
            lock(&self.file, libc::F_UNLCK, (PENDING, 2))?;
            sleep(SETTLED);
        }
        Ok(())
    }
}

fn unless(expected: ErrorKind, done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() == expected {
        true => Ok(()),
        false => Err(error),
    })
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()));
    id(one).is_ok_and(|one| id(other).is_ok_and(|other| one == other))
}

/// In the order of a writer: no other one, no new reader, no reader.
fn is_alone(file: &File) -> io::Result<bool> {
    for range in [(RESERVED, 1), (PENDING, 1), SHARED] {
        if !lock(file, libc::F_WRLCK, range)? {
            lock(file, libc::F_UNLCK, ALL)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whoever has the write-ahead log open holds the shared lock for as long, and the last one to
/// go must be alone to remove the log.
fn is_beside_others(file: &File, database: &Path) -> io::Result<bool> {
    let shared = lock(file, libc::F_RDLCK, SHARED)?;
    Ok(shared && ["-wal", "-shm"].iter().all(|end| beside(database, end).exists()))
}

/// `false` where somebody else has it.
fn lock(file: &File, kind: i32, (start, length): (i64, i64)) -> io::Result<bool> {
    let range = libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: 0,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
