//! What a release consisted of when its build was over and nothing of it had been started:
//! a list beside its snapshot. What differs from it later was written by what ran there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::layout::Layout;
use model::release::ReleaseId;
use sys::store::{self, FileError};

/// Folders of what any program makes again: nothing in them is looked at.
const CACHES: [&str; 7] = [
    "__pycache__",
    "node_modules",
    ".git",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".webassets-cache",
];

/// A list of this many bytes has a million files; a longer one is none of ours.
const LONGEST: u64 = 256 << 20;

/// One name in a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A link.
    Link,
    /// A file with its size, and the moment of its last change in nanoseconds.
    File(u64, i128),
}

impl Entry {
    /// What `about` is of; `None` for sockets, pipes and devices, which hold no data.
    #[must_use]
    pub fn of(about: &Metadata) -> Option<Entry> {
        let kind = about.file_type();
        let changed = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        match () {
            () if kind.is_dir() => Some(Entry::Folder),
            () if kind.is_symlink() => Some(Entry::Link),
            () if kind.is_file() => Some(Entry::File(about.len(), changed)),
            () => None,
        }
    }
}

/// Every name in a release, relative to it.
pub type Entries = BTreeMap<PathBuf, Entry>;

/// Whether `name` is that of something which any program makes again.
#[must_use]
pub fn is_cache(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".pyc") || CACHES.iter().any(|cache| name == cache.as_bytes())
}

/// Where the list of the release `id` lies.
#[must_use]
pub fn at(layout: &Layout, id: &ReleaseId) -> PathBuf {
    layout.manifests().join(format!("{id}.files"))
}

/// Lists the release `id`, for [`read`].
///
/// # Errors
/// When a folder cannot be read, or the list not be written.
pub fn seal(layout: &Layout, id: &ReleaseId) -> Result<(), FileError> {
    let mut entries = Entries::new();
    collect(&layout.release(id), Path::new(""), &mut entries)?;
    let mut text = Vec::new();
    for (path, entry) in entries {
        let (kind, size, changed) = match entry {
            Entry::Folder => ('d', 0, 0),
            Entry::Link => ('l', 0, 0),
            Entry::File(size, changed) => ('f', size, changed),
        };
        // Writing to a Vec cannot fail.
        write!(text, "{kind} {size} {changed} ").ok();
        text.extend_from_slice(path.as_os_str().as_bytes());
        text.push(0);
    }
    store::write_whole(&at(layout, id), &text, 0o640)
}

fn collect(release: &Path, below: &Path, entries: &mut Entries) -> Result<(), FileError> {
    let folder = release.join(below);
    for entry in fs::read_dir(&folder).map_err(FileError::at("read", &folder))? {
        let entry = entry.map_err(FileError::at("read", &folder))?;
        let path = below.join(entry.file_name());
        let about = entry.metadata().map_err(FileError::at("read", &entry.path()))?;
        let Some(kind) = Entry::of(&about).filter(|_| !is_cache(&entry.file_name())) else {
            continue;
        };
        if kind == Entry::Folder {
            collect(release, &path, entries)?;
        }
        entries.insert(path, kind);
    }
    Ok(())
}

/// What the release `id` consisted of; `None` for one that was never started, or not by us.
#[must_use]
pub fn read(layout: &Layout, id: &ReleaseId) -> Option<Entries> {
    let text = store::read_plain(&at(layout, id), LONGEST).ok()?;
    let lines = text.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    lines.map(entry).collect()
}

fn entry(line: &[u8]) -> Option<(PathBuf, Entry)> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut next = || parts.next();
    let kind = next()?;
    let mut number = || std::str::from_utf8(next()?).ok();
    let (size, changed) = (number()?.parse().ok()?, number()?.parse().ok()?);
    let path = PathBuf::from(OsStr::from_bytes(next()?));
    let entry = match kind {
        b"d" => Entry::Folder,
        b"l" => Entry::Link,
        b"f" => Entry::File(size, changed),
        _ => return None,
    };
    Some((path, entry))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::seal::*;
    use testkit::releases::Place;

    #[test]
    fn what_was_listed_is_read_again_whatever_its_name_is() {
        let place = Place::new();
        let id = place.release(1, "venv", "env");
        let release = place.layout.release(&id);
        assert_eq!(read(&place.layout, &id), None);
        let odd = PathBuf::from(OsStr::from_bytes(b"a \xff\nb"));
        fs::write(release.join(&odd), "12").unwrap();
        symlink("web", release.join("link")).unwrap();
        fs::create_dir(release.join("__pycache__")).unwrap();
        fs::write(release.join("web/app.pyc"), "").unwrap();
        seal(&place.layout, &id).unwrap();
        let entries = read(&place.layout, &id).unwrap();
        let names: Vec<&Path> = entries.keys().map(PathBuf::as_path).collect();
        let expected = [&odd, Path::new("link"), Path::new("web"), Path::new("web/app.py")];
        assert_eq!(names, expected);
        assert!(matches!(entries[&odd], Entry::File(2, _)));
        assert_eq!(entries[Path::new("link")], Entry::Link);
        // A damaged list says nothing rather than half of it.
        fs::write(at(&place.layout, &id), "f 1 x a\0").unwrap();
        assert_eq!(read(&place.layout, &id), None);
    }
}
