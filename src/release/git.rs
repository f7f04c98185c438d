//! The bare mirror of an app's repository: brought up to date, and asked about commits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use model::path::plain;
use sys::command::{Command, CommandError};
use sys::store::FileError;

mod credentials;
mod fetch;
mod submodule;
mod tree;
mod uploaded;

pub use submodule::resolve;
pub use uploaded::UPLOADED;

/// How long git may take for a bundle that lies on this host.
const TAKE_WITHIN: Duration = Duration::from_secs(300);

/// No hook and no `ext::` transport of a foreign repository runs here; a fetch is flushed to
/// disk as one pack (loose objects are not flushed), and tidying up ends before the fetch
/// does, so that nothing works in the mirror once the lock is given back.
const HARDENING: &[&str] = &[
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "transfer.unpackLimit=1",
    "-c",
    "gc.autoDetach=false",
    "-c",
    "maintenance.autoDetach=false",
    "-c",
    "log.showSignature=false",
];

/// The mirror of one app.
#[derive(Clone, Debug)]
pub struct Git {
    mirror: PathBuf,
}

/// A commit, for people and for a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The whole hash.
    pub sha: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
}

/// The repository did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The remote could not be read.
    #[error("cannot fetch from `{url}`, try `git ls-remote {url}` as the user that deploys{}", indented(.said))]
    Unreachable {
        /// The remote, without its password.
        url: String,
        /// What git printed.
        said: String,
    },
    /// The remote did not answer in time.
    #[error("`{url}` was not fetched within {} s, the deadline is `timeouts.fetch`", .after.as_secs_f64())]
    TooSlow {
        /// The remote, without its password.
        url: String,
        /// The deadline.
        after: Duration,
    },
    /// There is no such commit.
    #[error("`{reference}` is not a branch, tag or commit of the repository{}", did_you_mean(.near))]
    Unknown {
        /// What was asked for.
        reference: String,
        /// Branches and tags of a similar name, the nearest first.
        near: Vec<String>,
    },
    /// There are several.
    #[error("`{reference}` is the beginning of several commits, write more of it")]
    Ambiguous {
        /// What was asked for.
        reference: String,
    },
    /// What a client was to bring is not there.
    #[error("the files of `{}` were not uploaded, or were deleted since", .sha.get(..7).unwrap_or(.sha))]
    NotBrought {
        /// Their commit.
        sha: String,
    },
    /// What a client brought is something else.
    #[error("the upload is not `{}`: its content has another hash", .sha.get(..7).unwrap_or(.sha))]
    Altered {
        /// The commit that was announced.
        sha: String,
    },
    /// A file of the mirror cannot be changed.
    #[error("cannot clean up after an earlier fetch")]
    Leftover(#[source] FileError),
    /// The mirror cannot be made, or not for its owner alone.
    #[error("cannot make a mirror that only its owner can read")]
    Closed(#[source] FileError),
    /// Git itself failed.
    #[error("cannot read the mirror `{}`", .mirror.display())]
    Mirror {
        /// The mirror.
        mirror: PathBuf,
        /// Why.
        #[source]
        source: CommandError,
    },
}

fn indented(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(6);
    lines
        .iter()
        .skip(skipped)
        .map(|line| format!("\n  {}", line.trim()))
        .collect()
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        return ", has it been pushed?".into();
    }
    let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    format!(", did you mean {}?", near.join(" or "))
}

impl Git {
    /// The mirror at `mirror`, which [`Git::fetch`] creates.
    #[must_use]
    pub fn new(mirror: impl Into<PathBuf>) -> Git {
        Git {
            mirror: mirror.into(),
        }
    }

    /// The commit that a branch, a tag, or a full or short hash means; a branch wins over a
    /// tag of the same name.
    ///
    /// # Errors
    /// When nothing or too much has that name, or the mirror cannot be read.
    pub async fn resolve(&self, reference: &str) -> Result<Commit, GitError> {
        let is_hash = (4..=64).contains(&reference.len()) && reference.chars().all(|c| c.is_ascii_hexdigit());
        let mut names = vec![
            format!("refs/heads/{reference}"),
            format!("refs/tags/{reference}"),
        ];
        if is_hash {
            names.push(reference.to_owned());
        }
        for name in names {
            if let Some(sha) = self.hash(&name).await? {
                return self.describe(&sha).await;
            }
        }
        if is_hash && self.begins_several(reference).await? {
            return Err(GitError::Ambiguous {
                reference: reference.to_owned(),
            });
        }
        Err(GitError::Unknown {
            reference: reference.to_owned(),
            near: nearest(reference, &self.branches_and_tags().await?),
        })
    }

    /// The first line of a commit's message.
    ///
    /// # Errors
    /// When the mirror cannot be read or lacks the commit.
    pub async fn subject(&self, sha: &str) -> Result<String, GitError> {
        Ok(self.describe(sha).await?.subject)
    }

