//! Data that gets its place in `shared` while it is in use: what stands in its old place
//! afterwards is a link to it.

pub mod sqlite;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sys::store::{self, FileError};

use sqlite::{BESIDE, Held, beside, is_sqlite};

/// Data that was not moved.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// It is being written to all the while.
    #[error("the database `{}` is in use without a pause", .0.display())]
    InUse(PathBuf),
    /// No rename goes there.
    #[error("`{}` and `{}` are on different file systems", .from.display(), .to.display())]
    FarAway {
        /// Where it is.
        from: PathBuf,
        /// Where it should go.
        to: PathBuf,
    },
    /// A file system of its own.
    #[error("`{}` is a mount point", .0.display())]
    Mounted(PathBuf),
    /// There is something already.
    #[error("`{}` exists already", .0.display())]
    Taken(PathBuf),
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl SwitchError {
    /// What to do about it; `again` is the command to repeat.
    #[must_use]
    pub fn hint(&self, again: &str) -> String {
        match self {
            SwitchError::InUse(_) => {
                format!("`{again}` when the app writes less, or stop the app and move the file yourself")
            }
            SwitchError::FarAway { .. } => {
                "put `root` on the same file system, or copy it while the app is stopped".to_owned()
            }
            SwitchError::Mounted(_) => {
                "mount it below `<root>/shared` too: releases are linked to what lies there".to_owned()
            }
            SwitchError::Taken(path) => {
                format!("compare both, move `{}` away, then `{again}`", path.display())
            }
            SwitchError::File(_) => format!("fix that, then `{again}`"),
        }
    }
}

/// Moves `from` to `to`, and leaves a link in its place: both change at one instant, so
/// whoever asks by the old name finds it at any time, and what is open stays open. The caller
/// has the rights of whoever it belongs to.
///
/// # Errors
/// When it cannot be moved; it is where it was then.
pub fn relocate(from: &Path, to: &Path) -> Result<(), SwitchError> {
    let about = fs::symlink_metadata(from).map_err(FileError::at("read", from))?;
    if about.is_symlink() && fs::read_link(from).is_ok_and(|target| target == to) {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(FileError::at("create the folder", folder))?;
    let there = fs::metadata(folder).map_err(FileError::at("read", folder))?;
    if there.dev() != about.dev() {
        return Err(far_away(from, to));
    }
    put_link(to)?;
    let held = match about.is_file() && is_sqlite(from) {
        true => hold(from, to).map(Some),
        false => Ok(None),
    };
    let held = held.inspect_err(|_| drop(fs::remove_file(to)))?;
    if let Err(error) = exchange(from, to) {
        fs::remove_file(to).ok();
        return Err(match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
            // Another mount of the same file system, and a mount point itself.
            Errno::EXDEV => far_away(from, to),
            Errno::EBUSY => SwitchError::Mounted(from.to_owned()),
            _ => FileError::at("move", from)(error).into(),
        });
    }
    for changed in [folder, from.parent().unwrap_or(from)] {
        store::flush_folder(changed)?;
    }
    let settled = held.map_or(Ok(()), Held::let_settle);
    Ok(settled.map_err(FileError::at("unlock", from))?)
}

fn far_away(from: &Path, to: &Path) -> SwitchError {
    let (from, to) = (from.to_owned(), to.to_owned());
    SwitchError::FarAway { from, to }
}

/// For a moment it names itself; then it is what stands in the old place. An empty folder is
/// one that nobody has used.
fn put_link(to: &Path) -> Result<(), SwitchError> {
    if fs::symlink_metadata(to).is_ok_and(|about| about.is_dir()) {
        fs::remove_dir(to).map_err(|_| SwitchError::Taken(to.to_owned()))?;
    }
    match symlink(to, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::read_link(to) {
            Ok(target) if target == to => Ok(()),
            _ => Err(SwitchError::Taken(to.to_owned())),
        },
        made => Ok(made.map_err(FileError::at("create the link", to))?),
    }
}

fn hold(database: &Path, to: &Path) -> Result<Held, SwitchError> {
    let held = Held::take(database).map_err(FileError::at("lock", database))?;
    let held = held.ok_or_else(|| SwitchError::InUse(database.to_owned()))?;
    held.name_companions(database, to)
        .map_err(FileError::at("move what lies beside", database))?;
    Ok(held)
}

/// Brings moved data back to where it lay; what was never moved is passed over.
///
/// # Errors
/// When the system refuses, or a database is in use without a pause.
pub fn bring_back(top: &Path, shared: &Path, paths: &[PathBuf]) -> Result<(), SwitchError> {
    for path in paths {
        let (from, to) = (top.join(path), shared.join(path));
        if fs::read_link(&from).is_ok_and(|target| target == to) && !to.is_symlink() {
            let held = match is_sqlite(&to) {
                true => Some(hold(&to, &from)?),
                false => None,
            };
            exchange(&from, &to).map_err(FileError::at("move back", &from))?;
            if let Some(held) = held {
                held.let_settle().map_err(FileError::at("unlock", &from))?;
                for end in BESIDE {
                    store::remove_tree(&beside(&to, end))?;
                }
            }
        }
        if fs::read_link(&to).is_ok_and(|target| target == to) {
            fs::remove_file(&to).map_err(FileError::at("remove", &to))?;
        }
    }
    Ok(())
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from)
}

#[cfg(test)]
mod tests;
