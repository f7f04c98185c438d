//! Programs by their names, on a PATH.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Finds a program on PATH, so that its absolute path can be kept: under a
/// non-interactive login the PATH is another one.
#[must_use]
pub fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    find_in(&std::env::var_os("PATH")?, program)
}

pub(super) fn find_in(path: &OsStr, program: &Path) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|candidate| {
            nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok() && candidate.is_file()
        })
}
