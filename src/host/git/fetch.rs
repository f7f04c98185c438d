//! Bringing the mirror up to date, the only part of git that leaves the host.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::host::command::{Command, CommandError};
use crate::host::git::{Git, GitError, hardened};
use crate::host::store::FileError;

/// Variables by which a host reaches the outside; ssh's own are handled apart.
const PASSED_ON: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
];

impl Git {
    /// Brings all branches and tags to what `url` has now, and drops those it no longer has.
    /// The caller holds the app's lock: what looks like another git at work in the mirror is
    /// taken for what a killed one left behind.
    ///
    /// # Errors
    /// When the remote cannot be read or is too slow, or the mirror cannot be written.
    pub async fn fetch(&self, url: &str, deadline: Duration) -> Result<(), GitError> {
        self.create().await?;
        let fetch = self
            .command()
            .args(["fetch", "--quiet", "--prune", "--no-recurse-submodules"])
            .args(["--end-of-options", url])
            .args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
            .deadline(deadline);
        self.reach(fetch, url).await
    }

    async fn reach(&self, command: Command, url: &str) -> Result<(), GitError> {
        match self.reaching_out(command).await.run().await {
            Ok(_) => Ok(()),
            Err(CommandError::TimedOut { after, .. }) => Err(GitError::TooSlow {
                url: without_password(url),
                after,
            }),
            Err(CommandError::Failed { output, .. }) => Err(GitError::Unreachable {
                url: without_password(url),
                said: without_password(&output),
            }),
            Err(source) => Err(self.broken(source)),
        }
    }

    /// Whether `url` can be read by this user.
    ///
    /// # Errors
    /// Git's own words when it cannot, or that it takes too long.
    pub async fn reachable(&self, url: &str, deadline: Duration) -> Result<(), GitError> {
        let ask = hardened()
            .args(["ls-remote", "--quiet", "--end-of-options", url, "HEAD"])
            .deadline(deadline);
        self.reach(ask, url).await
    }

    /// What a fetch needs from its surroundings. ssh must never ask; a command of the user's
    /// own, in the environment or in git's settings, is taken as it is.
    async fn reaching_out(&self, mut command: Command) -> Command {
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command = command.env(*name, value);
            }
        }
        for name in ["GIT_SSH_COMMAND", "GIT_SSH"] {
            if let Some(value) = std::env::var_os(name) {
                return command.env(name, value);
            }
        }
        let set = self.command().args(["config", "--get", "core.sshCommand"]);
        if set.run().await.is_ok() {
            return command;
        }
        command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    }
}

/// Removes the lock files and half-received packs of a killed fetch. No ref can end in
/// `.lock`, so nothing else has such a name.
pub(super) fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_leftovers(&path)?;
        } else if name.ends_with(".lock") || name.starts_with("tmp_pack_") || name.starts_with("tmp_idx_") {
            fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
        }
    }
    Ok(())
}

/// The text with `***` for what stands before the `@` of an HTTP address, or holds a
/// password: the address may carry a token, and git repeats it in its messages.
pub fn without_password(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after
            .find(|c: char| c == '/' || c == '\'' || c.is_whitespace())
            .unwrap_or(after.len());
        let (authority, later) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host))
                if before.ends_with("http") || before.ends_with("https") || user.contains(':') =>
            {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        rest = later;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_repeated() {
        for (text, shown) in [
            (
                "fatal: 'https://token@host/a.git/' not found",
                "fatal: 'https://***@host/a.git/' not found",
            ),
            ("ssh://git@host/a.git", "ssh://git@host/a.git"),
            (
                "ssh://me:secret@host/a and http://u:p@h",
                "ssh://***@host/a and http://***@h",
            ),
            ("git@host:a.git", "git@host:a.git"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
