//! A git work tree on the server that is pulled into: where it stands, and what is not in git.
//! Asked with the rights of its owner: a repository's own settings name programs to run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Uid, User};
use sha2::{Digest, Sha256};
use sys::command::{Command, CommandError, Output};

/// Enough for a status of a large tree on a slow disk.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where a work tree stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The commit that is checked out.
    pub commit: String,
    /// Its first line.
    pub subject: String,
    /// A hash of what differs from it.
    pub changes: String,
}

/// A work tree that belongs to one user.
#[derive(Clone, Debug)]
pub struct AdoptedCheckout {
    /// Its top folder.
    pub top: PathBuf,
    owner: Option<User>,
}

impl AdoptedCheckout {
    /// The work tree that `folder` lies in; `None` when there is none.
    pub async fn around(folder: &Path, owner: Option<&User>) -> Option<AdoptedCheckout> {
        let top = line(&["rev-parse", "--show-toplevel"], folder, owner).await?;
        Some(AdoptedCheckout {
            top: top.into(),
            owner: owner.cloned(),
        })
    }

    /// Where it stands.
    pub async fn state(&self) -> Option<State> {
        state(&self.top, self.owner.as_ref()).await
    }

    /// The URL of its `origin`.
    pub async fn origin(&self) -> Option<String> {
        self.line(&["remote", "get-url", "origin"]).await
    }

    /// The branch that is checked out.
    pub async fn branch(&self) -> Option<String> {
        self.line(&["symbolic-ref", "--short", "HEAD"]).await
    }

    /// Whether git has a file at `path` or below it.
    pub async fn has(&self, path: &Path) -> bool {
        let mut args: Vec<OsString> = ["ls-files", "-z", "--"].map(OsString::from).to_vec();
        args.push(path.into());
        let output = git(args, &self.top, self.owner.as_ref()).await;
        output.is_ok_and(|output| !output.stdout.is_empty())
    }

    /// What git does not have, ignored or not, relative to the top; folders as a whole.
    pub async fn strangers(&self) -> Vec<PathBuf> {
        let args = [
            "status",
            "--porcelain",
            "-z",
            "--ignored",
            "--untracked-files=normal",
        ];
        let output = git(args, &self.top, self.owner.as_ref()).await;
        let text = output.map_or_else(|_| String::new(), |output| output.stdout);
        let of = |entry: &str| {
            entry
                .strip_prefix("?? ")
                .or(entry.strip_prefix("!! "))
                .map(PathBuf::from)
        };
        text.split('\0').filter_map(of).collect()
    }

    async fn line(&self, args: &[&str]) -> Option<String> {
        line(args, &self.top, self.owner.as_ref()).await
    }
}

/// Where the work tree at `top` stands, asked as `owner`, or as this user.
pub async fn state(top: &Path, owner: Option<&User>) -> Option<State> {
    let commit = line(&["rev-parse", "HEAD"], top, owner).await?;
    let subject = line(&["log", "-1", "--format=%s"], top, owner)
        .await
        .unwrap_or_default();
    let status = git(
        ["status", "--porcelain", "-z", "--untracked-files=no"],
        top,
        owner,
    )
    .await
    .ok()?;
    let diff = git(["diff", "HEAD", "--no-ext-diff", "--no-textconv"], top, owner)
        .await
        .ok()?;
    let mut hash = Sha256::new();
    hash.update(status.stdout.as_bytes());
    hash.update(diff.stdout.as_bytes());
    let changes = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(State {
        commit,
        subject,
        changes,
    })
}

async fn line(args: &[&str], folder: &Path, owner: Option<&User>) -> Option<String> {
    let output = git(args.iter().copied(), folder, owner).await.ok()?;
    let line = output.stdout.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

async fn git<A: Into<OsString>>(
    args: impl IntoIterator<Item = A>,
    folder: &Path,
    owner: Option<&User>,
) -> Result<Output, CommandError> {
    let mut command = Command::new("git")
        // Looking must leave the index as it is.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(args)
        .folder(folder)
        .deadline(DEADLINE);
    if let Some(owner) = owner.filter(|owner| Uid::effective().is_root() && !owner.uid.is_root()) {
        command = command.by(owner);
    }
    command.run().await
}
