//! PM2, which keeps the processes: read through its socket, changed through its command
//! line, and never believed before what it claims has been read back.

pub mod daemons;
pub mod ecosystem;
pub mod entry;
pub mod error;
pub mod installed;
mod rest;
pub mod rpc;
mod whose;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::capacity;
use sys::command::Command;

pub use ecosystem::Spec;
pub use entry::{Proc, Saved};
pub use error::Pm2Error;
use rpc::RpcError;

/// `pm2 start` took 0.4 s where measured, a second more when it starts the daemon.
const CLI_DEADLINE: Duration = Duration::from_secs(60);

/// `pm2 jlist` took 0.2 to 0.5 s.
const JLIST_DEADLINE: Duration = Duration::from_secs(10);

/// Two copies of a dump with 25 entries.
const DUMP_ROOM: u64 = 256 << 10;

/// A dump takes about 5 kB an entry.
const DUMP_LIMIT: u64 = 16 << 20;

/// One PM2: a program and the home of one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pm2 {
    bin: PathBuf,
    home: PathBuf,
}

/// A daemon and what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// None is running. Its dump may still name what a `pm2 resurrect` would bring back.
    Down,
    /// It runs and keeps these.
    Up(Vec<Proc>),
}

impl Daemon {
    /// What it keeps: nothing when it is down.
    #[must_use]
    pub fn entries(self) -> Vec<Proc> {
        match self {
            Daemon::Down => Vec::new(),
            Daemon::Up(entries) => entries,
        }
    }
}

