//! Git LFS: files that lie on a server of their own, with a pointer to each in the repository.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sys::command::{Command, CommandError};
use sys::store::FileError;

use crate::checkout::error::{CheckoutError, Lacking, failed};
use crate::git::Git;

/// How a pointer begins (`docs/spec.md` of git-lfs).
const POINTER: &str = "version https://git-lfs.github.com/spec/v1";

/// The files that `.gitattributes` gives to Git LFS.
const TRACKED: &str = ":(attr:filter=lfs)";

/// Who makes files of pointers on this host.
enum Filter {
    /// git-lfs.
    Lfs,
    /// What the host's settings name instead.
    Other,
}

impl Filter {
    async fn of(git: &Git) -> Option<Filter> {
        let set = git.settings(r"^filter\.lfs\.(process|smudge)$").await;
        if set.iter().any(|command| !command.contains("git-lfs")) {
            return Some(Filter::Other);
        }
        // Settings outlive the program.
        let there = git.command().args(["lfs", "version"]).run().await;
        there.is_ok().then_some(Filter::Lfs)
    }
}

/// `git` for a checkout in which the content of `pointers` comes from `url`.
pub(super) async fn filtering(
    git: &Git,
    (url, source): (Option<&str>, Option<&str>),
    pointers: &[PathBuf],
    sha: &str,
) -> Result<Command, Lacking> {
    let filter = Filter::of(git).await.ok_or_else(|| Lacking {
        files: pointers.to_vec(),
        sha: sha.to_owned(),
        has_filter: false,
    })?;
    let command = git.fetching_files(url, source).await;
    let command = command.args(["-c", "filter.lfs.required=true"]);
    Ok(match filter {
        Filter::Other => command,
        // Whatever `git lfs install --skip-smudge`, or `.lfsconfig`, would have it leave out.
        Filter::Lfs => command
            .args(["-c", "filter.lfs.process=git-lfs filter-process"])
            .args(["-c", "filter.lfs.smudge=git-lfs smudge -- %f"])
            .args(["-c", "lfs.skipdownloaderrors=false"]),
    })
}

/// Fails where the commit `sha` has pointers, and this host no filter for them.
///
/// # Errors
/// Names them; or git fails.
pub async fn lacks_filter(git: &Git, sha: &str) -> Result<(), CheckoutError> {
    let temp = tempfile::tempdir().map_err(FileError::at("write into", &std::env::temp_dir()))?;
    let (index, folder) = (temp.path().join("index"), temp.path().join("tree"));
    fs::create_dir(&folder).map_err(FileError::at("create the folder", &folder))?;
    let place = CommitFolder {
        git,
        index: &index,
        folder: &folder,
    };
    let read = git.command().args(["read-tree", sha]);
    let read = read.env("GIT_INDEX_FILE", &index);
    read.run().await.map_err(|source| failed(sha, source))?;
    let pointers = place.pointers().await.map_err(|source| failed(sha, source))?;
    if !pointers.is_empty() && Filter::of(git).await.is_none() {
        return Err(CheckoutError::Pointers(Lacking {
            files: pointers,
            sha: sha.to_owned(),
            has_filter: false,
        }));
    }
    Ok(())
}

/// A commit in an index, and the folder for its files.
pub(super) struct CommitFolder<'a> {
    pub(super) git: &'a Git,
    pub(super) index: &'a Path,
    pub(super) folder: &'a Path,
}

impl CommitFolder<'_> {
    /// The files that are pointers in the commit.
    pub(super) async fn pointers(&self) -> Result<Vec<PathBuf>, CommandError> {
        let text = self.grep(&["-lz", "-e", &format!("^{POINTER}")]).await?;
        let names = text.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(PathBuf::from).collect())
    }

    async fn grep(&self, args: &[&str]) -> Result<String, CommandError> {
        let command = self
            .git
            .command()
            .arg("--work-tree")
            .arg(self.folder)
            .args(["grep", "--cached"])
            .args(args.iter().copied())
            .args(["--", TRACKED])
            .env("GIT_INDEX_FILE", self.index)
            .folder(self.folder);
        let output = command.finish().await?;
        match output.status.code() {
            // 1 says that there is none.
            Some(0 | 1) => Ok(output.stdout),
            _ => Err(CommandError::Failed {
                command: command.to_string(),
                status: output.status,
                output: output.stderr,
            }),
        }
    }

    /// Those of `pointers` that are in the folder as they are in the commit, which only an
    /// exclusion in `.lfsconfig` may bring about. What was fetched for other commits goes.
    pub(super) async fn left(&self, pointers: &[PathBuf], sha: &str) -> Result<Vec<PathBuf>, CheckoutError> {
        let is_pointer = |file: &&PathBuf| {
            let mut begins = [0; POINTER.len()];
            let read = File::open(self.folder.join(file)).and_then(|mut file| file.read_exact(&mut begins));
            read.is_ok() && begins == *POINTER.as_bytes()
        };
        let left: Vec<PathBuf> = pointers.iter().filter(is_pointer).cloned().collect();
        if !left.is_empty() && !matches!(Filter::of(self.git).await, Some(Filter::Lfs)) {
            return Err(CheckoutError::Pointers(Lacking {
                files: left,
                sha: sha.to_owned(),
                has_filter: true,
            }));
        }
        let wanted = self.grep(&["-ho", "-e", "^oid sha256:[0-9a-f]*"]).await;
        let wanted = wanted.map_err(|source| failed(sha, source))?;
        let wanted: BTreeSet<&str> = wanted
            .lines()
            .filter_map(|line| line.strip_prefix("oid sha256:"))
            .collect();
        forget_others(&self.git.lfs_objects(), &wanted);
        Ok(left)
    }
}

/// Removes the objects below `folder` that are not `wanted`: each is a file of its hash's name,
/// and comes again when it is needed.
fn forget_others(folder: &Path, wanted: &BTreeSet<&str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            forget_others(&path, wanted);
        } else if !entry
            .file_name()
            .to_str()
            .is_some_and(|name| wanted.contains(name))
        {
            fs::remove_file(&path).ok();
        }
    }
}
