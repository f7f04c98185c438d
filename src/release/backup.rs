//! A backup of the database in one file: the command that writes it, what is looked at
//! before it counts, and how many stay.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use model::config::backup::{Backup, Kind};
use model::layout::Layout;
use model::release::ReleaseId;
use sys::command::{Command, CommandError, find_program};
use sys::store::{self, FileError};

/// The last bytes of a dump in which its closing line is looked for.
const DUMP_TAIL: i64 = 1024;

/// Copies a database that may be written meanwhile, and looks over the copy.
const COPY_SQLITE: &str = "\
import sqlite3, sys, urllib.parse
source = sqlite3.connect('file:' + urllib.parse.quote(sys.argv[1]) + '?mode=rw', uri=True)
copy = sqlite3.connect(sys.argv[2])
source.backup(copy)
found = copy.execute('pragma integrity_check').fetchone()[0]
copy.close()
sys.exit(None if found == 'ok' else found)
";

/// Why there is no backup that could be relied on.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file with the login is missing.
    #[error("`backup.options_file` names `{}`, which does not exist", .0.display())]
    NoOptions(PathBuf),
    /// Others than its owner may use it.
    #[error("`{}` holds a password and has mode {mode:04o}: run `chmod 600 {}`", .path.display(), .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It has too few bytes.
    #[error("the backup has {found} bytes, and at least {wanted} are expected")]
    TooSmall {
        /// Its length.
        found: u64,
        /// `backup.min_bytes`, at least 1.
        wanted: u64,
    },
    /// It has no proper end or beginning.
    #[error("the backup is not whole: {0}")]
    NotWhole(&'static str),
    /// The database's own program cannot read it.
    #[error("the backup cannot be read back")]
    Unreadable(#[source] CommandError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A backup that is being made.
#[derive(Debug)]
pub struct Part {
    /// The file that it is written into.
    pub path: PathBuf,
    whole: PathBuf,
}

/// Makes the empty file for a backup of `app` while `live` is live, mode 0600.
///
/// # Errors
/// When the folder or the file cannot be made.
pub fn begin(
    backup: &Backup,
    layout: &Layout,
    app: &str,
    live: Option<&ReleaseId>,
) -> Result<Part, BackupError> {
    let folder = backup.folder.clone().unwrap_or_else(|| layout.backups());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(FileError::at("create the folder", &folder))?;
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let live = live.map_or("nothing", ReleaseId::short);
    let name = format!("{app}-{stamp}-of-{live}.{}", ending(backup.kind));
    let part = Part {
        path: folder.join(format!(".{name}.part")),
        whole: folder.join(name),
    };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part.path)
        .map_err(FileError::at("create", &part.path))?;
    Ok(part)
}

fn ending(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Mysql | Kind::Mariadb) => "sql",
        Some(Kind::Postgres) => "dump",
        Some(Kind::Sqlite) => "sqlite",
        None => "backup",
    }
}

/// The ready command of a kind of database, `python` being one that has `sqlite3`. The login
/// is in a file that only its owner can read, never in the arguments or the environment.
///
/// # Errors
/// When that file is missing or open to others.
pub fn command(
    backup: &Backup,
    kind: Kind,
    layout: &Layout,
    python: &Path,
    part: &Part,
) -> Result<Command, BackupError> {
    let login = options_file(backup, layout)?;
    let database = backup.database.as_deref().unwrap_or_default();
    let command = match kind {
        Kind::Mysql => dump("mysqldump", login.as_deref(), database, part),
        Kind::Mariadb if find_program(Path::new("mariadb-dump")).is_some() => {
            dump("mariadb-dump", login.as_deref(), database, part)
        }
        Kind::Mariadb => dump("mysqldump", login.as_deref(), database, part),
        Kind::Postgres => pg_dump(login.as_deref(), database, part),
        Kind::Sqlite => Command::new(python)
            .args(["-c", COPY_SQLITE])
            .arg(layout.shared().join(database))
            .arg(&part.path),
    };
    Ok(command.deadline(backup.timeout.0))
}

/// Consistent for InnoDB without a lock; with everything that a schema has; and with the
/// closing line that shows it whole, whatever the option file says.
fn dump(program: &str, login: Option<&Path>, database: &str, part: &Part) -> Command {
    let mut command = Command::new(program);
    if let Some(login) = login {
        // It counts in the first place only.
        command = command.arg(format!("--defaults-extra-file={}", login.display()));
    }
    command
        .args(["--single-transaction", "--routines", "--triggers", "--events"])
        .args(["--hex-blob", "--no-tablespaces", "--comments", "--dump-date"])
        .arg(format!("--result-file={}", part.path.display()))
        .args(["--", database])
}

