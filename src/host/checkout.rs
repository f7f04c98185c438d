//! A commit becomes a release folder: whole, or not there at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::checkout::links::Escape;
use crate::host::command::CommandError;
use crate::host::fault;
use crate::host::git::Git;
use crate::host::space::{self, Room};
use crate::host::store::{self, FileError};

pub mod links;

/// Less is as good as nothing: git leaves the file that did not fit cut off.
const FULL: u64 = 64 << 10;

/// Folders that are being filled end in this.
pub const PARTIAL: &str = ".partial";

/// A release folder as it came out of the repository.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Folders that would hold a submodule and are empty: submodules are not fetched.
    pub submodules: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// A commit that does not become a release.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Git cannot write the files.
    #[error("cannot check out `{sha}`")]
    Git {
        /// The commit.
        sha: String,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// The app is not where the configuration says.
    #[error("there is no folder `{}` in commit `{sha}`, see `source.folder`", .folder.display())]
    NoFolder {
        /// The value of `source.folder`.
        folder: PathBuf,
        /// The commit.
        sha: String,
    },
    /// NGINX follows links in folders that it serves, so none may leave the release.
    #[error(
        "the link `{}` in commit `{sha}` points out of the release, to `{}`; \
         name it in `shared` or remove it from the repository",
        .link.display(), .target.display()
    )]
    Escapes {
        /// The link, relative to the repository.
        link: PathBuf,
        /// Its target.
        target: PathBuf,
        /// The commit.
        sha: String,
    },
    /// The disk ran full meanwhile.
    #[error("there is no room left in `{}` for a checkout: {room}", .path.display())]
    NoRoom {
        /// Where it was to lie.
        path: PathBuf,
        /// What was left when it failed.
        room: Room,
    },
    /// A file or folder cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes the files of the commit `sha` to the folder `into`, which must not exist: they are
/// collected beside it, flushed to disk, and renamed. `folder` is where the app lives in it.
///
/// # Errors
/// When git or the disk fails, `folder` is missing, or a link points out of the release;
/// `into` does not exist then.
pub async fn export(
    git: &Git,
    sha: &str,
    folder: Option<&Path>,
    into: &Path,
    deadline: Duration,
) -> Result<Exported, CheckoutError> {
    let started = Instant::now();
    let name = into.file_name().unwrap_or_default().to_string_lossy();
    let partial = into.with_file_name(format!(".{name}{PARTIAL}"));
    store::remove_tree(&partial)?;
    let filled = fill(git, sha, folder, &partial, deadline).await;
    let submodules = match filled {
        Ok(submodules) => submodules,
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
        submodules,
        took: started.elapsed(),
    })
}

/// Git says which files it could not write, not why.
fn no_room(folder: &Path) -> Option<CheckoutError> {
    let room = space::room(folder).ok()?;
    let path = folder.parent()?.to_owned();
    (room.bytes < FULL).then_some(CheckoutError::NoRoom { path, room })
}

async fn fill(
    git: &Git,
    sha: &str,
    folder: Option<&Path>,
    partial: &Path,
    deadline: Duration,
) -> Result<Vec<PathBuf>, CheckoutError> {
    let (tree, index) = (partial.join("tree"), partial.join("index"));
    fs::create_dir_all(&tree).map_err(FileError::at("create the folder", &tree))?;
    let failed = |source| CheckoutError::Git {
        sha: sha.to_owned(),
        source,
    };
    let read = git.command().args(["read-tree", sha]);
    let write = git
        .command()
        .arg("--work-tree")
        .arg(&tree)
        .args(["checkout-index", "--all"])
        .folder(&tree);
    for command in [read, write] {
        let command = command.env("GIT_INDEX_FILE", &index).deadline(deadline);
        command.run().await.map_err(failed)?;
    }
    if let Some(folder) = folder.filter(|folder| !tree.join(folder).is_dir()) {
        return Err(CheckoutError::NoFolder {
            folder: folder.to_owned(),
            sha: sha.to_owned(),
        });
    }
    refuse_escapes(&tree, sha)?;
    let submodules = if tree.join(".gitmodules").exists() {
        submodules(git, sha).await.map_err(failed)?
    } else {
        Vec::new()
    };
    store::flush_all(&tree).await?;
    Ok(submodules)
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

async fn submodules(git: &Git, sha: &str) -> Result<Vec<PathBuf>, CommandError> {
    let command = git.command().args(["ls-tree", "-r", "-z", "--full-tree", sha]);
    let output = command.run().await?;
    let entries = output.stdout.split('\0');
    // An entry is `<mode> <type> <hash>\t<path>`; a submodule is a commit in the tree.
    Ok(entries
        .filter_map(|entry| entry.split_once('\t'))
        .filter(|(about, _)| about.split(' ').nth(1) == Some("commit"))
        .map(|(_, path)| PathBuf::from(path))
        .collect())
}

#[cfg(test)]
mod tests;
