//! This program in the places where it is started from: on everybody's PATH, and in the
//! reload way as the one that moves traffic with root's rights, with sudo's permit for it.

use std::io;
use std::path::{Path, PathBuf};

use engine::app::App;
use model::config::SwitchStrategy;
use model::failure::Failure;
use model::layout::Entry;
use state::registry::Registry;
use sys::self_install::{self, Content, THIS};
use sys::system_paths::SystemFolders;
use sys::{path_security, sudoers};

use super::facts::HostFacts;

/// Its name on the PATH, and its short one.
const NAMES: (&str, &str) = ("bluegreen", "bg");

/// What has to be put in place, or taken away.
#[derive(Debug)]
pub struct Programs {
    folders: SystemFolders,
    on_path: Option<PathBuf>,
    also: bool,
    swap: Option<PathBuf>,
    permit: Option<String>,
    no_permit: bool,
}

/// Whether root has to move traffic for the owner of `entry`.
#[must_use]
pub fn needs_root(entry: &Entry) -> bool {
    entry.switch == SwitchStrategy::Reload && entry.owner != "root"
}

/// Compares with what is there.
///
/// # Errors
/// When this program cannot read itself.
pub fn wanted(app: &App, facts: &HostFacts) -> Result<Programs, Failure> {
    let folders = SystemFolders::of_this_user();
    let differs = |content: Content, target: &Path| match content.is_at(target) {
        Ok(same) => Ok(!same),
        Err(error) => Err(unread(error)),
    };
    let on_path = folders.programs.join(NAMES.0);
    let asked = facts.is_roots() && needs_root(&app.entry);
    let text = sudoers::permit(&facts.owner, &folders.swap, app.name());
    let permit = folders.permit(app.name());
    Ok(Programs {
        also: !self_install::is_also(&on_path, NAMES.1),
        on_path: differs(this()?, &on_path)?.then_some(on_path),
        swap: match asked && differs(of_swap()?, &folders.swap)? {
            true => Some(folders.swap.clone()),
            false => None,
        },
        permit: (asked && !sudoers::is_at(&permit, &text)).then_some(text),
        no_permit: facts.is_roots() && !asked && permit.exists(),
        folders,
    })
}

impl Programs {
    /// Line by line.
    #[must_use]
    pub fn describe(&self, app: &App) -> Vec<String> {
        let permit = self.folders.permit(app.name());
        let mut lines = Vec::new();
        let put = |what: &str, path: &PathBuf| format!("install {what} at {}", path.display());
        lines.extend(self.on_path.iter().map(|path| put("this program", path)));
        lines.extend(
            self.swap
                .iter()
                .map(|path| put("root's program for reloads", path)),
        );
        if self.also {
            let short = self.folders.programs.join(NAMES.1);
            lines.push(format!("link {} to it", short.display()));
        }
        if self.permit.is_some() {
            lines.push(format!("write {}", permit.display()));
        }
        if self.no_permit {
            lines.push(format!("delete {}", permit.display()));
        }
        lines
    }

    /// Puts the program where root runs it, and the permit, before anything relies on them.
    ///
    /// # Errors
    /// When the program lies where others can change it, or sudo would not take the permit.
    pub async fn permit(&self, app: &App) -> Result<(), Failure> {
        let permit = self.folders.permit(app.name());
        if let Some(swap) = &self.swap {
            put(&of_swap()?, swap)?;
            path_security::roots_alone(swap).map_err(|error| {
                Failure::failed(format!("`{}` would run with root's rights", swap.display()))
                    .because(error)
                    .hint("make its folder root's alone: chown root, chmod go-w")
            })?;
        }
        if let Some(text) = &self.permit {
            sudoers::put(&permit, text).await.map_err(|error| {
                Failure::failed("the sudo rule that lets the app's owner move traffic was not written")
                    .because(error)
                    .hint("install sudo with visudo, or use `nginx.switch = \"live\"`, which needs neither")
            })?;
        }
        Ok(())
    }

    /// Puts the program on the PATH, and takes a permit away that nothing needs any more.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn place(&self, app: &App) -> Result<(), Failure> {
        if let Some(target) = &self.on_path {
            put(&this()?, target)?;
        }
        if self.also {
            let target = self.folders.programs.join(NAMES.0);
            self_install::also_as(&target, NAMES.1).map_err(|error| not_put(&target, error))?;
        }
        if self.no_permit {
            forbid(&self.folders, app.name(), &Registry::of_this_user())?;
        }
        Ok(())
    }
}

fn this() -> Result<Content, Failure> {
    Content::whole(Path::new(THIS)).map_err(unread)
}

fn unread(error: io::Error) -> Failure {
    Failure::failed("this program cannot read itself").because(error)
}

fn of_swap() -> Result<Content, Failure> {
    Content::of_swap().map_err(|error| {
        Failure::failed("`bluegreen-swap`, which moves traffic as root, was not found")
            .because(error)
            .hint("`ops/build` builds a `bluegreen` that carries it; `nginx.switch = \"live\"` needs none")
    })
}

fn put(content: &Content, target: &Path) -> Result<(), Failure> {
    let put = content.put(target);
    put.map(drop).map_err(|error| not_put(target, error))
}

fn not_put(target: &Path, error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot install this program at `{}`", target.display())).because(error)
}

/// Takes sudo's permit for `app` away, and root's program with the last one that needs it.
///
/// # Errors
/// When the system refuses.
pub fn forbid(folders: &SystemFolders, app: &str, registry: &Registry) -> Result<(), Failure> {
    let there_was = sudoers::take_away(&folders.permit(app))
        .map_err(|error| Failure::failed("a sudo rule that nobody needs was not deleted").because(error))?;
    let needed = registry
        .entries()
        .iter()
        .any(|other| other.app != app && needs_root(other));
    if !there_was || needed {
        return Ok(());
    }
    std::fs::remove_file(&folders.swap)
        .or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
        .map_err(|error| {
            Failure::failed(format!("`{}` cannot be deleted", folders.swap.display())).because(error)
        })
}
