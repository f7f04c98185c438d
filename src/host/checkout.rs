//! One immutable checkout of a commit, whole or not there at all.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::host::command::CommandError;
use crate::host::git::Git;
use crate::host::space::{self, Free};

/// A large repository on a slow disk.
const DEADLINE: Duration = Duration::from_secs(300);

/// Less is as good as nothing: git leaves the file that did not fit cut off.
const FULL: u64 = 64 << 10;

/// The checkout could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] CommandError),
    /// The disk ran full meanwhile.
    #[error("there is no room left in `{}` for a checkout: {free}", .path.display())]
    NoRoom {
        /// Where it was to lie.
        path: PathBuf,
        /// What was left when it failed.
        free: Free,
    },
    /// A link of the repository that leads out of the release: NGINX would serve what it
    /// names.
    #[error("`{}` in the repository is a link out of the release, to `{}`", .link.display(), .target.display())]
    Escapes {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A shared file that is not there.
    #[error("`{}` is named in `shared` and does not exist: create it", .0.display())]
    NotShared(PathBuf),
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the files of `sha` into the new folder `release`.
///
/// # Errors
/// When git fails or the repository has a link that leads out.
pub async fn export(git: &Git, sha: &str, release: &Path) -> Result<(), CheckoutError> {
    let name = release.file_name().unwrap_or_default().to_string_lossy();
    let partial = release.with_file_name(format!(".{name}.partial"));
    std::fs::remove_dir_all(&partial).ok();
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| CheckoutError::Io { what, path, source }
    };
    std::fs::create_dir_all(&partial).map_err(io("made", &partial))?;
    let index = partial.with_extension("index");
    let done = fill(git, sha, &partial, &index).await;
    std::fs::remove_file(&index).ok();
    if let Err(error) = done.and_then(|()| stays_inside(&partial, &partial)) {
        let error = no_room(&partial).unwrap_or(error);
        std::fs::remove_dir_all(&partial).ok();
        return Err(error);
    }
    std::fs::rename(&partial, release).map_err(io("put in place", release))
}

/// Git says which files it could not write, not why.
fn no_room(folder: &Path) -> Option<CheckoutError> {
    let free = space::free(folder).ok()?;
    let path = folder.parent()?.to_owned();
    (free.bytes < FULL).then_some(CheckoutError::NoRoom { path, free })
}

/// `read-tree` and `checkout-index` with an index of their own: everything that is in the
/// commit, nothing of git's, in a third of the time that `worktree add` takes.
async fn fill(git: &Git, sha: &str, into: &Path, index: &Path) -> Result<(), CheckoutError> {
    let command = || git.command().env("GIT_INDEX_FILE", index).deadline(DEADLINE);
    command()
        .args(["read-tree", "--end-of-options"])
        .arg(sha)
        .run()
        .await?;
    git.command()
        .env("GIT_INDEX_FILE", index)
        .arg("--work-tree")
        .arg(into)
        .args(["checkout-index", "--all", "--quiet"])
        .deadline(DEADLINE)
        .run()
        .await?;
    Ok(())
}

fn stays_inside(folder: &Path, top: &Path) -> Result<(), CheckoutError> {
    let read = |source| CheckoutError::Io {
        what: "read",
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            stays_inside(&entry.path(), top)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).map_err(read)?;
            if leads_out(&entry.path(), &target, top) {
                let link = entry.path().strip_prefix(top).unwrap_or(&entry.path()).to_owned();
                return Err(CheckoutError::Escapes { link, target });
            }
        }
    }
    Ok(())
}

fn leads_out(link: &Path, target: &Path, top: &Path) -> bool {
    if target.is_absolute() {
        return true;
    }
    let mut depth = link
        .strip_prefix(top)
        .map_or(0, |inside| inside.components().count())
        .saturating_sub(1);
    for part in target.components() {
        match part {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    false
}

/// Links what is shared between releases into one of them. What the repository has in
/// that place gives way. A folder that is missing is made; a file must be there.
///
/// # Errors
/// Names the file that must be created.
pub fn link_shared(shared: &[PathBuf], from: &Path, release: &Path) -> Result<(), CheckoutError> {
    for path in shared {
        let (source, link) = (from.join(path), release.join(path));
        if !source.exists() {
            let is_folder = path.to_string_lossy().ends_with('/') || path.extension().is_none();
            if !is_folder
                || path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with('.'))
            {
                return Err(CheckoutError::NotShared(source));
            }
            std::fs::create_dir_all(&source).map_err(|source_error| CheckoutError::Io {
                what: "made",
                path: source.clone(),
                source: source_error,
            })?;
        }
        replace(&source, &link).map_err(|source| CheckoutError::Io {
            what: "linked",
            path: link.clone(),
            source,
        })?;
    }
    Ok(())
}

fn replace(source: &Path, link: &Path) -> std::io::Result<()> {
    if let Some(parent) = link.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::symlink_metadata(link) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(link)?,
        Ok(_) => std::fs::remove_file(link)?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(source, link)
}
