//! Which remote of a work tree is the one that is deployed from.

use std::fs;
use std::path::Path;

use model::password::without_password;

use crate::local_checkout::{LocalCheckout, LocalCheckoutError};

/// Where a work tree's commits go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Nowhere: the work tree itself is what is deployed from.
    Itself,
    /// A remote of this name.
    Named(String),
}

/// Commits of a branch that its remote did not have when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How many.
    pub commits: usize,
    /// The short hash of what it had.
    pub theirs: String,
}

impl LocalCheckout {
    /// The remote that `url` (`source.git`) means, if it is one of this work tree's.
    pub async fn remote_of(&self, url: &str) -> Option<Remote> {
        if self.is_itself(url).await {
            return Some(Remote::Itself);
        }
        let urls = self
            .maybe(&["config", "--get-regexp", r"^remote\..*\.url$"])
            .await?;
        let mut remotes = urls.lines().filter_map(|line| line.split_once(' '));
        let (key, _) = remotes.find(|(_, found)| plain(found) == plain(url))?;
        let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
        Some(Remote::Named(name.to_owned()))
    }

    /// The same; else the remote of the branch, else `origin`, else the only one there is: the
    /// host may know the repository by another address than this machine.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remote_for(&self, url: &str, branch: &str) -> Result<Remote, LocalCheckoutError> {
        if let Some(remote) = self.remote_of(url).await {
            return Ok(remote);
        }
        let all = self.maybe(&["remote"]).await.unwrap_or_default();
        let known: Vec<&str> = all.lines().collect();
        let set = self
            .maybe(&["config", "--get", &format!("branch.{branch}.remote")])
            .await;
        let chosen = set
            .as_deref()
            .into_iter()
            .chain(["origin"])
            .chain(known.first().copied().filter(|_| known.len() == 1))
            .find(|name| known.contains(name));
        chosen
            .map(|name| Remote::Named(name.to_owned()))
            .ok_or(LocalCheckoutError::NoRemote)
    }

    /// The address of a remote, for people.
    pub async fn address(&self, remote: &str) -> String {
        let url = self.maybe(&["remote", "get-url", "--push", remote]).await;
        without_password(&url.unwrap_or_default())
    }

    /// How far `branch` is ahead of what was last heard of `remote`; none where nothing was.
    pub async fn ahead(&self, remote: &str, branch: &str) -> Option<Ahead> {
        let theirs = format!("refs/remotes/{remote}/{branch}");
        let count = ["rev-list", "--count", &format!("{theirs}..refs/heads/{branch}")];
        let commits = self.maybe(&count).await?.parse().ok()?;
        let theirs = self.maybe(&["rev-parse", "--short", &theirs]).await?;
        Some(Ahead { commits, theirs })
    }

    async fn is_itself(&self, url: &str) -> bool {
        let Some(there) = real(Path::new(url.strip_prefix("file://").unwrap_or(url))) else {
            return false;
        };
        let common = self.maybe(&["rev-parse", "--git-common-dir"]).await;
        let common = common.and_then(|folder| real(&self.top().join(folder)));
        real(self.top()) == Some(there.clone()) || common == Some(there)
    }
}

fn real(path: &Path) -> Option<std::path::PathBuf> {
    path.is_absolute().then(|| fs::canonicalize(path).ok()).flatten()
}

/// An address without what may be written or left out.
fn plain(url: &str) -> &str {
    let url = url.strip_prefix("file://").unwrap_or(url).trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).trim_end_matches('/')
}