    /// Whether `commit` is `earlier`, or has it in its history.
    ///
    /// # Errors
    /// When the mirror cannot be read or lacks one of them.
    pub async fn has(&self, commit: &str, earlier: &str) -> Result<bool, GitError> {
        let command =
            self.command()
                .args(["merge-base", "--is-ancestor", "--end-of-options", earlier, commit]);
        let output = command.finish().await.map_err(|source| self.broken(source))?;
        match output.status.code() {
            Some(code @ (0 | 1)) => Ok(code == 0),
            _ => Err(self.broken(CommandError::Failed {
                command: command.to_string(),
                status: output.status,
                output: output.stderr,
            })),
        }
    }

    /// The files that differ between two commits, from the repository's root on; one that was
    /// renamed counts under both names.
    ///
    /// # Errors
    /// When the mirror cannot be read or lacks one of them.
    pub async fn changed(&self, from: &str, to: &str) -> Result<Vec<String>, GitError> {
        let command = self.command().args([
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            "--end-of-options",
            from,
            to,
        ]);
        let text = self.expect(command).await?;
        Ok(text
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Those of `paths` that are in the commit `sha`, as [`plain`] has them.
    ///
    /// # Errors
    /// When the mirror cannot be read or lacks the commit.
    pub async fn holds(&self, sha: &str, paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>, GitError> {
        if paths.is_empty() {
            return Ok(BTreeSet::new());
        }
        let command = self
            .command()
            .args(["ls-tree", "-z", "--name-only", "--full-tree", sha, "--"])
            .args(paths.iter().map(|path| plain(path)));
        let text = self.expect(command).await?;
        Ok(text.split('\0').map(PathBuf::from).collect())
    }

    /// The messages of the commits that `to` has and `from` lacks, newest first; of `to` alone
    /// without `from`. Only those that match one of `patterns`, letters of either case alike.
    ///
    /// # Errors
    /// When the mirror cannot be read or lacks one of them.
    pub async fn messages(
        &self,
        from: Option<&str>,
        to: &str,
        patterns: &[&str],
    ) -> Result<Vec<String>, GitError> {
        let patterns = patterns.iter().map(|pattern| format!("--grep={pattern}"));
        let command = self
            .command()
            .args(["log", "--format=%B%x00", "--regexp-ignore-case"])
            .args(patterns);
        let command = match from {
            Some(from) => command.arg("--end-of-options").arg(format!("{from}..{to}")),
            None => command.args(["-1", "--no-walk", "--end-of-options", to]),
        };
        let text = self.expect(command).await?;
        let messages = text
            .split('\0')
            .map(str::trim)
            .filter(|message| !message.is_empty());
        Ok(messages.map(str::to_owned).collect())
    }

    /// `git` on the mirror, hardened, with no arguments yet.
    #[must_use]
    pub fn command(&self) -> Command {
        hardened().arg("--git-dir").arg(&self.mirror)
    }

    async fn hash(&self, name: &str) -> Result<Option<String>, GitError> {
        let command = self
            .command()
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(format!("{name}^{{commit}}"));
        let output = command.finish().await.map_err(|source| self.broken(source))?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout.trim().to_owned())),
            // rev-parse says 1 for a name it does not know, and 128 for anything worse.
            Some(1) => Ok(None),
            _ => Err(self.broken(CommandError::Failed {
                command: command.to_string(),
                status: output.status,
                output: output.stderr,
            })),
        }
    }

    async fn begins_several(&self, short: &str) -> Result<bool, GitError> {
        let command = self
            .command()
            .args(["rev-parse", &format!("--disambiguate={short}")]);
        let output = self.expect(command).await?;
        Ok(output.lines().count() > 1)
    }

    async fn describe(&self, sha: &str) -> Result<Commit, GitError> {
        let command = self
            .command()
            .args(["log", "-1", "--format=%H%n%an%n%s", "--end-of-options", sha]);
        let text = self.expect(command).await?;
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        let (sha, author, subject) = (next(), next(), next());
        Ok(Commit { sha, subject, author })
    }

    async fn branches_and_tags(&self) -> Result<Vec<String>, GitError> {
        let command = self
            .command()
            .args(["for-each-ref", "--format=%(refname:lstrip=2)"])
            .args(["refs/heads", "refs/tags"]);
        let text = self.expect(command).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    async fn expect(&self, command: Command) -> Result<String, GitError> {
        let output = command.run().await.map_err(|source| self.broken(source))?;
        Ok(output.stdout)
    }

    fn broken(&self, source: CommandError) -> GitError {
        GitError::Mirror {
            mirror: self.mirror.clone(),
            source,
        }
    }
}

/// In a folder that everybody may enter and that is no work tree: the settings of the one in
/// which this was typed are not in force, and who may not enter that is no hindrance.
pub(super) fn hardened() -> Command {
    Command::new("git")
        .args(HARDENING)
        .env("GIT_TERMINAL_PROMPT", "0")
        .folder("/")
}

/// Up to three names that `reference` may have meant: a third of its letters may differ.
fn nearest(reference: &str, names: &[String]) -> Vec<String> {
    let plain = reference.strip_prefix("origin/").unwrap_or(reference);
    let allowed = plain.chars().count().div_ceil(3);
    let mut near: Vec<(usize, &String)> = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(plain, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
