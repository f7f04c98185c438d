//! Writes a set of files with a way back.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use sys::store;

use crate::raw;

/// A file that shall be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Where, absolute.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// What has to be done about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is not there.
    Create,
    /// It has another text.
    Update,
    /// Nothing.
    Same,
}

/// A file, as it is and as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file; where it is a link, what that points at.
    pub path: PathBuf,
    /// What has to be done.
    pub kind: Kind,
    /// A unified diff, empty when there is nothing to do.
    pub diff: String,
    old: Option<Old>,
    new: Vec<u8>,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Old {
    bytes: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Old {
    /// Whether root finds what somebody else may change.
    fn is_anothers(&self) -> bool {
        let shared = self.mode & 0o002 != 0 || (self.mode & 0o020 != 0 && self.gid != 0);
        nix::unistd::geteuid().is_root() && (self.uid != 0 || shared)
    }

    /// What the new file gets: the old one's, but nobody's besides root where root writes.
    fn mode_and_owner(&self) -> (u32, u32, u32) {
        match self.is_anothers() {
            true => (self.mode & !0o022, 0, 0),
            false => (self.mode, self.uid, self.gid),
        }
    }
}

/// Why files could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Reading.
    #[error("`{}` cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A link that somebody else could turn while we write.
    #[error("`{}` is a link that belongs to another user, and is not followed", .path.display())]
    ForeignLink {
        /// The link.
        path: PathBuf,
    },
    /// Writing; whatever had been written before was put back.
    #[error("`{}` cannot be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Putting back.
    #[error("`{}` could not be put back; its old text is in `{}`", .path.display(), .backup.display())]
    Restore {
        /// The file.
        path: PathBuf,
        /// The folder with the old texts.
        backup: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Files that were written, and what they were before.
#[derive(Debug)]
pub struct Applied {
    done: Vec<Change>,
    backup: PathBuf,
}

/// Compares `files` with what is there, in their order.
///
/// # Errors
/// When a file cannot be read, or is a link that another user than root or we could turn.
pub fn plan(files: &[Rendered]) -> Result<Vec<Change>, FilesError> {
    files.iter().map(compare).collect()
}

fn compare(file: &Rendered) -> Result<Change, FilesError> {
    let path = followed(&file.path)?;
    let read = |source| FilesError::Read {
        path: path.clone(),
        source,
    };
    let old = match store::read_plain(&path, store::LONGEST_TEXT) {
        Ok(bytes) => {
            let about = fs::metadata(&path).map_err(read)?;
            Some(Old {
                bytes,
                mode: about.mode() & 0o7777,
                uid: about.uid(),
                gid: about.gid(),
            })
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(read(source)),
    };
    let new = raw::encode(&file.text);
    let kind = match &old {
        None => Kind::Create,
        Some(old) if old.bytes == new && !old.is_anothers() => Kind::Same,
        Some(_) => Kind::Update,
    };
    let before = old.as_ref().map_or(String::new(), |old| {
        String::from_utf8_lossy(&old.bytes).into_owned()
    });
    let name = path.display().to_string();
    let from = if old.is_some() { name.as_str() } else { "/dev/null" };
    let after = String::from_utf8_lossy(&new);
    let diff = TextDiff::from_lines(before.as_str(), &*after)
        .unified_diff()
        .header(from, &name)
        .to_string();
    Ok(Change {
        kind,
        diff,
        old,
        new,
        path,
    })
}

/// The file itself where `path` is a link, as sites enabled in the Debian manner are.
fn followed(path: &Path) -> Result<PathBuf, FilesError> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return Ok(path.to_owned());
    };
    if !about.is_symlink() {
        return Ok(path.to_owned());
    }
    if about.uid() != 0 && about.uid() != nix::unistd::geteuid().as_raw() {
        return Err(FilesError::ForeignLink {
            path: path.to_owned(),
        });
    }
    fs::canonicalize(path).map_err(|source| FilesError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Does what `changes` say, each file at once or not at all, and keeps the old texts in
/// memory and in `<backup>/<time>/`. `backup` must be a folder that NGINX does not include.
///
/// # Errors
/// When a file cannot be written; the ones before it are put back first.
pub fn apply(changes: Vec<Change>, backup: &Path) -> Result<Applied, FilesError> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ").to_string();
    let mut applied = Applied {
        done: Vec::new(),
        backup: backup.join(stamp),
    };
    for change in changes.into_iter().filter(|change| change.kind != Kind::Same) {
        let written = keep(&change, &applied.backup).and_then(|()| write(&change));
        if let Err(source) = written {
            let path = change.path;
            applied.restore()?;
            return Err(FilesError::Write { path, source });
        }
        applied.done.push(change);
    }
    Ok(applied)
}

/// The whole path as one name.
pub(super) fn flat(path: &Path) -> String {
    path.to_string_lossy().replace('/', "%")
}

impl Change {
    /// What is there.
    #[must_use]
    pub fn before(&self) -> Option<&[u8]> {
        self.old.as_ref().map(|old| old.bytes.as_slice())
    }

    /// The same without anything to do.
    #[must_use]
    pub fn left(self) -> Change {
        Change {
            kind: Kind::Same,
            diff: String::new(),
            ..self
        }
    }

    /// What shall be there.
    #[must_use]
    pub fn after(&self) -> &[u8] {
        &self.new
    }
}

/// A copy of the old text.
fn keep(change: &Change, folder: &Path) -> io::Result<()> {
    let Some(old) = &change.old else {
        return Ok(());
    };
    replace(&folder.join(flat(&change.path)), &old.bytes, 0o600, None)
}

fn write(change: &Change) -> io::Result<()> {
    let bytes = change.new.as_slice();
    match &change.old {
        Some(old) => {
            let (mode, uid, gid) = old.mode_and_owner();
            replace(&change.path, bytes, mode, Some((uid, gid)))
        }
        None => replace(&change.path, bytes, 0o644, None),
    }
}

/// Writes beside `path` and renames over it, so that no reader meets half a file.
fn replace(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    store::make_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden and without `.conf`, so that no `*` or `*.conf` of NGINX catches it.
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = fill(&beside, bytes, mode, owner).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        fs::remove_file(&beside).ok();
    }
    written?;
    File::open(folder)?.sync_all()
}

fn fill(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    fs::remove_file(path).ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    if let Some((uid, gid)) = owner {
        // Not root: the file becomes ours, as it would with an editor.
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).ok();
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

impl Applied {
    /// Whether nothing had to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// What was done, in its order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.done
    }

    /// Puts everything back, the last file first, and takes away what was not there.
    ///
    /// # Errors
    /// The first file that could not be put back; the others are put back all the same.
    pub fn restore(self) -> Result<(), FilesError> {
        let mut first = Ok(());
        for change in self.done.iter().rev() {
            let put_back = match &change.old {
                Some(old) => replace(&change.path, &old.bytes, old.mode, Some((old.uid, old.gid))),
                None => fs::remove_file(&change.path),
            };
            if let (Err(source), Ok(())) = (put_back, &first) {
                first = Err(FilesError::Restore {
                    path: change.path.clone(),
                    backup: self.backup.clone(),
                    source,
                });
            }
        }
        first
    }
}

#[cfg(test)]
mod tests;
