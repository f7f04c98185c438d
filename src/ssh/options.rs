//! How a connection is made.

use std::path::{Path, PathBuf};

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose `.ssh` folder is used.
    pub home: PathBuf,
    /// Whether the key of a host that is not known is added to the known ones. A key that has
    /// changed is refused all the same.
    pub accept_new_host_key: bool,
    /// What people type for this program, for hints.
    pub name: &'static str,
}

impl Options {
    pub(super) fn home(&self) -> &Path {
        &self.home
    }
}
