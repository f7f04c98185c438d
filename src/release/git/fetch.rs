//! Bringing the mirror up to date, the only part of git that leaves the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::password::without_password;
use sys::command::{Command, CommandError, acts_for_somebody};
use sys::store::FileError;

use crate::git::credentials::Address;
use crate::git::{Git, GitError, hardened};

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

/// Where a user has settings of their own elsewhere than in the home; those of whoever root was
/// before are nobody else's.
const SETTINGS: &str = "GIT_CONFIG_GLOBAL";

impl Git {
    /// Brings all branches and tags to what `url` has now, and drops those it no longer has.
    /// The caller holds the app's lock: what looks like another git at work in the mirror is
    /// taken for what a killed one left behind.
    ///
    /// # Errors
    /// When the remote cannot be read or is too slow, or the mirror cannot be written.
    pub async fn fetch(&self, url: &str, deadline: Duration) -> Result<(), GitError> {
        self.create().await?;
        let address = Address::parse(url);
        let fetch = self
            .command()
            .args(["fetch", "--quiet", "--prune", "--no-recurse-submodules"])
            .args(["--end-of-options", &address.url])
            .args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
            .deadline(deadline);
        self.reach(address.log_in(fetch), url).await
    }

    pub(super) async fn reach(&self, command: Command, url: &str) -> Result<(), GitError> {
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
        let address = Address::parse(url);
        let ask = hardened()
            .args(["ls-remote", "--quiet", "--end-of-options", &address.url, "HEAD"])
            .deadline(deadline);
        self.reach(address.log_in(ask), url).await
    }

    /// `git` with what it takes to fetch files of `url` that are kept apart from the repository,
    /// as those of Git LFS. `source` is the app's own repository.
    pub async fn fetching_files(&self, url: Option<&str>, source: Option<&str>) -> Command {
        let address = Address::parse(url.unwrap_or_default());
        let address = address.or_login_of(Address::parse(source.unwrap_or_default()));
        let command = match url {
            Some(_) => self
                .command()
                .arg("-c")
                .arg(format!("remote.origin.url={}", address.url)),
            None => self.command(),
        };
        self.reaching_out(address.log_in(command)).await
    }

    /// Where git-lfs keeps what it has fetched.
    #[must_use]
    pub fn lfs_objects(&self) -> PathBuf {
        self.mirror.join("lfs/objects")
    }

    /// The values of the settings whose name fits `pattern`.
    pub async fn settings(&self, pattern: &str) -> Vec<String> {
        let asked = self.command().args(["config", "--null", "--get-regexp", pattern]);
        let output = with_settings(asked).run().await;
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let entries = text.split('\0').filter_map(|entry| entry.split_once('\n'));
        entries.map(|(_, value)| value.to_owned()).collect()
    }

    /// What a fetch needs from its surroundings. ssh must never ask; a command of the user's
    /// own, in the environment or in git's settings, is taken as it is.
    async fn reaching_out(&self, command: Command) -> Command {
        let command = with_settings(command);
        let passed_on = PASSED_ON
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let command = passed_on.fold(command, |command, (name, value)| command.env(*name, value));
        for name in ["GIT_SSH_COMMAND", "GIT_SSH"] {
            if let Some(value) = std::env::var_os(name) {
                return command.env(name, value);
            }
        }
        let set = self.command().args(["config", "--get", "core.sshCommand"]);
        if with_settings(set).run().await.is_ok() {
            return command;
        }
        command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    }
}

fn with_settings(command: Command) -> Command {
    match std::env::var_os(SETTINGS).filter(|_| !acts_for_somebody()) {
        Some(file) => command.env(SETTINGS, file),
        None => command,
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
