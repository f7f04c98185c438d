//! Where data that was written belongs: the paths to name in `shared`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::config::Config;
use model::written::{Kind, Written};

use crate::seal::Entry;
use crate::written::{Found, is_code};

/// What git needs to keep a folder that is meant to be empty.
const PLACEHOLDERS: [&str; 4] = [".gitkeep", ".gitignore", ".keep", ".placeholder"];

/// A file or folder for `shared`, and what was written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCandidate {
    /// Relative to the release.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What was written there, by path.
    pub written: Vec<Written>,
}

impl SharedCandidate {
    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written.iter().map(|one| one.bytes).sum()
    }

    /// As it is to be written in `shared`: a folder whose name looks like a file's with a slash.
    #[must_use]
    pub fn name(&self) -> String {
        let hidden = (self.path.file_name()).is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let needs_slash = self.is_folder && (hidden || self.path.extension().is_some());
        format!("{}{}", self.path.display(), if needs_slash { "/" } else { "" })
    }
}

/// The fewest places that hold all that was written and no code, each that `config` shares
/// already as it is there.
#[must_use]
pub fn of(found: &Found, config: &Config) -> Vec<SharedCandidate> {
    let mut places: BTreeMap<PathBuf, SharedCandidate> = BTreeMap::new();
    for one in &found.data {
        let path = place(one, found, config);
        let place = places.entry(path.clone()).or_insert_with(|| SharedCandidate {
            is_folder: path != one.path || one.kind == Kind::Mount,
            path,
            written: Vec::new(),
        });
        place.written.push(one.clone());
    }
    let all: BTreeSet<PathBuf> = places.keys().cloned().collect();
    let mut outer: Vec<SharedCandidate> = Vec::new();
    for (path, place) in places {
        // Sorted, a folder comes before what lies in it.
        let above = path.ancestors().skip(1).find(|above| all.contains(*above));
        match above.and_then(|above| outer.iter_mut().find(|outer| above.starts_with(&outer.path))) {
            Some(outer) => outer.written.extend(place.written),
            None => outer.push(place),
        }
    }
    outer
}

fn place(one: &Written, found: &Found, config: &Config) -> PathBuf {
    if let Some(shared) = config.shares(&one.path) {
        return shared;
    }
    let folders: Vec<&Path> = one.path.ancestors().skip(1).collect();
    // From the outermost on, without the release itself.
    let outer = folders.iter().rev().skip(1).copied();
    let app = config.source.folder.as_deref().unwrap_or(Path::new(""));
    let holds_app = |folder: &&Path| app.starts_with(folder);
    if let Some(new) = outer
        .clone()
        .find(|folder| !found.built.contains_key(*folder) || is_kept_empty(found, folder))
    {
        return new.to_owned();
    }
    let parent = folders
        .first()
        .copied()
        .filter(|parent| !parent.as_os_str().is_empty());
    match parent.filter(|parent| !holds_app(parent) && !holds_code(found, parent)) {
        Some(parent) => parent.to_owned(),
        None => one.path.clone(),
    }
}

/// What the build made below a folder.
fn below<'a>(found: &'a Found, folder: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Entry)> {
    found
        .built
        .iter()
        .filter(move |(path, _)| path.starts_with(folder) && *path != folder)
}

fn is_kept_empty(found: &Found, folder: &Path) -> bool {
    let mut placeholders = 0;
    let empty = below(found, folder).all(|(path, entry)| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is_one = PLACEHOLDERS.contains(&name);
        placeholders += usize::from(is_one);
        is_one || *entry == Entry::Folder
    });
    empty && placeholders > 0
}

fn holds_code(found: &Found, folder: &Path) -> bool {
    below(found, folder).any(|(path, _)| is_code(path))
}
