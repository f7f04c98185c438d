//! What a commit changes below a shared path: the release goes on with what is shared, so that
//! change reaches nobody by itself.

use std::fs;
use std::path::{Path, PathBuf};

use sys::command::CommandError;
use sys::store::read_plain;

use crate::git::Git;

/// Longer files that have the same size count as the same.
const LONGEST: u64 = 16 << 20;

/// Files of the paths `list` that `to` has otherwise than `from`, and the folder `shared` otherwise
/// than the checkout `release`, which is not linked yet. What is not shared yet is left out: it
/// begins as it is in the commit.
///
/// # Errors
/// When git does not know one of the commits.
pub async fn unshared(
    git: &Git,
    (from, to): (&str, &str),
    list: &[PathBuf],
    shared: &Path,
    release: &Path,
) -> Result<Vec<PathBuf>, CommandError> {
    let list: Vec<&PathBuf> = list
        .iter()
        .filter(|path| fs::symlink_metadata(shared.join(path)).is_ok())
        .collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let options = ["--name-only", "--no-renames", "-z"];
    let changed = git.command().args(["--literal-pathspecs", "diff"]).args(options);
    let output = changed.args([from, to, "--"]).args(list).run().await?;
    let names = output.stdout.split('\0').filter(|name| !name.is_empty());
    let differs = |path: &PathBuf| !are_same(&release.join(path), &shared.join(path));
    Ok(names.map(PathBuf::from).filter(differs).collect())
}

/// Whether two files are the same, or both are missing.
fn are_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(first), Ok(second)) if first.len() == second.len() => {
            let [first, second] = [one, other].map(|path| read_plain(path, LONGEST).ok());
            first.is_some() && first == second
        }
        (Err(_), Err(_)) => true,
        _ => false,
    }
}
