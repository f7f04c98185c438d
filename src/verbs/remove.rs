//! `bg remove`: takes an app off the host, in the opposite order of setup.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::app::{App, read_config};
use engine::slot::{self, IdleSlot};
use engine::{adopted, process_list, traffic, workers};
use model::color::Color;
use model::config::Config;
use model::event::{Event, Note, Sink};
use model::failure::{Failure, Kind};
use model::layout::Layout;
use nginx::switcher;
use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};
use site::render::{hook_is_ours, site_mark};
use state::registry::Registry;
use sys::command::Command;
use sys::lock::{Holder, Lock};
use sys::self_install::THIS;
use sys::system_paths::SystemFolders;
use sys::user::{self, AsUser};
use sys::{path_security, store};

use super::setup::{facts, programs};
use crate::text::{self, Show};

/// What PM2 may take besides the app's own end.
const MORE: Duration = Duration::from_secs(60);

/// What is taken away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// Every step.
    pub steps: Vec<String>,
    /// Whether they were done.
    pub done: bool,
}

impl Show for Removed {
    fn show(&self) -> String {
        text::steps(&self.steps, self.done, "`bg remove --yes` does it")
    }
}

/// Shows the steps, or takes them.
///
/// # Errors
/// When the site is its owner's and still includes our files; nothing is changed then.
pub async fn remove(app: &App, yes: bool, purge: bool, sink: &dyn Sink) -> Result<Removed, Failure> {
    let files = nginx_files(app)?;
    let owner = owner(app)?;
    let mut steps = {
        let _rights = rights(&owner)?;
        processes(app)
    };
    steps.extend(files.iter().map(|path| format!("delete {}", path.display())));
    steps.push(format!("delete {}", app.entry.link_folder.display()));
    let permit = SystemFolders::of_this_user().permit(app.name());
    if permit.exists() {
        steps.push(format!("delete {}", permit.display()));
    }
    steps.push("remove the app from the registry".to_owned());
    if purge {
        steps.push(format!("delete {}", app.layout.root().display()));
    } else {
        steps.push(format!("keep {}", app.layout.root().display()));
    }
    if !yes {
        return Ok(Removed { steps, done: false });
    }
    let _lock = lock(app, &owner)?;
    take_from_nginx(app, &files).await?;
    stop(app, &owner).await?;
    delete_of(&app.entry.link_folder, &owner)?;
    let registry = Registry::of_this_user();
    if Uid::effective().is_root() {
        programs::forbid(&SystemFolders::of_this_user(), app.name(), &registry)?;
    }
    delete(&registry.path(app.name()))?;
    if purge {
        delete_of(app.layout.root(), &owner)?;
    }
    sink.emit(Event::Noted(Note::Removed {
        app: app.name().to_owned(),
    }));
    Ok(Removed { steps, done: true })
}

/// Shows or takes what [`remove`] kept of an app whose root `config` names.
///
/// # Errors
/// When nothing is left of it, or the folder is somebody else's, or not what `remove` keeps.
pub fn purge(config: &Config, yes: bool, sink: &dyn Sink) -> Result<Removed, Failure> {
    let owner = facts::owner(config)?;
    let layout = Layout::new(&config.root);
    let kept = {
        let _rights = rights(&owner)?;
        read_config(&layout.config()).is_ok_and(|kept| kept.app == config.app)
    };
    let about = std::fs::symlink_metadata(layout.root());
    let is_theirs = about.is_ok_and(|about| about.is_dir() && about.uid() == owner.uid.as_raw());
    if !kept || !is_theirs {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`{}` is not set up on this host, and `{}` is not what `bg remove` kept of it for `{}`",
                config.app,
                layout.root().display(),
                owner.name
            ),
        )
        .hint("look into that folder, and `rm -r` it if it is of no use"));
    }
    let steps = vec![format!("delete {}", layout.root().display())];
    if yes {
        delete_of(layout.root(), &owner)?;
        sink.emit(Event::Noted(Note::Purged {
            app: config.app.clone(),
        }));
    }
    Ok(Removed { steps, done: yes })
}

fn processes(app: &App) -> Vec<String> {
    let colors = Color::BOTH.map(|color| match adopted::in_slot(app, color) {
        Some(adopted) => format!("leave {} running, which was adopted", adopted.pm2_name),
        None => format!("stop {}", app.process(color)),
    });
    let workers = workers::processes(app);
    let workers = workers.iter().map(|process| format!("stop {process}"));
    colors.into_iter().chain(workers).collect()
}

pub(super) fn owner(app: &App) -> Result<User, Failure> {
    let known = User::from_name(&app.entry.owner).ok().flatten();
    known.ok_or_else(|| {
        let owner = &app.entry.owner;
        Failure::new(
            Kind::Config,
            format!("the user `{owner}` no longer exists on this host"),
        )
        .hint("set `owner` in bg.toml to a user of this host, then `bg setup`")
    })
}

