//! Who owns what. Files that NGINX parses stay with whoever runs setup; in the live way
//! the app's owner gets the link folder, whose targets are tested for and never parsed. What
//! lies in the owner's folders is written with the owner's rights, whoever runs setup.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine::app::App;
use model::config::Config;
use model::failure::{Failure, Kind};
use model::layout::{Layout, NginxLayout};
use nginx::{Nginx, readers};
use nix::unistd::Uid;
use state::registry::Registry;
use sys::ownership::{self, Maker, OwnershipError};
use sys::path_security;
use sys::user::{self, AsUser};

use super::facts::HostFacts;

/// The owner's rights and no others, until it is dropped.
///
/// # Errors
/// When the system refuses.
pub fn rights(facts: &HostFacts) -> Result<AsUser, Failure> {
    user::as_user(&facts.owner)
        .map_err(|error| Failure::failed(format!("cannot act as `{}`", facts.owner.name)).because(error))
}

/// Gives the root to the app's owner.
///
/// # Errors
/// When it is somebody else's, or the system refuses.
pub fn own_root(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    give(app.layout.root(), facts, &Layout::NAMES, "root", Maker::Unknown)
}

/// Gives the link folder to the app's owner unless it is kept: while its targets are parsed
/// by NGINX's master, whoever can write one becomes root.
///
/// # Errors
/// When it is somebody else's, or the system refuses.
pub fn own_link_folder(app: &App, facts: &HostFacts, kept: bool) -> Result<(), Failure> {
    let folder = app.nginx_files.link_folder();
    if kept {
        return ownership::keep(folder, &NginxLayout::NAMES)
            .map_err(|error| refused(folder, error, "nginx.link_folder"));
    }
    let known = Registry::of_this_user().find(app.name());
    let maker = match known.is_ok_and(|known| known.link_folder == folder) {
        true => Maker::Us,
        false => Maker::Unknown,
    };
    give(folder, facts, &NginxLayout::NAMES, "nginx.link_folder", maker)
}

/// Gives the folder of the answers to the app's owner, in both ways: they are served.
///
/// # Errors
/// As for the link folder.
pub fn own_answers(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    let names = ["blue.json", "green.json"];
    // In the reload way it lies in a folder that root keeps for this.
    give(
        &app.nginx_files.answers(),
        facts,
        &names,
        "nginx.link_folder",
        Maker::Us,
    )
}

/// Closes the folders that setup makes for root's own, where an earlier version left them open.
///
/// # Errors
/// When the system refuses.
pub fn close_our_own(config: &Config, registry: &Registry) -> Result<(), Failure> {
    let files = NginxLayout::new(config);
    let entry = registry.path(&config.app);
    let apps = entry.parent();
    // The inner one last: nobody comes between.
    let above = apps.and_then(Path::parent);
    let ours = above.filter(|above| above.ends_with("bluegreen"));
    let mut folders: Vec<PathBuf> = ours.into_iter().chain(apps).map(Path::to_owned).collect();
    if path_security::roots_alone(files.conf()).is_ok() || !Uid::effective().is_root() {
        folders.extend([files.conf_dir().join("bg"), files.folder()]);
    }
    for folder in folders {
        let failed = || Failure::failed(format!("`{}` stays open to others", folder.display()));
        ownership::close(&folder).map_err(|error| failed().because(error))?;
    }
    Ok(())
}

/// Closes the releases to all but their owner and NGINX's workers, which serve files of them.
/// Only root gives a folder to a group that is not the owner's; elsewhere others can pass it
/// and not list it.
///
/// # Errors
/// When the system refuses.
pub fn close_releases(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    let group = readers::of_nginx(&facts.dump).filter(|_| facts.is_roots() && workers_change_user(facts));
    let Some(group) = group else { return Ok(()) };
    let folder = app.layout.releases();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    readers::close_to(app.layout.root(), &name, &facts.owner, group).map_err(|error| {
        Failure::failed(format!("`{}` cannot be closed to other users", folder.display())).because(error)
    })
}

/// Whether NGINX's workers are another user's than its master, as `user` says: only root's
/// can be.
fn workers_change_user(facts: &HostFacts) -> bool {
    let nginx = Nginx {
        bin: facts.entry.nginx_bin.clone(),
        conf: facts.entry.nginx_conf.clone(),
        pid_file: facts.entry.nginx_pid.clone(),
    };
    let Ok(master) = nginx.master() else { return true };
    let about = std::fs::metadata(format!("/proc/{}", master.pid));
    about.is_ok_and(|about| about.uid() == 0)
}

fn give(folder: &Path, facts: &HostFacts, names: &[&str], key: &str, maker: Maker) -> Result<(), Failure> {
    ownership::give(folder, &facts.owner, names, maker).map_err(|error| refused(folder, error, key))
}

fn refused(folder: &Path, error: OwnershipError, key: &str) -> Failure {
    let hint = match &error {
        OwnershipError::NotMade { path, owner } => format!(
            "if it is only for this app and root runs nothing in it, `chown {owner} {}`; otherwise set another `{key}` in bg.toml",
            path.display()
        ),
        _ => format!(
            "name a folder of its own as `{key}` in bg.toml, or make this one the right user's: `chown`"
        ),
    };
    let kind = match error {
        OwnershipError::Io { .. } | OwnershipError::File(_) => Kind::Failed,
        _ => Kind::Config,
    };
    Failure::new(kind, format!("`{}` cannot be used as `{key}`", folder.display()))
        .because(error)
        .hint(hint)
}
