//! The journal file: one JSON record a line, on the disk before what it tells of is done,
//! with space reserved ahead so that a full disk does not stop a rollback. What the older
//! part of it says is kept folded in `journal.fold` beside it.

mod snapshot;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::attempt::Phase;
use model::journal::{Damage, JournalState, Record, Verb};
use model::release::ReleaseId;
use nix::fcntl::{FallocateFlags, fallocate};
use serde::Deserialize;
use serde_json::Value;
use sys::{fault, store};

use snapshot::Snapshot;

/// Kept free behind the last record: a run writes five records of some 300 bytes, so this
/// is enough for forty runs on a full disk.
const RESERVE: i64 = 64 << 10;

/// What may lie behind the fold: forty runs again, which are read in less than a millisecond.
const UNFOLDED: u64 = 64 << 10;

/// What is read first from the end, by who wants the latest: some forty runs.
const TAIL: u64 = 64 << 10;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    state: JournalState,
    damage: Vec<Damage>,
    /// Where the next record goes, and how many lines are before it.
    bytes: u64,
    lines: usize,
    /// The bytes that the fold covers.
    folded: u64,
    /// The last line that this program wrote, with its end.
    last: Vec<u8>,
}

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("the journal `{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A record of a later version of this program.
    #[error("the journal `{}` was written by a newer bluegreen (line {line})", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}

impl Journal {
    /// Opens the journal, making an empty one where there is none. A torn last line is cut
    /// off; a line that makes no sense in the middle is passed over and reported by
    /// [`Journal::damage`].
    ///
    /// # Errors
    /// When the file cannot be opened or was written by a newer version.
    pub fn open(path: &Path) -> Result<Journal, JournalError> {
        let io = |what| {
            move |source| JournalError::Io {
                what,
                path: path.to_owned(),
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(path)
            .map_err(io("opened"))?;
        let fold = Snapshot::read(path, &file);
        let fresh = read_from(&mut file, fold.bytes).map_err(io("read"))?;
        let whole = fresh
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let (kept, torn) = fresh.split_at(whole);
        let (records, mut damage) = parse(path, kept, fold.lines)?;
        let senseless = !damage.is_empty();
        let bytes = fold.bytes + whole as u64;
        if !torn.is_empty() {
            damage.push(Damage::Incomplete);
            file.set_len(bytes).map_err(io("mended"))?;
        }
        if senseless && let Ok(aside) = set_aside(path, &mut file, fold.bytes, kept) {
            damage.push(Damage::SetAside { file: aside });
            return Ok(Journal {
                damage,
                ..Journal::open(path)?
            });
        }
        file.seek(SeekFrom::Start(bytes)).map_err(io("read"))?;
        Ok(Journal {
            file,
            path: path.to_owned(),
            state: fold.state.and(&records),
            damage,
            bytes,
            lines: fold.lines + kept.iter().filter(|byte| **byte == b'\n').count(),
            folded: fold.bytes,
            last: Vec::new(),
        })
    }

    /// What the journal says, without opening it for writing.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer version.
    pub fn told(path: &Path) -> Result<JournalState, JournalError> {
        let Some(mut file) = open_to_read(path)? else {
            return Ok(JournalState::default());
        };
        let fold = Snapshot::read(path, &file);
        let fresh = read_from(&mut file, fold.bytes).map_err(unreadable(path))?;
        let (records, _) = parse(path, &fresh, fold.lines)?;
        Ok(fold.state.and(&records))
    }

    /// Reads all records without opening the file for writing.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer version.
    pub fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
        let Some(mut file) = open_to_read(path)? else {
            return Ok(Vec::new());
        };
        let bytes = read_from(&mut file, 0).map_err(unreadable(path))?;
        parse(path, &bytes, 0).map(|(records, _)| records)
    }

    /// Reads records from the end until they are `enough`, or all. The first ones may be the
    /// end of a run that began before.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn latest(path: &Path, enough: impl Fn(&[Record]) -> bool) -> Result<Vec<Record>, JournalError> {
        let Some(mut file) = open_to_read(path)? else {
            return Ok(Vec::new());
        };
        let end = file.metadata().map_err(unreadable(path))?.len();
        let mut size = TAIL;
        while size < end {
            let bytes = read_from(&mut file, end - size).map_err(unreadable(path))?;
            let whole = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            let (_, lines) = bytes.split_at(whole);
            // A record of a newer version is named by its line, and that takes the whole.
            match parse(path, lines, 0) {
                Ok((records, _)) if enough(&records) => return Ok(records),
                Ok(_) => size *= 4,
                Err(_) => break,
            }
        }
        Journal::read(path)
    }

    /// What the records say.
    #[must_use]
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// What was wrong with the file.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Adds a record and waits until it is on the disk.
    ///
    /// # Errors
    /// When it is not.
    pub fn write(&mut self, record: Record) -> Result<(), JournalError> {
        self.note(record)?;
        fault::flush(&self.file, &self.path).map_err(|source| self.not_written(source))
    }

    /// Adds a record that is on the disk once the next one is: for one that tells of
    /// nothing done yet. The death of this program does not undo it, a power cut may.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, record: Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(&record).map_err(|error| self.not_written(error.into()))?;
        line.push(b'\n');
        let written = fault::file("append to", &self.path).and_then(|()| self.file.write_all(&line));
        written.map_err(|source| self.not_written(source))?;
        self.state.add(&record);
        self.bytes += line.len() as u64;
        self.lines += 1;
        self.last = line;
        Ok(())
    }

    fn not_written(&self, source: std::io::Error) -> JournalError {
        JournalError::Io {
            what: "written",
            path: self.path.clone(),
            source,
        }
    }

    /// Keeps room behind the last record. Best effort: a file system that cannot do it is
    /// no worse than before.
    pub fn reserve(&self) {
        let end = self.file.metadata().map_or(0, |metadata| metadata.len());
        let end = i64::try_from(end).unwrap_or(0);
        fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, end, RESERVE).ok();
    }

    /// After the record with which a run ends: folds what was read, where that has become
    /// much. Of releases that are gone, as `stands` says, nothing needs to be known.
    pub fn fold(&mut self, stands: impl Fn(&ReleaseId) -> bool) {
        if self.bytes - self.folded < UNFOLDED || self.state.open.is_some() || self.last.is_empty() {
            return;
        }
        let last = String::from_utf8_lossy(&self.last);
        let state = self.state.only(stands);
        Snapshot::write(&self.path, self.bytes, self.lines, last.trim_end(), state);
        self.folded = self.bytes;
    }
}

