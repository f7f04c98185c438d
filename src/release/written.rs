//! What was written into a release after its build: data that the next release would start
//! without, and that would go with this one.

pub mod places;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use keeper::server_log;
use model::config::Config;
use model::layout::Layout;
use model::release::ReleaseId;
use model::written::{Kind, Written};
use state::releases;

use crate::relocate::sqlite::{beside, database_of, is_sqlite};
use crate::seal::{self, Entries, Entry};

/// Files that nobody's data is in: programs write them to find each other.
const SIGNS: [&str; 2] = [".pid", ".lock"];

/// What an app is made of. It writes such files anew, and does not write into those that it
/// came with: whoever did that has mended the release by hand.
const CODE: [&str; 4] = ["py", "html", "css", "js"];

/// What a release holds that its build did not make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What lies in the release itself, by path.
    pub data: Vec<Written>,
    /// Links into `shared`.
    pub linked: Vec<PathBuf>,
    /// What the build made.
    pub built: Entries,
}

/// Looks for what was written into the release `id`, but for what `config` calls scratch, and the
/// logs of its server. Of one that was never started only mounts are told.
#[must_use]
pub fn written(layout: &Layout, config: &Config, id: &ReleaseId) -> Found {
    let release = layout.release(id);
    let sealed = seal::read(layout, id);
    let mut look = Look {
        shared: layout.shared(),
        logs: releases::read(layout, id)
            .map(|manifest| server_log::paths(layout, &manifest))
            .unwrap_or_default(),
        mounts: mounts_in(&release),
        config,
        found: Found::default(),
        release,
    };
    if let Some(built) = sealed {
        look.found.built = built;
        look.folder(Path::new(""));
    } else {
        let mounts = look.mounts.clone();
        look.found.data.extend(mounts.into_iter().map(mount));
    }
    look.found.data.sort_by(|one, other| one.path.cmp(&other.path));
    look.found
}

fn mount(path: PathBuf) -> Written {
    Written {
        path,
        bytes: 0,
        kind: Kind::Mount,
    }
}

struct Look<'a> {
    release: PathBuf,
    shared: PathBuf,
    logs: BTreeSet<PathBuf>,
    mounts: BTreeSet<PathBuf>,
    config: &'a Config,
    found: Found,
}

impl Look<'_> {
    fn folder(&mut self, below: &Path) {
        let entries = fs::read_dir(self.release.join(below)).into_iter().flatten();
        for entry in entries.flatten() {
            let path = below.join(entry.file_name());
            let Ok(about) = entry.metadata() else { continue };
            let is_log = || self.logs.contains(&self.release.join(&path));
            if seal::is_cache(&entry.file_name()) || self.config.is_scratch(&path) || is_log() {
                continue;
            }
            match Entry::of(&about) {
                None => {}
                Some(_) if self.mounts.contains(&path) => self.found.data.push(mount(path)),
                Some(Entry::Folder) => self.folder(&path),
                Some(Entry::Link) => self.link(path),
                Some(now @ Entry::File(..)) => self.file(path, now, &about),
            }
        }
    }

    fn link(&mut self, path: PathBuf) {
        let target = fs::read_link(self.release.join(&path)).unwrap_or_default();
        if target.starts_with(&self.shared) {
            self.found.linked.push(path);
        } else if self.found.built.get(&path) != Some(&Entry::Link) {
            self.tell(path, 0, Kind::File);
        }
    }

    fn file(&mut self, path: PathBuf, now: Entry, about: &Metadata) {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let place = self.release.join(&path);
        // Those of a database are told with it; those of one that moved are its old names.
        let is_companion = database_of(&path).is_some_and(|database| exists(&self.release.join(database)));
        if is_companion || SIGNS.iter().any(|sign| name.ends_with(sign.as_bytes())) {
            return;
        }
        let kind = if is_sqlite(&place) {
            Kind::Database
        } else {
            Kind::File
        };
        let log = ["-wal", "-journal"].map(|end| size(&beside(&place, end)));
        let bytes = about.len() + log.iter().sum::<u64>();
        let is_written = match self.found.built.get(&path) {
            // A reader of a database makes an empty log.
            Some(built) if *built == now => kind == Kind::Database && bytes > about.len(),
            Some(Entry::File(..)) => !is_code(&path),
            // Where NGINX serves files, what a link led to is put in its place.
            _ => about.nlink() == 1 || !self.was_link(&path),
        };
        if is_written {
            self.tell(path, bytes, kind);
        }
    }

    fn was_link(&self, path: &Path) -> bool {
        path.ancestors()
            .any(|above| self.found.built.get(above) == Some(&Entry::Link))
    }

    fn tell(&mut self, path: PathBuf, bytes: u64, kind: Kind) {
        self.found.data.push(Written { path, bytes, kind });
    }
}

/// Whether a file is one that people write.
#[must_use]
pub fn is_code(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| CODE.contains(&extension))
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn size(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |about| about.len())
}

/// The mount points below `folder`, relative to it.
#[must_use]
pub fn mounts_in(folder: &Path) -> BTreeSet<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    // The fifth field is where it is mounted, see proc(5).
    let points = table.split(|byte| *byte == b'\n').filter_map(|line| {
        let point = line.split(|byte| *byte == b' ').nth(4)?;
        let below = plain(point).strip_prefix(&real).ok()?.to_owned();
        (!below.as_os_str().is_empty()).then_some(below)
    });
    points.collect()
}

/// Spaces, tabs, line ends and backslashes are written as three octal digits.
fn plain(point: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|three| std::str::from_utf8(three).ok());
        let byte = digits.and_then(|three| u8::from_str_radix(three, 8).ok());
        let (byte, next) = match (first, byte) {
            (b'\\', Some(byte)) => (byte, after.get(3..).unwrap_or_default()),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests;
