//! The files of a commit, without a checkout.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::git::{Git, GitError};

impl Git {
    /// The repository at `path` on this host, with a work tree or bare; `None` where `path` is an
    /// address of another kind, or another user's: git obeys the settings of what it reads.
    #[must_use]
    pub fn at(path: &str) -> Option<Git> {
        let path = Path::new(path.strip_prefix("file://").unwrap_or(path));
        let inside = path.join(".git");
        let folder = if inside.is_dir() { inside } else { path.to_owned() };
        let about = std::fs::metadata(&folder).ok()?;
        let is_ours = about.is_dir() && about.uid() == Uid::effective().as_raw();
        (path.is_absolute() && is_ours).then(|| Git::new(folder))
    }

    /// The files of the commit `sha` below `folder`, relative to it; a submodule counts as one.
    ///
    /// # Errors
    /// When there is no such folder in it, or the repository cannot be read.
    pub async fn files(&self, sha: &str, folder: &Path) -> Result<BTreeSet<PathBuf>, GitError> {
        let tree = format!("{sha}:{}", folder.display());
        let list = self
            .command()
            .args(["ls-tree", "-r", "-z", "--name-only", "--full-tree"]);
        let text = self.expect(list.arg(tree)).await?;
        let names = text.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(PathBuf::from).collect())
    }

    /// What the file at `path` of the commit `sha` says.
    ///
    /// # Errors
    /// When there is none, or the repository cannot be read.
    pub async fn text(&self, sha: &str, path: &Path) -> Result<String, GitError> {
        let name = format!("{sha}:{}", path.display());
        self.expect(self.command().args(["cat-file", "blob"]).arg(name))
            .await
    }
}
