//! The journal file: one JSON record a line, on the disk before what it tells of is done,
//! with space reserved ahead so that a full disk does not stop a rollback.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

use crate::model::journal::Record;

/// Kept free behind the last record: a run writes five records of some 300 bytes, so this
/// is enough for forty runs on a full disk.
const RESERVE: i64 = 64 << 10;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    records: Vec<Record>,
    damage: Vec<String>,
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
            .mode(0o644)
            .open(path)
            .map_err(io("opened"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read"))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let (kept, torn) = bytes.split_at(whole);
        let (records, mut damage) = parse(path, kept)?;
        if !torn.is_empty() {
            damage.push("the last line was torn and is passed over".to_owned());
            file.set_len(whole as u64).map_err(io("mended"))?;
        }
        file.seek(SeekFrom::Start(whole as u64)).map_err(io("read"))?;
        Ok(Journal {
            file,
            path: path.to_owned(),
            records,
            damage,
        })
    }

    /// Reads the records without opening the file for writing.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer version.
    pub fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
        match std::fs::read(path) {
            Ok(bytes) => parse(path, &bytes).map(|(records, _)| records),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(JournalError::Io {
                what: "read",
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What was wrong with the file, in words.
    #[must_use]
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Adds a record and waits until it is on the disk.
    ///
    /// # Errors
    /// When it is not.
    pub fn write(&mut self, record: Record) -> Result<(), JournalError> {
        self.note(record)?;
        self.file.sync_data().map_err(|source| self.not_written(source))
    }

    /// Adds a record that is on the disk once the next one is: for one that tells of
    /// nothing done yet. The death of this program does not undo it, a power cut may.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, record: Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(&record).map_err(|error| self.not_written(error.into()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(|source| self.not_written(source))?;
        self.records.push(record);
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
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, Vec<String>), JournalError> {
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => records.push(record),
            Err(_) if is_newer(line) => {
                return Err(JournalError::Newer {
                    path: path.to_owned(),
                    line: index + 1,
                });
            }
            Err(_) => damage.push(format!("line {} makes no sense and is passed over", index + 1)),
        }
    }
    Ok((records, damage))
}

/// A whole JSON object with a kind of record that this version does not know was written
/// by a later one; anything else is damage.
fn is_newer(line: &[u8]) -> bool {
    const KNOWN: [&str; 4] = ["begin", "enter", "commit", "abort"];
    serde_json::from_slice::<serde_json::Value>(line)
        .ok()
        .and_then(|value| value.get("record")?.as_str().map(|kind| !KNOWN.contains(&kind)))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::journal::{RunId, Verb};
    use jiff::Timestamp;

    fn abort(run: &str) -> Record {
        Record::Abort {
            run: RunId(run.into()),
            at: Timestamp::UNIX_EPOCH,
            verb: Verb::Deploy,
            reason: "because".into(),
            refused: None,
        }
    }

    #[test]
    fn records_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        journal.reserve();
        journal.write(abort("a")).unwrap();
        journal.write(abort("b")).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), [abort("a"), abort("b")]);
    }

    #[test]
    fn a_torn_last_line_is_cut_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Journal::open(&path).unwrap().write(abort("a")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"{\"record\":\"abo");
        std::fs::write(&path, bytes).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.damage().len(), 1);
        journal.write(abort("b")).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), [abort("a"), abort("b")]);
    }

    #[test]
    fn damage_in_the_middle_is_told_and_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let line = serde_json::to_string(&abort("a")).unwrap();
        std::fs::write(&path, format!("{line}\n\u{0}\u{0}garbage\n{line}\n")).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.records().len(), 2);
        assert_eq!(journal.damage(), ["line 2 makes no sense and is passed over"]);
    }

    #[test]
    fn a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, "{\"record\":\"teleport\",\"run\":\"x\"}\n").unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::Newer { line: 1, .. })
        ));
    }
}
