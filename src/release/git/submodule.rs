//! A submodule's repository: where it lies, and its own mirror within that of the app.
//!
//! `git submodule` is never asked: by `.gitmodules` and the settings that it copies from there,
//! a repository could have it start programs.

use std::time::Duration;

use state::envfile::key;
use sys::command::Command;

use crate::git::credentials::Address;
use crate::git::{Git, GitError};

/// Where a commit is kept that no branch or tag of its repository leads to any more.
const KEPT: &str = "refs/bg/submodule";

impl Git {
    /// The mirror of the submodule at `url`, which has its commit `sha` then. `within` is the
    /// repository that the submodule belongs to, `source` the app's own, whose password is good
    /// for its host here too.
    ///
    /// # Errors
    /// When it cannot be read, or has no such commit.
    pub async fn submodule(
        &self,
        url: &str,
        sha: &str,
        (within, source): (&str, &str),
        deadline: Duration,
    ) -> Result<Git, GitError> {
        let modules = self.mirror.join("modules");
        let git = Git::new(modules.join(format!("{}.git", key(url.as_bytes()))));
        if git.mirror.exists() && git.hash(sha).await?.is_some() {
            return Ok(git);
        }
        git.create().await?;
        let address = Address::parse(url).or_login_of(Address::parse(source));
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned);
        let kept = [format!("+{sha}:{KEPT}/{sha}")];
        for refs in [all.as_slice(), kept.as_slice()] {
            let fetch = git
                .named_by_others(within)
                .args(["fetch", "--quiet", "--prune", "--no-recurse-submodules"])
                .args(["--end-of-options", &address.url])
                .args(refs.iter().cloned())
                .deadline(deadline);
            git.reach(address.log_in(fetch), url).await?;
            if git.hash(sha).await?.is_some() {
                break;
            }
        }
        Ok(git)
    }

    /// `git` for an address that stands in a repository: what git itself thinks safe then, and
    /// repositories of this host where the one `within` which it stands is of this host too.
    fn named_by_others(&self, within: &str) -> Command {
        let command = self.command().env("GIT_PROTOCOL_FROM_USER", "0");
        match is_local(within) {
            true => command.args(["-c", "protocol.file.allow=always"]),
            false => command,
        }
    }
}

fn is_local(url: &str) -> bool {
    url.starts_with('/') || url.starts_with("file://")
}

/// What `url` in a `.gitmodules` means in the repository `within`: an address that begins with
/// `./` or `../` goes from there. `None` where it leads above its host.
#[must_use]
pub fn resolve(url: &str, within: &str) -> Option<String> {
    let steps = || url.split('/');
    if !matches!(steps().next(), Some("." | "..")) {
        return Some(url.to_owned());
    }
    let host_ends = within.find("://").map_or(0, |at| at + "://".len());
    let (host, path) = match within.get(host_ends..)?.split_once('/') {
        Some((host, path)) if host_ends > 0 || host.is_empty() => {
            (within.get(..host_ends + host.len() + 1)?, path)
        }
        // As `git@example.com:me/shop.git`.
        _ if host_ends == 0 => within.split_at(within.find(':')? + 1),
        _ => return None,
    };
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for step in steps() {
        match step {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(format!("{host}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use crate::git::submodule::*;

    #[test]
    fn an_address_goes_from_that_of_its_repository() {
        let table = [
            (
                "../lib.git",
                "git@example.com:me/shop.git",
                Some("git@example.com:me/lib.git"),
            ),
            (
                "../../you/lib",
                "git@example.com:me/shop",
                Some("git@example.com:you/lib"),
            ),
            ("./lib", "/srv/git/shop/", Some("/srv/git/shop/lib")),
            ("../lib", "/srv/git/shop", Some("/srv/git/lib")),
            (
                "../lib",
                "https://u:p@example.com:8443/me/shop.git",
                Some("https://u:p@example.com:8443/me/lib"),
            ),
            ("../../../../lib", "https://example.com/me/shop.git", None),
            ("../../x", "git@example.com:shop", None),
            (
                "https://example.org/lib",
                "/srv/git/shop",
                Some("https://example.org/lib"),
            ),
            (".hidden/lib", "/srv/git/shop", Some(".hidden/lib")),
            ("../lib", "file:///srv/git/shop", Some("file:///srv/git/lib")),
        ];
        for (url, within, expected) in table {
            assert_eq!(resolve(url, within).as_deref(), expected, "{url} in {within}");
        }
    }
}
