//! A commit becomes a release folder: whole, or not there at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::config::Source;
use model::path::plain;
use sys::store::{self, FileError};
use sys::{capacity, fault};

use crate::checkout::links::Escape;
use crate::git::Git;

mod error;
mod lfs;
pub mod links;
mod part;
mod submodules;

use error::failed;
pub use error::{CheckoutError, Lacking};
use part::{Part, Whole};

/// Less is as good as nothing: git leaves the file that did not fit cut off.
const FULL: u64 = 64 << 10;

/// Folders that are being filled end in this.
pub const PARTIAL: &str = ".partial";

/// A release folder as it came out of the repository.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Folders that would hold a submodule and are empty, where submodules are not fetched.
    pub submodules: Vec<PathBuf>,
    /// Pointers of Git LFS that stay so, as the repository excludes what they stand for.
    pub excluded: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// Writes the files of the commit `sha` to the folder `into`, which must not exist: they are
/// collected beside it, flushed to disk, and renamed. `source` is where the repository comes
/// from, and what of it is wanted.
///
/// # Errors
/// When git or the disk fails, the app's folder, a submodule or a file of Git LFS is missing, or
/// a link points out of the release; `into` does not exist then.
pub async fn export(
    git: &Git,
    sha: &str,
    source: &Source,
    into: &Path,
    deadline: Duration,
) -> Result<Exported, CheckoutError> {
    let started = Instant::now();
    let name = into.file_name().unwrap_or_default().to_string_lossy();
    let partial = into.with_file_name(format!(".{name}{PARTIAL}"));
    store::remove_tree(&partial)?;
    let filled = fill(git, sha, source, &partial, deadline).await;
    let left = match filled {
        Ok(left) => left,
        Err(error) => {
            let error = no_room(&partial).unwrap_or(error);
            store::remove_tree(&partial).ok();
            return Err(error);
        }
    };
    fault::file("finish", into)
        .and_then(|()| fs::rename(partial.join("tree"), into))
        .map_err(FileError::at("create the release", into))?;
    store::flush_folder(into.parent().unwrap_or(Path::new("/")))?;
    store::remove_tree(&partial)?;
    Ok(Exported {
        submodules: left.submodules,
        excluded: left.excluded,
        took: started.elapsed(),
    })
}

/// Fails where [`export`] would for want of the app's folder, or of a filter for files of Git LFS.
///
/// # Errors
/// As there.
pub async fn can_be_exported(git: &Git, sha: &str, source: &Source) -> Result<(), CheckoutError> {
    let held = git.holds(sha, source.folder.as_slice()).await;
    let held = held.map_err(|error| CheckoutError::Unread {
        sha: sha.to_owned(),
        source: error,
    })?;
    // It may be a submodule's.
    let is_missing = |folder: &&PathBuf| !held.contains(&plain(folder)) && !source.submodules;
    if let Some(folder) = source.folder.as_ref().filter(is_missing) {
        return Err(CheckoutError::NoFolder {
            folder: folder.clone(),
            sha: sha.to_owned(),
        });
    }
    lfs::lacks_filter(git, sha).await
}

/// Git says which files it could not write, not why.
fn no_room(folder: &Path) -> Option<CheckoutError> {
    let room = capacity::disk_space(folder).ok()?;
    let path = folder.parent()?.to_owned();
    (room.bytes < FULL).then_some(CheckoutError::NoRoom { path, room })
}

async fn fill(
    git: &Git,
    sha: &str,
    source: &Source,
    partial: &Path,
    deadline: Duration,
) -> Result<Left, CheckoutError> {
    let tree = partial.join("tree");
    let whole = Whole {
        source,
        tree: &tree,
        index: partial.join("index"),
        deadline,
    };
    let top = Part {
        git: git.clone(),
        url: source.git.clone(),
        sha: sha.to_owned(),
        below: PathBuf::new(),
    };
    fs::create_dir_all(&tree).map_err(FileError::at("create the folder", &tree))?;
    let mut left = Left::default();
    whole.write(top, &mut left).await?;
    if let Some(folder) = source
        .folder
        .as_ref()
        .filter(|folder| !tree.join(folder).is_dir())
    {
        return Err(CheckoutError::NoFolder {
            folder: folder.to_owned(),
            sha: sha.to_owned(),
        });
    }
    refuse_escapes(&tree, sha)?;
    store::flush_all(&tree).await?;
    Ok(left)
}

