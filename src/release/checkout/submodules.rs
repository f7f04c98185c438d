//! The repositories within a commit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::config::source_address;
use sys::command::CommandError;

use crate::checkout::error::CheckoutError;
use crate::checkout::part::{Part, Whole};
use crate::git::{Git, resolve};

/// A submodule, as its commit records it.
pub(super) struct Submodule {
    pub(super) path: PathBuf,
    sha: String,
    url: Option<String>,
}

/// Those of the commit `sha`.
pub(super) async fn of(git: &Git, sha: &str) -> Result<Vec<Submodule>, CommandError> {
    let command = git.command().args(["ls-tree", "-r", "-z", "--full-tree", sha]);
    let output = command.run().await?;
    let mut addresses = addresses(git, sha).await?;
    // An entry is `<mode> <type> <hash>\t<path>`; a submodule is a commit in the tree.
    let entries = output
        .stdout
        .split('\0')
        .filter_map(|entry| entry.split_once('\t'));
    let submodules = entries.filter_map(|(about, path)| {
        let mut words = about.split(' ').skip(1);
        let is_one = words.next() == Some("commit");
        words.next().filter(|_| is_one).map(|sha| (path, sha))
    });
    Ok(submodules
        .map(|(path, sha)| Submodule {
            path: path.into(),
            sha: sha.to_owned(),
            url: addresses.remove(path),
        })
        .collect())
}

/// Where `.gitmodules` says that they lie, by their folders.
async fn addresses(git: &Git, sha: &str) -> Result<BTreeMap<String, String>, CommandError> {
    let asked = git
        .command()
        .arg("config")
        .args(["--null", "--blob", &format!("{sha}:.gitmodules")])
        .args(["--get-regexp", r"^submodule\..*\.(path|url)$"]);
    let output = asked.finish().await?;
    let mut named: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for entry in output.stdout.split('\0') {
        let Some((key, value)) = entry.split_once('\n') else {
            continue;
        };
        let Some((name, key)) = key.rsplit_once('.') else {
            continue;
        };
        let found = named.entry(name).or_default();
        match key {
            "path" => found.0 = Some(value),
            _ => found.1 = Some(value),
        }
    }
    let whole = named.into_values().filter_map(|(path, url)| path.zip(url));
    Ok(whole
        .map(|(path, url)| (path.to_owned(), url.to_owned()))
        .collect())
}

impl Submodule {
    /// Its part of the release, fetched.
    pub(super) async fn fetch(self, whole: &Whole<'_>, within: &Part) -> Result<Part, CheckoutError> {
        let below = within.below.join(&self.path);
        let unfit = |why: String| CheckoutError::Submodule {
            path: below.clone(),
            why,
        };
        let Some(url) = self.url else {
            return Err(unfit("has no address in `.gitmodules`".to_owned()));
        };
        let above = within.url.as_deref().unwrap_or_default();
        let address = resolve(&url, above).ok_or_else(|| {
            unfit(format!(
                "has the address `{url}`, which leads nowhere from that of its repository"
            ))
        })?;
        source_address(&address).map_err(|why| unfit(format!("has an address that {why}")))?;
        let source = whole.source.git.as_deref().unwrap_or_default();
        let git = within
            .git
            .submodule(&address, &self.sha, (above, source), whole.deadline)
            .await
            .map_err(|source| CheckoutError::NotFetched {
                path: below.clone(),
                source,
            })?;
        Ok(Part {
            git,
            url: Some(address),
            sha: self.sha,
            below,
        })
    }
}
