//! The files of a folder: in a git work tree what git would take, elsewhere all but what is
//! made again on the host.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sys::command::Command;
use sys::path_security;
use sys::store::FileError;

use crate::bundle::error::BundleError;
use crate::bundle::stream::Stream;

/// Not taken along where git does not say what to leave out.
const LEFT_OUT: [&str; 4] = [".git", ".venv", "__pycache__", "node_modules"];

pub(super) async fn write(folder: &Path, stream: &mut Stream) -> Result<(), BundleError> {
    let names = match of_git(folder).await? {
        Some(names) => names,
        None => {
            let mut names = BTreeSet::new();
            walk(folder, Path::new(""), &mut names)?;
            names
        }
    };
    for name in names {
        put(folder, &name, stream)?;
    }
    Ok(())
}

/// None outside a work tree, and for a folder that git ignores as a whole, as one with what
/// was built.
///
/// # Errors
/// When it is a work tree in which git does nothing for us.
async fn of_git(folder: &Path) -> Result<Option<BTreeSet<PathBuf>>, BundleError> {
    let git = |words: &[&str]| Command::new("git").args(words).folder(folder);
    let ignored = git(&["check-ignore", "--quiet", "."]).finish().await?;
    // 0 says that it is, and 128 that there is no git here, or one that is not to be trusted.
    if ignored.status.code() != Some(1) && !is_somebody_elses(folder) {
        return Ok(None);
    }
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = git(&words).run().await?;
    let names = listed.stdout.split('\0').filter(|name| !name.is_empty());
    // What was deleted and not yet committed is listed too.
    let there = |name: &PathBuf| fs::symlink_metadata(folder.join(name)).is_ok();
    Ok(Some(names.map(PathBuf::from).filter(there).collect()))
}

/// Whether git would refuse to look at this work tree, whose settings may run any command.
fn is_somebody_elses(folder: &Path) -> bool {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut found = whole
        .ancestors()
        .filter_map(|above| fs::metadata(above.join(".git")).ok());
    found.next().is_some_and(|git| git.uid() != geteuid().as_raw())
}

fn walk(folder: &Path, below: &Path, names: &mut BTreeSet<PathBuf>) -> Result<(), BundleError> {
    let here = folder.join(below);
    if geteuid().is_root() {
        path_security::roots_alone(&here)?;
    }
    for entry in fs::read_dir(&here).map_err(FileError::at("read", &here))? {
        let entry = entry.map_err(FileError::at("read", &here))?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|out| name == *out) {
            continue;
        }
        let kind = entry.file_type().map_err(FileError::at("read", &entry.path()))?;
        let name = below.join(name);
        if kind.is_dir() {
            walk(folder, &name, names)?;
        } else {
            names.insert(name);
        }
    }
    Ok(())
}

fn put(folder: &Path, name: &Path, stream: &mut Stream) -> Result<(), BundleError> {
    let path = folder.join(name);
    if geteuid().is_root() {
        path_security::roots_alone(path.parent().unwrap_or(folder))?;
    }
    let about = fs::symlink_metadata(&path).map_err(FileError::at("read", &path))?;
    let kind = about.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(&path).map_err(FileError::at("read", &path))?;
        return stream.link(name, &target);
    }
    if kind.is_dir() {
        // Another repository in it: git itself takes nothing of it along.
        return Ok(());
    }
    if !kind.is_file() {
        let what = match kind {
            kind if kind.is_fifo() => "a pipe",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        return Err(BundleError::Strange {
            path: name.to_owned(),
            what,
        });
    }
    let file = File::open(&path).map_err(FileError::at("read", &path))?;
    let executable = about.permissions().mode() & 0o100 != 0;
    stream.file(name, executable, about.len(), file)
}
