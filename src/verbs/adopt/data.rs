//! Data that lies in the work tree and not in git: what the next release needs too.

use std::fs;
use std::path::{Path, PathBuf};

use model::failure::Failure;
use nix::unistd::User;
use release::adopted_checkout::AdoptedCheckout;
use release::relocate::sqlite::{BESIDE, is_sqlite};
use serde::{Deserialize, Serialize};
use sys::user;

use crate::text::counted;
use crate::verbs::data::into_shared;
use crate::verbs::remove;

/// One file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Relative to the work tree, a folder without its last slash.
    pub path: PathBuf,
    /// What it is, in words.
    pub what: String,
}

/// What every Python project leaves lying about.
const LITTER: [&str; 14] = [
    "__pycache__",
    "node_modules",
    "venv",
    "env",
    ".venv",
    "build",
    "dist",
    "logs",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".idea",
    ".vscode",
    ".tox",
];

/// How many files of a folder are looked at.
const LOOKED_AT: usize = 2000;

/// Looks for it, with the rights of the work tree's owner.
pub async fn list(tree: &AdoptedCheckout, owner: &User) -> Vec<Data> {
    let strangers = tree.strangers().await;
    let Ok(_rights) = user::as_user(owner) else {
        return Vec::new();
    };
    let data = |path: PathBuf| {
        let what = what_is(&tree.top.join(&path))?;
        let path = path.components().collect();
        Some(Data { path, what })
    };
    strangers.into_iter().filter_map(data).collect()
}

fn what_is(path: &Path) -> Option<String> {
    let about = fs::symlink_metadata(path).ok()?;
    let name = path.file_name()?.to_str()?;
    if about.is_dir() {
        let is_litter =
            LITTER.contains(&name) || name.ends_with(".egg-info") || path.join("pyvenv.cfg").exists();
        return match is_litter {
            true => None,
            false => folder(path),
        };
    }
    if !about.is_file() || BESIDE.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    match name {
        _ if name == ".env" || name.starts_with(".env.") => Some("environment file".to_owned()),
        _ if is_sqlite(path) => Some("SQLite database".to_owned()),
        _ => None,
    }
}

fn folder(path: &Path) -> Option<String> {
    let (mut files, mut databases) = (0_usize, 0_usize);
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && entry.file_name() != "__pycache__" {
                folders.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                databases += usize::from(is_sqlite(&entry.path()));
            }
        }
        if files > LOOKED_AT {
            break;
        }
    }
    let more = if files > LOOKED_AT { "more than " } else { "" };
    match (files, databases) {
        (0, _) => None,
        (_, 0) => Some(format!("folder with {more}{}", counted(files, "file"))),
        _ => Some(format!(
            "folder with {more}{}, a SQLite database among them",
            counted(files, "file")
        )),
    }
}

/// Moves `paths` of the work tree at `top` into `shared`, and leaves a link in the place of each.
///
/// # Errors
/// At the first that cannot be moved; those before it stay moved.
pub fn share(top: &Path, shared: &Path, paths: &[PathBuf], owner: &User) -> Result<(), Failure> {
    let _rights = remove::rights(owner)?;
    let mut paths = paths.iter();
    paths.try_for_each(|path| into_shared(top, shared, path, "bg adopt --move-data"))
}