fn pg_dump(login: Option<&Path>, database: &str, part: &Part) -> Command {
    let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
    let service = login.map_or(String::new(), |_| format!("service='{quoted}' "));
    let command = Command::new("pg_dump")
        .args(["--format=custom", "--no-password"])
        .arg(format!("--file={}", part.path.display()))
        .arg(format!("--dbname={service}dbname='{quoted}'"));
    match login {
        Some(login) => command.env("PGSERVICEFILE", login),
        None => command,
    }
}

fn options_file(backup: &Backup, layout: &Layout) -> Result<Option<PathBuf>, BackupError> {
    let Some(file) = &backup.options_file else {
        return Ok(None);
    };
    let path = layout.shared().join(file);
    let about = match fs::metadata(&path) {
        Ok(about) if about.is_file() => about,
        _ => return Err(BackupError::NoOptions(path)),
    };
    match about.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(BackupError::Open { path, mode }),
        _ => Ok(Some(path)),
    }
}

/// Looks whether a backup is whole, flushes it, gives it its name and removes all but the
/// last ones. Returns the file and its length.
///
/// # Errors
/// When it is not whole, or cannot be kept.
pub async fn keep(backup: &Backup, app: &str, part: &Part) -> Result<(PathBuf, u64), BackupError> {
    let unread = || FileError::at("read", &part.path);
    let mut file = File::open(&part.path).map_err(unread())?;
    let found = file.metadata().map_err(unread())?.len();
    let wanted = backup.min_bytes.max(1);
    if found < wanted {
        return Err(BackupError::TooSmall { found, wanted });
    }
    match backup.kind {
        Some(Kind::Mysql | Kind::Mariadb) => has_an_end(&mut file).map_err(unread())?,
        Some(Kind::Sqlite) => is_a_database(&mut file).map_err(unread())?,
        Some(Kind::Postgres) => reads_back(backup, part).await?,
        None => Ok(()),
    }
    .map_err(BackupError::NotWhole)?;
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part.path, &part.whole))
        .map_err(FileError::at("keep", &part.whole))?;
    let folder = part.whole.parent().unwrap_or(Path::new("/"));
    store::flush_folder(folder)?;
    prune(folder, app, backup.keep)?;
    Ok((part.whole.clone(), found))
}

fn has_an_end(file: &mut File) -> std::io::Result<Result<(), &'static str>> {
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-length.min(DUMP_TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = String::from_utf8_lossy(&tail).contains("-- Dump completed");
    Ok(whole
        .then_some(())
        .ok_or("its last line, `-- Dump completed`, is missing"))
}

fn is_a_database(file: &mut File) -> std::io::Result<Result<(), &'static str>> {
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head)?;
    let whole = head == b"SQLite format 3\0";
    Ok(whole
        .then_some(())
        .ok_or("it does not begin as an SQLite file does"))
}

/// Its list of contents stands in front, so only reading all of it shows that all is there.
async fn reads_back(backup: &Backup, part: &Part) -> Result<Result<(), &'static str>, BackupError> {
    let command = Command::new("pg_restore").arg("--file=/dev/null").arg(&part.path);
    let read = command.deadline(backup.timeout.0).run().await;
    read.map(|_| Ok(())).map_err(BackupError::Unreadable)
}

/// Removes what is no backup.
pub fn discard(part: &Part) {
    fs::remove_file(&part.path).ok();
}

/// Removes this app's oldest backups, and what killed runs left of others.
fn prune(folder: &Path, app: &str, keep: usize) -> Result<(), FileError> {
    let names = store::names(folder)?;
    let (parts, whole): (Vec<&String>, Vec<&String>) = names
        .iter()
        .filter(|name| is_of(name, app))
        .partition(|name| name.starts_with('.'));
    let old = whole.len().saturating_sub(keep);
    for name in parts.into_iter().chain(whole.into_iter().take(old)) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
    }
    Ok(())
}

/// `shop-20261123T181500Z-of-2f61c0a.sql`, and the same while it is being made; another
/// app's may lie beside it.
fn is_of(name: &str, app: &str) -> bool {
    let name = name.strip_prefix('.').unwrap_or(name);
    let rest = name.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
    let stamp = rest
        .and_then(|rest| rest.split_once("-of-"))
        .map(|(stamp, _)| stamp);
    stamp.is_some_and(|stamp| {
        stamp.len() == 16 && jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).is_ok()
    })
}

#[cfg(test)]
mod tests;
