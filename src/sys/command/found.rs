//! Programs by their names, on a PATH.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where programs for administrators lie, as NGINX: an ordinary user's PATH lacks these
/// folders on Debian.
const ADMINISTRATORS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Finds a program on PATH or in the system's folders, so that its absolute path can be
/// kept: under a non-interactive login the PATH is another one.
#[must_use]
pub fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    std::env::var_os("PATH")
        .and_then(|path| find_in(&path, program))
        .or_else(|| find_in(ADMINISTRATORS.as_ref(), program))
}

pub(super) fn find_in(path: &OsStr, program: &Path) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|candidate| {
            nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok() && candidate.is_file()
        })
}
