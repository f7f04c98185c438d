//! The work tree of whoever types: what it holds that is not committed or not pushed, and
//! how that gets to the remote. Their own settings, hooks and keys are in force here.

mod remote;
pub mod secrets;
mod send;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::command::{Command, CommandError, Output};

pub use remote::{Ahead, Remote};

/// Enough for a look at a repository, even on a slow disk.
const LOOK: Duration = Duration::from_secs(15);

/// Somebody's hooks may run their tests, and a large push takes its time.
const SEND: Duration = Duration::from_secs(600);

/// What git keeps while something is not finished, and what that is.
const UNFINISHED: [(&str, &str); 6] = [
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
];

/// A work tree.
#[derive(Clone, Debug)]
pub struct LocalCheckout {
    top: PathBuf,
    terminal: bool,
}

/// A file that differs from the last commit, as `git status --short` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Two letters: what is staged, what is not. `??` for a file that git does not know.
    pub code: String,
    /// Relative to the top of the work tree.
    pub path: PathBuf,
}

/// What stands against sending a work tree.
#[derive(Debug, thiserror::Error)]
pub enum LocalCheckoutError {
    /// There is none.
    #[error("`{}` is in no git work tree", .folder.display())]
    None {
        /// Where it was looked for.
        folder: PathBuf,
        /// What git says.
        #[source]
        source: CommandError,
    },
    /// A commit is checked out, not a branch.
    #[error("this work tree is on no branch, only on a commit")]
    Detached,
    /// Another branch is checked out.
    #[error("this work tree is on `{found}`, but `source.branch` is `{wanted}`")]
    OtherBranch {
        /// The one here.
        found: String,
        /// `source.branch`.
        wanted: String,
    },
    /// Something is half done.
    #[error("a {what} is unfinished in this work tree")]
    Unfinished {
        /// What.
        what: &'static str,
    },
    /// Files that two sides changed.
    #[error("not merged yet: {}", names(.files))]
    Conflicts {
        /// Their names.
        files: Vec<PathBuf>,
    },
    /// New files that look like secrets.
    #[error("the name looks like a secret: {}", names(.files))]
    Secrets {
        /// Their names.
        files: Vec<PathBuf>,
    },
    /// There is nowhere to push to.
    #[error("this work tree has no remote to push to")]
    NoRemote,
    /// Others have pushed meanwhile.
    #[error("`{remote}` has commits on `{branch}` that this work tree lacks")]
    Diverged {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
    },
    /// Git itself failed.
    #[error("git failed")]
    Git(#[from] CommandError),
}

fn names(files: &[PathBuf]) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
    files.join(", ")
}

impl LocalCheckout {
    /// The one that `folder` lies in. At a `terminal` git may ask there for what it needs.
    ///
    /// # Errors
    /// When there is none, or git refuses to look.
    pub async fn around(folder: &Path, terminal: bool) -> Result<LocalCheckout, LocalCheckoutError> {
        let here = LocalCheckout {
            top: folder.to_owned(),
            terminal,
        };
        let found = here.git(&["rev-parse", "--show-toplevel"]).run().await;
        let top = found.map_err(|source| LocalCheckoutError::None {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(LocalCheckout {
            top: top.stdout.trim_end_matches('\n').into(),
            terminal,
        })
    }

    /// Its folder.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// That `branch` is checked out and nothing is half done.
    ///
    /// # Errors
    /// What is not so.
    pub async fn is_on(&self, branch: &str) -> Result<(), LocalCheckoutError> {
        let git_dir = self.line(&["rev-parse", "--absolute-git-dir"]).await?;
        let git_dir = Path::new(&git_dir);
        // First, for a rebase detaches the head.
        if let Some((_, what)) = UNFINISHED.iter().find(|(file, _)| git_dir.join(file).exists()) {
            return Err(LocalCheckoutError::Unfinished { what });
        }
        match self.branch().await? {
            None => Err(LocalCheckoutError::Detached),
            Some(found) if found != branch => Err(LocalCheckoutError::OtherBranch {
                found,
                wanted: branch.to_owned(),
            }),
            Some(_) => Ok(()),
        }
    }

    /// The branch that is checked out; none where it is only a commit.
    ///
    /// # Errors
    /// When git fails.
    pub async fn branch(&self) -> Result<Option<String>, LocalCheckoutError> {
        let asked = self.git(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
        let output = asked.finish().await?;
        Ok(output.status.success().then(|| output.stdout.trim().to_owned()))
    }

    /// Everything that a commit of all would take, what is ignored left out.
    ///
    /// # Errors
    /// When git fails.
    pub async fn changes(&self) -> Result<Vec<Change>, LocalCheckoutError> {
        let words = ["status", "--porcelain=v1", "-z", "--untracked-files=all"];
        let output = self.git(&words).run().await?;
        let mut entries = output.stdout.split('\0').filter(|entry| !entry.is_empty());
        let mut changes = Vec::new();
        while let Some(entry) = entries.next() {
            let (code, path) = entry.split_at_checked(3).unwrap_or((entry, ""));
            if code.starts_with(['R', 'C']) {
                // The old name follows.
                entries.next();
            }
            changes.push(Change {
                code: code.trim_end_matches(' ').to_owned(),
                path: path.into(),
            });
        }
        Ok(changes)
    }

    /// The full hash of the commit that is checked out.
    ///
    /// # Errors
    /// When there is none yet.
    pub async fn head(&self) -> Result<String, LocalCheckoutError> {
        self.line(&["rev-parse", "--verify", "HEAD^{commit}"]).await
    }

    async fn line(&self, words: &[&str]) -> Result<String, LocalCheckoutError> {
        let output = self.git(words).run().await?;
        Ok(output.stdout.trim().to_owned())
    }

    /// The answer; none when git has none.
    async fn maybe(&self, words: &[&str]) -> Option<String> {
        let output: Output = self.git(words).run().await.ok()?;
        let line = output.stdout.trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    fn git(&self, words: &[&str]) -> Command {
        // Under sudo git would trust whoever called it, and run their hooks as root.
        let whole = std::env::vars_os().filter(|(name, _)| name != "SUDO_UID");
        let git = whole.fold(Command::new("git"), |git, (name, value)| git.env(name, value));
        // `status` would write the index on the way, in the middle of somebody's own git.
        let git = git.env("GIT_OPTIONAL_LOCKS", "0");
        let git = match self.terminal {
            true => git,
            false => git.env("GIT_TERMINAL_PROMPT", "0"),
        };
        git.args(words).folder(&self.top).deadline(LOOK)
    }
}

/// Those of `changes` that two sides made.
///
/// # Errors
/// Names them.
pub fn no_conflicts(changes: &[Change]) -> Result<(), LocalCheckoutError> {
    let both = |change: &&Change| change.code.contains('U') || ["AA", "DD"].contains(&change.code.as_str());
    let files: Vec<PathBuf> = changes
        .iter()
        .filter(both)
        .map(|change| change.path.clone())
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    Err(LocalCheckoutError::Conflicts { files })
}

/// That nothing new looks like a secret. What was staged by hand is taken as meant.
///
/// # Errors
/// Names them.
pub fn no_secrets(changes: &[Change]) -> Result<(), LocalCheckoutError> {
    let files: Vec<PathBuf> = changes
        .iter()
        .filter(|change| change.code == "??" && secrets::looks_secret(&change.path))
        .map(|change| change.path.clone())
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    Err(LocalCheckoutError::Secrets { files })
}