/// Puts the lines that make no sense into a file beside the journal, and then the journal
/// without them in its place, so that they are told once and nothing of them is lost.
/// `fresh` is what comes after the first `folded` bytes.
fn set_aside(path: &Path, file: &mut File, folded: u64, fresh: &[u8]) -> std::io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    let mut whole = vec![0; usize::try_from(folded).unwrap_or(usize::MAX)];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut whole)?;
    let lines = fresh.split_inclusive(|byte| *byte == b'\n');
    let (good, bad): (Vec<&[u8]>, Vec<&[u8]>) = lines
        .partition(|line| line.trim_ascii().is_empty() || serde_json::from_slice::<Record>(line).is_ok());
    let mut damaged = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(&aside)?;
    damaged.write_all(&bad.concat())?;
    damaged.sync_all()?;
    whole.extend(good.concat());
    store::write_whole(path, &whole, 0o640).map_err(std::io::Error::other)?;
    Ok(aside)
}

fn open_to_read(path: &Path) -> Result<Option<File>, JournalError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path)(source)),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError::Io {
        what: "read",
        path,
        source,
    }
}

fn read_from(file: &mut File, start: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The records in `bytes`, which come after `before` lines, and what makes no sense.
fn parse(path: &Path, bytes: &[u8], before: usize) -> Result<(Vec<Record>, Vec<Damage>), JournalError> {
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = before + index + 1;
        // An editor may have left blanks and carriage returns.
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => records.push(record),
            Err(_) if is_newer(line) => {
                return Err(JournalError::Newer {
                    path: path.to_owned(),
                    line: number,
                });
            }
            Err(_) => damage.push(Damage::Unreadable { line: number }),
        }
    }
    Ok((records, damage))
}

/// A whole JSON object with a kind of record, a verb or a phase that this version does not
/// know was written by a later one; anything else is damage.
fn is_newer(line: &[u8]) -> bool {
    const KNOWN: [&str; 4] = ["begin", "enter", "commit", "abort"];
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return false;
    };
    let word = |key: &str| value.get(key).filter(|word| word.is_string());
    word("record").is_some_and(|kind| {
        KNOWN.iter().all(|known| kind != known)
            || word("verb").is_some_and(|verb| Verb::deserialize(verb).is_err())
            || word("phase").is_some_and(|phase| Phase::deserialize(phase).is_err())
    })
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