/// What of a commit is not in the release.
#[derive(Default)]
struct Left {
    submodules: Vec<PathBuf>,
    excluded: Vec<PathBuf>,
}

impl Whole<'_> {
    /// Writes the files of a repository, and of those within it.
    async fn write(&self, part: Part, left: &mut Left) -> Result<(), CheckoutError> {
        let mut parts = vec![part];
        while let Some(part) = parts.pop() {
            self.check_out(&part, left).await?;
            if !self.tree.join(&part.below).join(".gitmodules").exists() {
                continue;
            }
            let failed = |source| failed(&part.sha, source);
            for submodule in submodules::of(&part.git, &part.sha).await.map_err(failed)? {
                match self.source.submodules {
                    true => parts.push(submodule.fetch(self, &part).await?),
                    false => left.submodules.push(part.below.join(submodule.path)),
                }
            }
        }
        Ok(())
    }

    async fn check_out(&self, part: &Part, left: &mut Left) -> Result<(), CheckoutError> {
        let Part { git, sha, .. } = part;
        let folder = self.tree.join(&part.below);
        let failed = |source| failed(sha, source);
        let place = lfs::CommitFolder {
            git,
            index: &self.index,
            folder: &folder,
        };
        let read = git.command().args(["read-tree", sha]);
        let read = read.env("GIT_INDEX_FILE", &self.index).deadline(self.deadline);
        read.run().await.map_err(failed)?;
        let pointers = place.pointers().await.map_err(failed)?;
        let command = match pointers.is_empty() {
            true => git.command(),
            false => {
                let url = (part.url.as_deref(), self.source.git.as_deref());
                lfs::filtering(git, url, &pointers, sha).await?
            }
        };
        // Unlike `checkout-index` this has a filter fetch many files at a time.
        let write = command
            .arg("--work-tree")
            .arg(&folder)
            .args(["read-tree", "--no-sparse-checkout", "--no-recurse-submodules"])
            .args(["--reset", "-u", sha])
            .env("GIT_INDEX_FILE", &self.index)
            .deadline(self.deadline)
            .folder(&folder);
        let written = write.run().await;
        written.map_err(|source| match pointers.is_empty() {
            true => failed(source),
            false => CheckoutError::NotFiltered {
                sha: sha.clone(),
                source,
            },
        })?;
        if !pointers.is_empty() {
            let excluded = place.left(&pointers, sha).await?;
            let below = excluded.into_iter().map(|file| part.below.join(file));
            left.excluded.extend(below);
        }
        Ok(())
    }
}

fn refuse_escapes(tree: &Path, sha: &str) -> Result<(), CheckoutError> {
    let mut links = BTreeMap::new();
    collect_links(tree, Path::new(""), &mut links)?;
    match links::first_escape(&links) {
        Some(Escape { link, target }) => Err(CheckoutError::Escapes {
            link,
            target,
            sha: sha.to_owned(),
        }),
        None => Ok(()),
    }
}

fn collect_links(tree: &Path, below: &Path, links: &mut BTreeMap<PathBuf, PathBuf>) -> Result<(), FileError> {
    let folder = tree.join(below);
    for entry in fs::read_dir(&folder).map_err(FileError::at("read", &folder))? {
        let entry = entry.map_err(FileError::at("read", &folder))?;
        let kind = entry.file_type().map_err(FileError::at("read", &entry.path()))?;
        let name = below.join(entry.file_name());
        if kind.is_dir() {
            collect_links(tree, &name, links)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(FileError::at("read", &entry.path()))?;
            links.insert(name, target);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