pub(super) fn rights(owner: &User) -> Result<AsUser, Failure> {
    user::as_user(owner)
        .map_err(|error| Failure::failed(format!("cannot act as `{}`", owner.name)).because(error))
}

fn lock(app: &App, owner: &User) -> Result<Lock, Failure> {
    let _rights = rights(owner)?;
    Lock::take(&app.layout.lock(), &Holder::this("remove")).map_err(|error| {
        Failure::new(Kind::Locked, "another command is running")
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })
}

/// Stops both colors. Root has the owner do it: what PM2 says and runs is theirs.
async fn stop(app: &App, owner: &User) -> Result<(), Failure> {
    if !Uid::effective().is_root() || owner.uid.is_root() {
        return discard(app).await;
    }
    let of_workers: Duration = app.config.workers.iter().map(|one| one.stop_timeout.0).sum();
    let command = Command::new(THIS)
        .args(["discard", "--app", app.name()])
        .by(owner)
        .folder("/")
        .deadline(app.config.process.stop_timeout.0 * 2 + of_workers + MORE);
    command.run().await.map(drop).map_err(|error| {
        Failure::failed(format!("the app of `{}` was not stopped", owner.name)).because(error)
    })
}

/// Stops both colors and all workers, and has PM2 forget them; a part of [`remove`].
///
/// # Errors
/// When NGINX still answers for the app, or one cannot be stopped.
pub async fn discard(app: &App) -> Result<(), Failure> {
    let slots = IdleSlot::unrouted(app).await?;
    workers::discard(app).await?;
    // An adopted process was there before this program and outlives it.
    for slot in slots
        .iter()
        .filter(|slot| adopted::in_slot(app, slot.color()).is_none())
    {
        slot::discard(app, slot).await?;
    }
    process_list::save(app).await.ok();
    Ok(())
}

fn nginx_files(app: &App) -> Result<Vec<PathBuf>, Failure> {
    let files = &app.nginx_files;
    let site = store::read_text(&files.site()).unwrap_or_default();
    let mut mine = vec![files.folder()];
    let hook = std::fs::read_to_string(files.hook()).unwrap_or_default();
    if hook_is_ours(&hook, app.name(), files) {
        mine.insert(0, files.hook());
    }
    if site.starts_with(&site_mark(app.name())) {
        mine.insert(0, files.site());
    } else if site.contains(&*files.folder().to_string_lossy())
        || site.contains(&format!("bg/{}/", app.name()))
    {
        return Err(Failure::new(
            Kind::Config,
            format!("`{}` still includes this app's files", files.site().display()),
        )
        .hint("remove those includes first: NGINX would not start without the files they name")
        .with_traffic(traffic::unchanged(app)));
    }
    Ok(mine)
}

/// Moves our files aside, tests, reloads; brings them back when NGINX minds.
pub(super) async fn take_from_nginx(app: &App, files: &[PathBuf]) -> Result<(), Failure> {
    let aside = |path: &PathBuf| {
        path.with_file_name(format!(
            ".{}.removed",
            path.file_name().unwrap_or_default().to_string_lossy()
        ))
    };
    let mut moved = Vec::new();
    for path in files.iter().filter(|path| path.exists()) {
        std::fs::rename(path, aside(path)).map_err(|error| {
            Failure::failed(format!("`{}` cannot be deleted", path.display()))
                .because(error)
                .hint("`bg remove` needs the same rights as `bg setup`")
        })?;
        moved.push(path);
    }
    let gone = match app.nginx.test(app.config.timeouts.reload.0).await {
        Ok(()) => switcher::Reload::of(&app.entry).reload(None).await,
        Err(error) => Err(switcher::ReloadFailed::Reload(error)),
    };
    if let Err(error) = gone {
        for path in moved.iter().rev() {
            std::fs::rename(aside(path), path).ok();
        }
        return Err(Failure::failed(
            "NGINX rejects its configuration without this app's files, so they were put back",
        )
        .because(error)
        .with_traffic(traffic::unchanged(app)));
    }
    moved.iter().try_for_each(|path| delete(&aside(path)))
}

/// What is the owner's goes with the owner's rights. Root takes what they could not only where
/// the folder above is root's alone: elsewhere somebody could put a link in its place.
pub(super) fn delete_of(path: &Path, owner: &User) -> Result<(), Failure> {
    let done = {
        let _rights = rights(owner)?;
        store::remove_tree(path)
    };
    let above = path.parent().unwrap_or(Path::new("/"));
    if Uid::effective().is_root() && path_security::roots_alone(above).is_ok() {
        return delete(path);
    }
    done.map_err(|error| Failure::failed(format!("`{}` cannot be deleted", path.display())).because(error))
}

pub(super) fn delete(path: &Path) -> Result<(), Failure> {
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
    let done = if is_folder {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    deleted(path, done)
}

fn deleted(path: &Path, done: std::io::Result<()>) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("`{}` cannot be deleted", path.display())).because(error))
        }
        _ => Ok(()),
    }
}
