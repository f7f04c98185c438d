//! Room on disk, and leave to write there: a deploy that would end half-way without is refused
//! before it begins.

use std::path::PathBuf;

use engine::app::App;
use engine::traffic;
use model::color::Color;
use model::failure::Failure;
use nginx::switcher::Switcher;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use sys::capacity;

/// A manifest, a log line, NGINX's answer, PM2's file for a start: some 20 kB in ten files.
/// What a checkout and its packages need nobody knows beforehand.
const BYTES: u64 = 256 << 10;
const INODES: u64 = 32;

/// Looks whether what a start writes still has room.
///
/// # Errors
/// Which folder is full.
pub fn left(app: &App) -> Result<(), Failure> {
    let folders = [
        app.layout.releases(),
        app.layout.venvs(),
        app.layout.state(),
        app.entry.link_folder.clone(),
    ];
    for folder in folders {
        let Ok(free) = capacity::disk_space(&folder) else {
            continue;
        };
        if free.bytes < BYTES || free.inodes.is_some_and(|inodes| inodes < INODES) {
            return Err(
                Failure::failed(format!("there is no room left in `{}`: {free}", folder.display()))
                    .hint(
                        "delete what is not needed there; `bg switch` and `bg rollback` work on a full disk",
                    )
                    .with_traffic(traffic::unchanged(app)),
            );
        }
    }
    Ok(())
}

/// Looks whether this user may write in each folder that a deploy writes to: some of them it
/// would only meet after traffic has moved.
///
/// # Errors
/// Which folder is closed, by its mode, its owner, or a file system that is read-only.
pub fn writable(app: &App) -> Result<(), Failure> {
    // By the rights that count, not by those of whoever called us.
    let closed = |folder: &PathBuf| {
        let rights = AccessFlags::W_OK | AccessFlags::X_OK;
        let asked = faccessat(AT_FDCWD, folder, rights, AtFlags::AT_EACCESS);
        asked.err().filter(|_| folder.is_dir())
    };
    for folder in written(app) {
        if let Some(why) = closed(&folder) {
            return Err(Failure::failed(format!(
                "a deploy needs to write in `{}` and may not",
                folder.display()
            ))
            .because(std::io::Error::from(why))
            .hint("`bg check` names files of another owner; a read-only file system needs a remount")
            .with_traffic(traffic::unchanged(app)));
        }
    }
    Ok(())
}

fn written(app: &App) -> Vec<PathBuf> {
    let layout = &app.layout;
    let mut folders = vec![
        layout.root().to_owned(),
        layout.releases(),
        layout.manifests(),
        layout.venvs(),
        layout.envs(),
        layout.assets(),
        layout.slots(),
        layout.state(),
        layout.runs(),
        app.nginx_files.answers(),
    ];
    let beside = [layout.launcher(), layout.log(Color::Blue)];
    folders.extend(beside.iter().filter_map(|file| file.parent()).map(PathBuf::from));
    // As it is for whom we act as now, which need not be who opened the app.
    if Switcher::of(&app.entry).via_sudo().is_none() {
        folders.push(app.entry.link_folder.clone());
    }
    folders
}
