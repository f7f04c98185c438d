//! A process that ran before this program came: what it is known by, since it carries none
//! of our marks and its code may change under it.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What stands in a slot in place of a release that was built here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The name of its entry in PM2.
    pub pm2_name: String,
    /// Its process when it was adopted.
    pub pid: u32,
    /// When that began, in clock ticks since boot.
    pub started: u64,
    /// The port that it holds.
    pub port: u16,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// The work tree that its code comes from.
    pub checkout: PathBuf,
    /// What a hash of `git diff` and `git status` says of the work tree's changes.
    pub changes: Option<String>,
    /// Data that lies in the work tree, relative to it, and that the next release needs.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// Variables that PM2 gave it and nobody else, by name: a release gets none from PM2.
    #[serde(default)]
    pub variables: Vec<String>,
    /// When it was adopted.
    pub at: Timestamp,
}
