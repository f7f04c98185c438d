//! The journal folded up to a line, kept beside it, so that a command reads what was written
//! since and not years of it. The journal stays the truth: a fold that does not fit it, or
//! that another version wrote, is passed over, and the whole is read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::journal::JournalState;
use serde::{Deserialize, Serialize};
use sys::store;

/// What was read so far, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// The program that wrote it. Another one may know other records.
    version: String,
    /// Bytes of the journal that are in it, up to the end of a line.
    pub bytes: u64,
    /// Lines in these bytes.
    pub lines: usize,
    /// The last of them, without its end. It names a run and a time, so no two are the same.
    last: String,
    /// What follows from them.
    pub state: JournalState,
}

impl Snapshot {
    /// What is kept for the journal at `path`, which is open as `journal`; nothing where that
    /// cannot be used.
    pub fn read(path: &Path, journal: &File) -> Snapshot {
        let kept = std::fs::read(beside(path)).ok();
        kept.and_then(|text| serde_json::from_slice::<Snapshot>(&text).ok())
            .filter(|fold| fold.version == env!("CARGO_PKG_VERSION") && fold.fits(journal))
            .unwrap_or_default()
    }

    /// Whether the journal still has the last line where it was.
    fn fits(&self, journal: &File) -> bool {
        let line = format!("{}\n", self.last);
        let Some(at) = self.bytes.checked_sub(line.len() as u64) else {
            return false;
        };
        let mut there = vec![0; line.len()];
        journal.read_exact_at(&mut there, at).is_ok() && there == line.as_bytes()
    }

    /// Keeps what the journal at `path` says up to here. Best effort: without it, the next
    /// command reads more.
    pub fn write(path: &Path, bytes: u64, lines: usize, last: &str, state: JournalState) {
        let fold = Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bytes,
            lines,
            last: last.to_owned(),
            state,
        };
        if let Ok(text) = serde_json::to_vec(&fold) {
            store::write_whole(&beside(path), &text, 0o640).ok();
        }
    }
}

/// `journal.fold` for `journal.jsonl`.
fn beside(journal: &Path) -> PathBuf {
    journal.with_extension("fold")
}
