//! Data that an app wrote into its own release.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::shown;
use crate::failure::Deployment;

/// How many files are named one by one.
const NAMED: usize = 4;

/// One file of a release that was written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Relative to the release.
    #[serde(serialize_with = "shown::path")]
    pub path: PathBuf,
    /// Its size in bytes, with what SQLite keeps beside it.
    pub bytes: u64,
    /// What it is.
    pub kind: Kind,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A SQLite database.
    Database,
    /// Any other file, or a link.
    File,
    /// Another file system, mounted there.
    Mount,
}

/// All of it, with the first files by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenData {
    /// How many files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The first of them, databases before others: they are what is missed most.
    pub named: Vec<Written>,
}

impl WrittenData {
    /// What `all` comes to; `None` where there is nothing.
    #[must_use]
    pub fn of(mut all: Vec<Written>) -> Option<WrittenData> {
        all.sort_by_key(|one| one.kind != Kind::Database);
        let (files, bytes) = (all.len(), all.iter().map(|one| one.bytes).sum());
        all.truncate(NAMED);
        (files > 0).then_some(WrittenData {
            files,
            bytes,
            named: all,
        })
    }
}

/// Data of what is live that the next release would start without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum LeftBehind {
    /// It lies in the release.
    Release {
        /// What is live.
        live: Deployment,
        /// The data.
        data: WrittenData,
    },
    /// It lies in the shared folder, and `shared` in bg.toml does not name it.
    Shared {
        /// What is live.
        live: Deployment,
        /// The shared folder.
        folder: PathBuf,
        /// The paths.
        #[serde(serialize_with = "shown::paths")]
        paths: Vec<PathBuf>,
    },
}
