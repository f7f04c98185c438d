//! Who owns what. Files that NGINX parses stay with whoever runs setup; in the live way
//! the app's owner gets the link folder, whose targets are tested for and never parsed.

use std::path::Path;

use nix::unistd::{Gid, Uid, chown};

use crate::host::app::App;
use crate::model::failure::Failure;

use super::ground::Ground;

/// Gives the root to the app's owner.
///
/// # Errors
/// When the system refuses.
pub fn own_root(app: &App, ground: &Ground) -> Result<(), Failure> {
    give(app.layout.root(), ground)?;
    give_all(app.layout.root(), ground, 2)
}

/// Gives the link folder to the app's owner, in the live way only: in the reload way its
/// targets are parsed by NGINX's master, and whoever can write one becomes root.
///
/// # Errors
/// When the system refuses.
pub fn own_link_folder(app: &App, ground: &Ground) -> Result<(), Failure> {
    if app.reloads() {
        return Ok(());
    }
    give(app.nginx_files.link_folder(), ground)?;
    give_all(app.nginx_files.link_folder(), ground, 2)
}

/// Once more at the end: what setup itself wrote below the root.
///
/// # Errors
/// When the system refuses.
pub fn hand_over(app: &App, ground: &Ground) -> Result<(), Failure> {
    own_root(app, ground)
}

fn give_all(folder: &Path, ground: &Ground, depth: usize) -> Result<(), Failure> {
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            give_link(&path, ground)?;
            continue;
        }
        give(&path, ground)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            give_all(&path, ground, depth - 1)?;
        }
    }
    Ok(())
}

fn give(path: &Path, ground: &Ground) -> Result<(), Failure> {
    let Some((uid, gid)) = new_owner(ground) else {
        return Ok(());
    };
    chown(path, Some(uid), Some(gid)).map_err(|error| refused(path, error))
}

fn give_link(path: &Path, ground: &Ground) -> Result<(), Failure> {
    let Some((uid, gid)) = new_owner(ground) else {
        return Ok(());
    };
    std::os::unix::fs::lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))
        .map_err(|error| refused(path, error))
}

/// Only root gives anything away, and only to somebody else.
fn new_owner(ground: &Ground) -> Option<(Uid, Gid)> {
    let me = Uid::effective();
    (me.is_root() && ground.owner.uid != me).then_some((ground.owner.uid, ground.owner.gid))
}

fn refused(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::failed(format!("`{}` cannot be given to the app's owner", path.display())).because(error)
}
