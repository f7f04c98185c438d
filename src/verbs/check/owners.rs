//! Who owns what, and who else can write it: what NGINX parses and root runs is root's, what
//! the app's owner writes is theirs, by the way that is in force.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::color::{Color, Route};
use model::config::{Config, SwitchStrategy};
use model::layout::{Entry, Layout, NginxLayout};
use nginx::switcher::ReloadViaSudo;
use nix::unistd::{Uid, User};
use site::render::site_mark;
use state::registry::Registry;
use sys::path_security::{self, Keeper, Untrusted};
use sys::self_install::Content;
use sys::sudoers;
use sys::system_paths::SystemFolders;

use super::super::setup::programs;
use super::finding::Report;

pub(super) async fn look(report: &mut Report, entry: &Entry, config: &Config, registry: &Registry) {
    let Ok(Some(owner)) = User::from_name(&entry.owner) else {
        let found = format!("the user `{}` no longer exists", entry.owner);
        report.wrong(
            "owners",
            found,
            "set `owner` in bg.toml to a user of this host, then `bg setup`",
        );
        return;
    };
    let registered = registry.path_of(&entry.app);
    let Some(keeper) = keeper(report, &registered, &owner) else {
        return;
    };
    let files = NginxLayout::of(entry);
    let mut kept = vec![registered];
    kept.extend(parsed(&files, entry));
    kept_alone(report, &kept, keeper);
    link_folder_is_the_owners(report, &files, entry, &owner);
    all_the_owners(report, "root", &roots(entry, config), &owner);
    if keeper == Keeper::ROOT {
        programs_of_root(report, entry, &owner).await;
    }
}

/// Whoever ran setup: root, or the owner themselves.
fn keeper(report: &mut Report, registered: &Path, owner: &User) -> Option<Keeper> {
    let uid = Uid::from_raw(fs::symlink_metadata(registered).ok()?.uid());
    if uid.is_root() {
        return Some(Keeper::ROOT);
    }
    if uid == owner.uid {
        return Some(Keeper::user(uid));
    }
    report.wrong(
        "owners",
        format!(
            "`{}` belongs to {}",
            registered.display(),
            path_security::name_of(uid)
        ),
        &format!("chown root {}, or `bg setup`", registered.display()),
    );
    None
}

/// What NGINX's master parses.
fn parsed(files: &NginxLayout, entry: &Entry) -> Vec<PathBuf> {
    let mut all = vec![
        files.conf().to_owned(),
        files.hook(),
        files.upstreams(),
        files.route(),
        files.proxy(),
    ];
    let site = fs::read_to_string(files.site()).unwrap_or_default();
    if site.starts_with(&site_mark(&entry.app)) {
        all.push(files.site());
    }
    if entry.switch == SwitchStrategy::Reload {
        all.push(files.live());
        all.extend(Route::ALL.map(|route| files.setting(route)));
    }
    all
}

/// Root goes by nothing there until it is root's alone again.
pub(super) fn untrusted(report: &mut Report, error: &Untrusted) {
    report.wrong("owners", in_full(error), &fix(error));
}

fn kept_alone(report: &mut Report, paths: &[PathBuf], keeper: Keeper) {
    let mut good = 0;
    for path in paths {
        match path_security::alone(path, keeper) {
            Ok(_) => good += 1,
            Err(error) => report.wrong("owners", in_full(&error), &fix(&error)),
        }
    }
    if good == paths.len() {
        let found = format!("{good} files that NGINX or root obeys, and no one else can write them");
        report.fine("owners", found);
    }
}

fn in_full(error: &Untrusted) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn fix(error: &Untrusted) -> String {
    let place = error.place().display();
    match error {
        Untrusted::Foreign { .. } => {
            format!("find out who wrote it, then chown root {place}, and `bg setup`")
        }
        Untrusted::Open { .. } => format!("chmod go-w {place}"),
        Untrusted::Magic(_) => "name the file itself".to_owned(),
        Untrusted::Endless(_) | Untrusted::Unseen { .. } => "`bg setup` writes what is missing".to_owned(),
    }
}

/// What is served or looked at, and never parsed.
fn link_folder_is_the_owners(report: &mut Report, files: &NginxLayout, entry: &Entry, owner: &User) {
    let mut theirs = vec![files.answers()];
    theirs.extend(Color::BOTH.map(|color| files.answer(color)));
    if entry.switch != SwitchStrategy::Reload {
        theirs.push(files.link_folder().to_owned());
        theirs.push(files.live());
        theirs.extend(Route::ALL.map(|route| files.target(route)));
    }
    all_the_owners(report, "link folder", &theirs, owner);
}

