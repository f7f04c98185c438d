//! A folder of its own for a test that needs no host.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::{new_root, processes};

/// Empty at first. When it is dropped, what runs from it is ended and it is removed.
pub struct Folder(PathBuf);

impl Folder {
    /// Anybody may look into it.
    pub fn new() -> Folder {
        Folder(new_root())
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let left = processes::end_all(&self.0);
        fs::remove_dir_all(&self.0).ok();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "still running: {left:?}");
        }
    }
}
