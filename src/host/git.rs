//! The bare mirror of an app's repository, through the system's git.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::command::{Command, CommandError};

/// How close a name must be to be offered: `mian` for `main`, not `dev` for `main`.
const NEAR: f64 = 0.75;

/// A bare mirror.
#[derive(Clone, Debug)]
pub struct Git {
    mirror: PathBuf,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The full name.
    pub sha: String,
    /// The first line of its message.
    pub subject: String,
}

/// Git did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No such branch, tag or commit.
    #[error("there is no branch, tag or commit `{reference}`{}", did_you_mean(.near))]
    Unknown {
        /// What was asked for.
        reference: String,
        /// The nearest name there is.
        near: Option<String>,
    },
    /// A name that git would take for an option, or that no ref can have.
    #[error("`{0}` cannot be the name of a branch, tag or commit")]
    Name(String),
    /// The mirror cannot be made.
    #[error("the mirror `{}` cannot be made", .path.display())]
    Mirror {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

fn did_you_mean(near: &Option<String>) -> String {
    near.as_ref()
        .map_or(String::new(), |near| format!(": did you mean `{near}`?"))
}

impl Git {
    /// The mirror in `mirror`, made by the first fetch.
    #[must_use]
    pub fn new(mirror: impl Into<PathBuf>) -> Git {
        Git {
            mirror: mirror.into(),
        }
    }

    /// A git command on this mirror: it asks nothing, runs no hook, and reads no remote
    /// helper that could run a command.
    pub(super) fn command(&self) -> Command {
        hardened().arg("--git-dir").arg(&self.mirror)
    }

    /// Brings all branches and tags of `url`, only what is new of them.
    ///
    /// # Errors
    /// When the mirror cannot be made or the repository not be read.
    pub async fn fetch(&self, url: &str, deadline: Duration) -> Result<(), GitError> {
        if !self.mirror.join("HEAD").exists() {
            std::fs::create_dir_all(&self.mirror).map_err(|source| GitError::Mirror {
                path: self.mirror.clone(),
                source,
            })?;
            hardened()
                .args(["init", "--quiet", "--bare"])
                .arg(&self.mirror)
                .run()
                .await?;
        }
        self.clear_stale_locks();
        self.command()
            .args([
                "fetch",
                "--quiet",
                "--prune",
                "--no-auto-maintenance",
                "--no-write-fetch-head",
                "--end-of-options",
            ])
            .arg(url)
            .args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
            .deadline(deadline)
            .run()
            .await?;
        Ok(())
    }

    /// A fetch that was killed leaves locks behind that would stop every later one. The
    /// app's own lock is held here, so nobody is at work.
    fn clear_stale_locks(&self) {
        let mut folders = vec![self.mirror.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && !path.ends_with("objects") {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "lock") {
                    std::fs::remove_file(path).ok();
                }
            }
        }
    }

    /// Finds a branch, tag or commit.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub async fn resolve(&self, reference: &str) -> Result<Commit, GitError> {
        if reference.is_empty()
            || reference.starts_with('-')
            || reference.contains(|c: char| c.is_control() || c == ' ')
        {
            return Err(GitError::Name(reference.to_owned()));
        }
        let found = self
            .command()
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(format!("{reference}^{{commit}}"))
            .finish()
            .await?;
        if !found.status.success() {
            let near = self.nearest(reference).await?;
            return Err(GitError::Unknown {
                reference: reference.to_owned(),
                near,
            });
        }
        let sha = found.stdout.trim().to_owned();
        let shown = self
            .command()
            .args(["log", "-1", "--format=%s", "--end-of-options"])
            .arg(&sha)
            .run()
            .await?;
        Ok(Commit {
            sha,
            subject: shown.stdout.trim().to_owned(),
        })
    }

    async fn nearest(&self, reference: &str) -> Result<Option<String>, GitError> {
        let names = self
            .command()
            .args([
                "for-each-ref",
                "--format=%(refname:short)",
                "refs/heads",
                "refs/tags",
            ])
            .run()
            .await?;
        let near = names
            .stdout
            .lines()
            .map(|name| (strsim::jaro_winkler(name, reference), name))
            .filter(|(near, _)| *near > NEAR)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        Ok(near.map(|(_, name)| name.to_owned()))
    }

    /// Whether `url` can be read by this user.
    ///
    /// # Errors
    /// Git's own words when it cannot.
    pub async fn reachable(url: &str, deadline: Duration) -> Result<(), GitError> {
        hardened()
            .args(["ls-remote", "--quiet", "--exit-code", "--end-of-options"])
            .arg(url)
            .arg("HEAD")
            .deadline(deadline)
            .run()
            .await?;
        Ok(())
    }

    /// The mirror's folder.
    #[must_use]
    pub fn mirror(&self) -> &Path {
        &self.mirror
    }
}

fn hardened() -> Command {
    let ssh = std::env::var("GIT_SSH_COMMAND").unwrap_or_else(|_| "ssh -oBatchMode=yes".to_owned());
    Command::new("git")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSH_COMMAND", ssh)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never"])
}