fn roots(entry: &Entry, config: &Config) -> Vec<PathBuf> {
    let layout = Layout::new(&entry.root);
    let env = config.env.file.as_ref().map(|file| layout.shared().join(file));
    let mut all = vec![layout.root().to_owned(), layout.config()];
    all.extend([layout.state(), layout.shared(), layout.slots()]);
    // Without one, `environment file` says so.
    all.extend(env.filter(|file| file.exists()));
    all
}

fn all_the_owners(report: &mut Report, subject: &str, paths: &[PathBuf], owner: &User) {
    let mut good = 0;
    for path in paths {
        match theirs(path, owner) {
            Ok(()) => good += 1,
            Err((found, fix)) => report.wrong(subject, found, &fix),
        }
    }
    if good == paths.len() {
        report.fine(subject, format!("{good} names are `{}`'s", owner.name));
    }
}

fn theirs(path: &Path, owner: &User) -> Result<(), (String, String)> {
    let shown = path.display();
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) => return Err((format!("`{shown}`: {error}"), "`bg setup`".to_owned())),
    };
    let uid = Uid::from_raw(about.uid());
    if uid != owner.uid {
        return Err((
            format!(
                "`{shown}` belongs to {}, not to `{}`",
                path_security::name_of(uid),
                owner.name
            ),
            format!("chown -h {} {shown}", owner.name),
        ));
    }
    let group_is_theirs = about.gid() == owner.gid.as_raw() || about.gid() == 0;
    let shared = about.mode() & 0o002 != 0 || (about.mode() & 0o020 != 0 && !group_is_theirs);
    if shared && !about.is_symlink() {
        return Err((
            format!("`{shown}` is writable by other users"),
            format!("chmod go-w {shown}"),
        ));
    }
    Ok(())
}

/// What moves traffic for an owner who may not, and what lets them ask for it.
async fn programs_of_root(report: &mut Report, entry: &Entry, owner: &User) {
    let folders = SystemFolders::of_this_user();
    let permit = folders.permit(&entry.app);
    if !programs::needs_root(entry) {
        if permit.exists() {
            let found = format!("`{}` is a sudo rule that nothing needs", permit.display());
            report.warn("sudo", found, "`bg setup` deletes it");
        }
        return;
    }
    match path_security::roots_alone(&folders.swap) {
        Err(error) => report.wrong("swap program", in_full(&error), &fix(&error)),
        Ok(_) if !Content::of_swap().is_ok_and(|ours| ours.is_at(&folders.swap).unwrap_or(false)) => report
            .warn(
                "swap program",
                format!("`{}` is of another version", folders.swap.display()),
                "`bg setup` as root installs this version",
            ),
        Ok(_) => report.fine(
            "swap program",
            format!("{} is root's alone", folders.swap.display()),
        ),
    }
    if Uid::effective().is_root() {
        permitted(report, entry, owner, &folders).await;
    }
    let asked = ReloadViaSudo::new(&folders.swap, entry);
    match asked.is_allowed(owner).await {
        Ok(()) => report.fine("sudo", format!("`{}` may move traffic through sudo", owner.name)),
        Err(error) => report.wrong(
            "sudo",
            error.to_string(),
            &format!(
                "`bg setup` as root writes {}; does sudo read that folder?",
                permit.display()
            ),
        ),
    }
}

async fn permitted(report: &mut Report, entry: &Entry, owner: &User, folders: &SystemFolders) {
    let path = folders.permit(&entry.app);
    let text = sudoers::permit(owner, &folders.swap, &entry.app);
    if !sudoers::is_at(&path, &text) {
        let found = format!("`{}` is not what setup writes", path.display());
        report.wrong("sudo", found, "`bg setup` as root writes it again");
        return;
    }
    if let Err(error) = path_security::roots_alone(&path) {
        report.wrong("sudo", in_full(&error), &fix(&error));
    }
    match sudoers::check(&path).await {
        Ok(()) => report.fine("sudo", format!("visudo accepts {}", path.display())),
        Err(error) => report.wrong("sudo", error.to_string(), "`bg setup` as root writes it again"),
    }
}