impl Pm2 {
    /// The PM2 at `bin` (absolute) with `home` as `PM2_HOME`.
    #[must_use]
    pub fn new(bin: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Pm2 {
        Pm2 {
            bin: bin.into(),
            home: home.into(),
        }
    }

    /// `PM2_HOME`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The file that brings the entries back after a reboot.
    #[must_use]
    pub fn dump_file(&self) -> PathBuf {
        self.home.join("dump.pm2")
    }

    /// A PM2 command line. What it starts outlives the run and its folder, and must not get
    /// the agent of whoever is logged in, which PM2 would write into its dump.
    fn command(&self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Command, Pm2Error> {
        let command = Command::new(&self.bin);
        let command = match self.keeper()? {
            None => command,
            Some(keeper) => command.by(&keeper),
        };
        Ok(command
            .args(args)
            .env("PM2_HOME", &self.home)
            .env("PATH", self.path())
            .env("SSH_AUTH_SOCK", "")
            .folder("/")
            .deadline(CLI_DEADLINE)
            .unmarked())
    }

    /// PATH with PM2's own folder first: an nvm-installed PM2 needs the node beside it.
    fn path(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let own = self.bin.parent().filter(|folder| folder.is_absolute());
        let folders = own
            .map(Path::to_owned)
            .into_iter()
            .chain(std::env::split_paths(&path));
        std::env::join_paths(folders).unwrap_or(path)
    }

    /// Everything PM2 keeps. Never starts a daemon.
    ///
    /// # Errors
    /// When a daemon is there and its list cannot be had.
    pub async fn list(&self) -> Result<Daemon, Pm2Error> {
        let answer = match self.call("getMonitorData").await {
            // A daemon that ends just now breaks the connection, and is down at the next look.
            Err(RpcError::Io(_)) => self.call("getMonitorData").await,
            answer => answer,
        };
        let odd = match answer {
            Ok(list) => match entry::from_json(list) {
                Ok(entries) => return Ok(Daemon::Up(entries)),
                Err(_) => RpcError::Odd("a list of entries"),
            },
            Err(RpcError::Down) => return Ok(Daemon::Down),
            // The command line would start a daemon where the old one has just died.
            Err(broken @ RpcError::Io(_)) => return Err(Pm2Error::List(broken)),
            Err(odd) => odd,
        };
        let printed = self.command(["jlist"])?.deadline(JLIST_DEADLINE).run().await;
        match printed.ok().and_then(|output| entry::from_jlist(&output.stdout)) {
            Some(entries) => Ok(Daemon::Up(entries)),
            None => Err(Pm2Error::List(odd)),
        }
    }

    /// The entries called `name`, oldest first; none when no daemon runs.
    ///
    /// # Errors
    /// As [`Pm2::list`].
    pub async fn named(&self, name: &str) -> Result<Vec<Proc>, Pm2Error> {
        let mut entries = self.list().await?.entries();
        entries.retain(|entry| entry.name == name);
        entries.sort_by_key(|entry| entry.id);
        Ok(entries)
    }

    /// The daemon's version, `None` when none runs.
    ///
    /// # Errors
    /// When a daemon is there and does not tell.
    pub async fn version(&self) -> Result<Option<String>, Pm2Error> {
        match self.call("getVersion").await {
            Ok(version) => Ok(Some(version.as_str().unwrap_or_default().to_owned())),
            Err(RpcError::Down) => Ok(None),
            Err(source) => Err(Pm2Error::List(source)),
        }
    }

    /// Deletes every entry called like `spec` and starts it anew: PM2 keeps the old folder
    /// and program of a name it knows. The file that tells PM2 so lies in `scratch`, or
    /// else where temporary files do, for as long as that takes. Starts a daemon where none runs, which then keeps nothing else.
    ///
    /// # Errors
    /// When afterwards PM2 does not have exactly this entry with a process.
    pub async fn start(&self, spec: &Spec, scratch: &Path) -> Result<Proc, Pm2Error> {
        self.delete(&spec.name).await?;
        // There may be room elsewhere when what a slot held is to be brought back.
        let file = write_ecosystem(spec, scratch)
            .or_else(|source| write_ecosystem(spec, &tempfile::env::temp_dir()).map_err(|_| source))
            .map_err(|source| Pm2Error::Scratch {
                folder: scratch.to_owned(),
                source,
            })?;
        let start = self.command([OsString::from("start"), file.path().into()])?;
        start.run().await.map_err(Pm2Error::Command)?;
        self.started(spec).await
    }

    /// Reads back what `pm2 start` claims with status 0.
    async fn started(&self, spec: &Spec) -> Result<Proc, Pm2Error> {
        let mut entries = self.named(&spec.name).await?;
        let count = entries.len();
        let Some(entry) = entries.pop().filter(|_| count == 1) else {
            let name = spec.name.clone();
            return Err(Pm2Error::NotOne { name, count });
        };
        if entry.cwd != spec.folder || entry.script != spec.script {
            return Err(Pm2Error::Other {
                name: entry.name,
                script: entry.script,
                folder: entry.cwd,
            });
        }
        if entry.pid.is_none() {
            return Err(Pm2Error::NoProcess {
                name: entry.name,
                status: entry.status,
                script: entry.script,
                folder: entry.cwd,
            });
        }
        Ok(entry)
    }

    /// Deletes every entry called `name` with its processes; none is fine. What is left is
    /// deleted once more: PM2 can put back an entry that it is just starting again.
    ///
    /// # Errors
    /// When one is still there afterwards.
    pub async fn delete(&self, name: &str) -> Result<(), Pm2Error> {
        let mut said = String::new();
        for _ in 0..2 {
            let entries = self.named(name).await?;
            if entries.is_empty() {
                return Ok(());
            }
            said = self.delete_all(&entries).await?;
        }
        if self.named(name).await?.is_empty() {
            return Ok(());
        }
        Err(Pm2Error::NotDeleted {
            name: name.to_owned(),
            said,
        })
    }

    /// Returns what PM2 said. One that goes away in the meantime makes it fail: the list tells,
    /// not the status.
    async fn delete_all(&self, entries: &[Proc]) -> Result<String, Pm2Error> {
        let ending: Duration = entries.iter().map(|entry| entry.kill_timeout).sum();
        let ids = entries.iter().map(|entry| entry.id.to_string());
        let delete = self
            .command(std::iter::once("delete".to_owned()).chain(ids))?
            .deadline(CLI_DEADLINE + ending);
        let output = delete.finish().await.map_err(Pm2Error::Command)?;
        Ok(output.stdout + &output.stderr)
    }

    /// Has PM2 write its list to its dump, an empty list too, and reads the dump back. A
    /// dump that says the same already is left alone: the command line takes a third of a
    /// second of a core. Callers hold the host's lock: another app's start between the two
    /// would look like a failure.
    ///
    /// # Errors
    /// [`Pm2Error::Down`] without a daemon, whose empty list would wipe the dump;
    /// [`Pm2Error::NoRoom`] on a full disk and [`Pm2Error::Closed`] where it may not be written:
    /// the dump then stays as it was;
    /// [`Pm2Error::NotSaved`] when the dump does not say what the list says.
    pub async fn save(&self) -> Result<(), Pm2Error> {
        let before = self.saveable().await?;
        if self.says(&before) {
            return Ok(());
        }
        self.may_write_dump()?;
        if let Ok(free) = capacity::disk_space(&self.home)
            && free.bytes < DUMP_ROOM
        {
            let home = self.home.clone();
            return Err(Pm2Error::NoRoom { home, free });
        }
        // Without `--force` PM2 keeps the old dump when its list is empty, and exits 0.
        let force = before.is_empty().then_some("--force");
        let save = self.command(std::iter::once("save").chain(force))?;
        save.run().await.map_err(Pm2Error::Command)?;
        let after = self.saveable().await?;
        let dumped = self.dump()?;
        // Another app may stop and start in the meantime.
        let has = |list: &[Saved], entry: &Saved| list.iter().any(|other| other.runs_as(entry));
        let all_there = before
            .iter()
            .filter(|entry| has(&after, entry))
            .all(|entry| has(&dumped, entry));
        let nothing_else = dumped
            .iter()
            .all(|entry| has(&before, entry) || has(&after, entry));
        if all_there && nothing_else {
            Ok(())
        } else {
            Err(Pm2Error::NotSaved {
                path: self.dump_file(),
            })
        }
    }

    /// Whether the dump says what the list says.
    pub async fn is_saved(&self) -> bool {
        self.saveable().await.is_ok_and(|entries| self.says(&entries))
    }

    fn says(&self, entries: &[Saved]) -> bool {
        self.dump_file().exists() && self.dump().is_ok_and(|dumped| same(&dumped, entries))
    }

    /// PM2 deletes a dump that it could not write.
    fn may_write_dump(&self) -> Result<(), Pm2Error> {
        let path = self.dump_file();
        match OpenOptions::new().append(true).open(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(Pm2Error::Closed { path, source }),
            _ => Ok(()),
        }
    }

    async fn saveable(&self) -> Result<Vec<Saved>, Pm2Error> {
        match self.list().await? {
            Daemon::Up(entries) => Ok(entries
                .iter()
                .filter(|entry| !entry.module)
                .map(Saved::from)
                .collect()),
            Daemon::Down => Err(Pm2Error::Down {
                home: self.home.clone(),
            }),
        }
    }

    /// What a reboot or [`Pm2::resurrect`] brings back; nothing when there is no dump. The
    /// folders and programs in it must not be pruned.
    ///
    /// # Errors
    /// When the dump is there and cannot be read.
    pub fn dump(&self) -> Result<Vec<Saved>, Pm2Error> {
        let path = self.dump_file();
        let mut text = Vec::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(DUMP_LIMIT).read_to_end(&mut text));
        match read {
            Ok(_) => entry::from_dump(&text).map_err(|source| Pm2Error::DumpDamaged { path, source }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Pm2Error::Dump { path, source }),
        }
    }

    /// Starts the daemon where none runs and everything that the dump names.
    ///
    /// # Errors
    /// When PM2 fails, or its list cannot be read afterwards.
    pub async fn resurrect(&self) -> Result<Vec<Proc>, Pm2Error> {
        let resurrect = self.command(["resurrect"])?;
        resurrect.run().await.map_err(Pm2Error::Command)?;
        Ok(self.list().await?.entries())
    }
}

/// Whether both name the same entries, in whatever order.
fn same(some: &[Saved], others: &[Saved]) -> bool {
    let sorted = |entries: &[Saved]| {
        let mut entries = entries.to_vec();
        entries.sort();
        entries
    };
    sorted(some) == sorted(others)
}

/// A file only we can read, gone when dropped; PM2 knows its kind by the suffix.
fn write_ecosystem(spec: &Spec, folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".start-")
        .suffix(".json")
        .tempfile_in(folder)?;
    serde_json::to_writer(&mut file, &spec.ecosystem())?;
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(crate) mod tests;
