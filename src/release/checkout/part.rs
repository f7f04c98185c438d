//! The repositories that a release is made of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::config::Source;

use crate::git::Git;

/// What all of a release's repositories have in common.
pub(super) struct Whole<'a> {
    pub(super) source: &'a Source,
    pub(super) tree: &'a Path,
    pub(super) index: PathBuf,
    pub(super) deadline: Duration,
}

/// A repository in a release: the app's own, or a submodule.
pub(super) struct Part {
    pub(super) git: Git,
    pub(super) url: Option<String>,
    pub(super) sha: String,
    /// Its folder, from the release on.
    pub(super) below: PathBuf,
}
