//! Why a commit does not become a release.

use std::path::PathBuf;

use sys::capacity::DiskSpace;
use sys::command::CommandError;
use sys::store::FileError;

use crate::git::GitError;

/// So many names are told.
const TOLD: usize = 5;

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
    /// The commit cannot be looked into.
    #[error("cannot look into `{sha}`")]
    Unread {
        /// The commit.
        sha: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// Files of Git LFS, whose content is not there.
    #[error(transparent)]
    Pointers(#[from] Lacking),
    /// What pointers of Git LFS stand for is not to be had.
    #[error("cannot fetch the files of Git LFS in `{sha}`")]
    NotFiltered {
        /// The commit.
        sha: String,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// Nothing says where a submodule comes from, or it must not come from there.
    #[error("the submodule `{}` {why}", .path.display())]
    Submodule {
        /// Its folder.
        path: PathBuf,
        /// What stands against it.
        why: String,
    },
    /// A submodule's repository is not to be had.
    #[error("the submodule `{}` cannot be fetched", .path.display())]
    NotFetched {
        /// Its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
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
        room: DiskSpace,
    },
    /// A file or folder cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

pub(super) fn failed(sha: &str, source: CommandError) -> CheckoutError {
    CheckoutError::Git {
        sha: sha.to_owned(),
        source,
    }
}

/// Files whose content would not be in a release.
#[derive(Debug, thiserror::Error)]
#[error("{} in commit `{}`: {}", names(.files), .sha.get(..7).unwrap_or(.sha), match .has_filter {
    true => "pointers of Git LFS, and this host's filter for them left them as they are",
    false => "pointers of Git LFS, and git-lfs is not installed on this host",
})]
pub struct Lacking {
    /// Their names.
    pub(super) files: Vec<PathBuf>,
    /// The commit.
    pub(super) sha: String,
    /// Whether the host has a filter.
    pub has_filter: bool,
}

fn names(files: &[PathBuf]) -> String {
    let told: Vec<String> = files
        .iter()
        .take(TOLD)
        .map(|file| format!("`{}`", file.display()))
        .collect();
    match files.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
