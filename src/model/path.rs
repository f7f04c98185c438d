//! Paths as they are written.

use std::path::{Component, Path, PathBuf};

/// `path` as git has it: without `.` and a slash at its end.
#[must_use]
pub fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}
