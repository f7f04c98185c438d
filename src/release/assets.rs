//! Files named by their content, gathered from every release that is kept: a page that was
//! loaded before a switch finds them after it, whatever became of its release's slot.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use model::config::StaticFiles;
use model::config::hashed::Hashed;
use model::layout::Layout;
use model::release::ReleaseId;
use state::releases;
use sys::store::{self, FileError};

/// Copies are collected here until all of them are whole.
const INCOMING: &str = ".incoming";

/// A piece of two files that are compared.
const PIECE: usize = 64 << 10;

/// One file of a release, named by its content.
struct Asset {
    /// In the release.
    from: PathBuf,
    /// Below the folder of all assets: the path of its URL.
    at: PathBuf,
}

/// Copies what the release `id` has and nobody had before; never a link, for a program that
/// writes into a file would change it in both places. Returns the paths, below the folder of
/// all assets, whose name is there with another content: what was there stays.
///
/// # Errors
/// When a file cannot be read or written, as on a full disk.
pub async fn keep(
    layout: &Layout,
    statics: &[StaticFiles],
    id: &ReleaseId,
) -> Result<Vec<PathBuf>, FileError> {
    let (mut new, mut differing) = (Vec::new(), Vec::new());
    for asset in of_release(layout, statics, id)? {
        let kept = layout.assets().join(&asset.at);
        match fs::symlink_metadata(&kept) {
            Err(error) if error.kind() == ErrorKind::NotFound => new.push(asset),
            _ if same(&asset.from, &kept) => {}
            _ => differing.push(asset.at),
        }
    }
    if !new.is_empty() {
        copy(layout, &new).await?;
    }
    Ok(differing)
}

/// Removes what no kept release has any more. While the snapshot of one cannot be read,
/// nothing goes: nobody knows what it needs.
///
/// # Errors
/// When a folder cannot be read or something cannot be removed.
pub fn prune(layout: &Layout, statics: &[StaticFiles]) -> Result<(), FileError> {
    let all = layout.assets();
    store::remove_tree(&all.join(INCOMING))?;
    let mut needed = BTreeSet::new();
    for id in releases::ids(layout)? {
        let Ok(manifest) = releases::read(layout, &id) else {
            return Ok(());
        };
        let then = of_release(layout, &manifest.config.nginx.static_files, &id)?;
        let now = of_release(layout, statics, &id)?;
        needed.extend(then.into_iter().chain(now).map(|asset| asset.at));
    }
    remove_others(&all, Path::new(""), &needed)
}

async fn copy(layout: &Layout, assets: &[Asset]) -> Result<(), FileError> {
    let all = layout.assets();
    let uploads = all.join(INCOMING);
    store::remove_tree(&uploads)?;
    make_folder(&all)?;
    make_folder(&uploads)?;
    let copies = assets.iter().enumerate();
    let copies: Vec<PathBuf> = copies.map(|(n, _)| uploads.join(n.to_string())).collect();
    for (asset, copy) in assets.iter().zip(&copies) {
        // Shares its blocks with the release where the file system can do that.
        fs::copy(&asset.from, copy).map_err(FileError::at("copy", &asset.from))?;
        fs::set_permissions(copy, Permissions::from_mode(0o644))
            .map_err(FileError::at("set the mode of", copy))?;
    }
    store::flush_all(&uploads).await?;
    for (asset, copy) in assets.iter().zip(&copies) {
        let kept = all.join(&asset.at);
        for folder in folders(&asset.at) {
            make_folder(&all.join(folder))?;
        }
        fs::rename(copy, &kept).map_err(FileError::at("create", &kept))?;
    }
    store::remove_tree(&uploads)
}

/// The folders on the way to a path, outermost first.
fn folders(path: &Path) -> Vec<&Path> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.pop();
    folders.reverse();
    folders
}

/// NGINX's workers pass it, whatever the umask is.
fn make_folder(folder: &Path) -> Result<(), FileError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(FileError::at("create the folder", folder)(error)),
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755))
            .map_err(FileError::at("set the mode of", folder)),
    }
}

/// What a release has, as `statics` names it.
fn of_release(layout: &Layout, statics: &[StaticFiles], id: &ReleaseId) -> Result<Vec<Asset>, FileError> {
    let mut assets = Vec::new();
    let release = layout.release(id);
    for files in statics.iter().filter(|files| !files.hashed.is_no()) {
        let folder = release.join(&files.folder);
        // What is shared or linked elsewhere is no release's own.
        let inside = fs::canonicalize(&folder)
            .ok()
            .zip(fs::canonicalize(&release).ok())
            .is_some_and(|(folder, release)| folder.starts_with(release));
        if inside {
            let url: PathBuf = Path::new(&files.url)
                .components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .collect();
            collect(&folder, &url, &files.hashed, &mut assets)?;
        }
    }
    Ok(assets)
}

fn collect(folder: &Path, at: &Path, hashed: &Hashed, assets: &mut Vec<Asset>) -> Result<(), FileError> {
    for name in store::names(folder)? {
        let (from, at) = (folder.join(&name), at.join(&name));
        let kind = fs::symlink_metadata(&from)
            .map_err(FileError::at("read", &from))?
            .file_type();
        if kind.is_dir() && !name.starts_with('.') {
            collect(&from, &at, hashed, assets)?;
        } else if kind.is_file() && hashed.names(&name) {
            assets.push(Asset { from, at });
        }
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| fs::symlink_metadata(path).map(|about| about.len()).ok();
    length(one) == length(other) && same_bytes(one, other).unwrap_or(false)
}

fn same_bytes(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut one).take(PIECE as u64).read_to_end(&mut left)?;
        (&mut other).take(PIECE as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Everything below `at` but what is needed, and the folders that are empty then.
fn remove_others(all: &Path, at: &Path, needed: &BTreeSet<PathBuf>) -> Result<(), FileError> {
    for name in store::names(&all.join(at))? {
        let at = at.join(&name);
        let path = all.join(&at);
        if fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
            remove_others(all, &at, needed)?;
            // Refused while something is in it.
            fs::remove_dir(&path).ok();
        } else if !needed.contains(&at) {
            store::remove_tree(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
