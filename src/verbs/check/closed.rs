//! What other users of the host can read: the configuration, which may hold a token, and the
//! source.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use engine::app::App;
use nginx::readers;
use nix::unistd::{Gid, Group};

use super::super::setup::facts::HostFacts;
use super::finding::Report;

pub(super) fn look(report: &mut Report, app: &App, facts: &HostFacts) {
    let layout = &app.layout;
    let private = [
        (layout.config(), 0o027, "640"),
        (layout.mirror(), 0o077, "700"),
        (layout.envs(), 0o077, "700"),
        (layout.manifests(), 0o007, "o-rwx"),
        (layout.state(), 0o007, "o-rwx"),
        (layout.runs(), 0o007, "o-rwx"),
    ];
    let mut good = true;
    for (path, open, mode) in private {
        let Some(found) = mode_of(&path).filter(|found| found & open != 0) else {
            continue;
        };
        good = false;
        report.warn(
            "privacy",
            format!("`{}` is open to other users (mode {found:04o})", path.display()),
            &format!("`chmod {mode} {}`, or `bg setup`", path.display()),
        );
    }
    if good {
        report.fine("privacy", "no other user reads bg.toml, the repository or a run");
    }
    secret(report, app);
    releases(report, &layout.releases(), readers::of_nginx(&facts.dump));
}

/// Without it NGINX names the route to whatever comes from this machine, as earlier versions
/// had it.
fn secret(report: &mut Report, app: &App) {
    let files = [app.nginx_files.secret(), app.layout.secret()];
    for file in &files {
        let found = match mode_of(file) {
            None => format!(
                "`{}` is missing: a forwarder on this host is told the route",
                file.display()
            ),
            Some(mode) if mode & 0o077 != 0 => {
                format!("`{}` is open to other users (mode {mode:04o})", file.display())
            }
            Some(_) => continue,
        };
        report.warn("proof secret", found, "`bg setup` makes it anew");
    }
}

fn releases(report: &mut Report, folder: &Path, nginx: Option<Gid>) {
    let Some(mode) = mode_of(folder) else { return };
    let shown = folder.display();
    let mends = match nginx.and_then(|gid| Group::from_gid(gid).ok().flatten()) {
        Some(group) => format!("chgrp {} {shown} && chmod 750 {shown}", group.name),
        None => format!("chgrp GROUP {shown} && chmod 750 {shown}, with the group of NGINX's workers"),
    };
    match mode & 0o007 {
        0 => report.fine("releases", "only NGINX and the owner's group read the source"),
        0o001 => report.fine(
            "releases",
            format!("other users cannot list `{shown}`, and read what they know the name of; as root `{mends}` ends that"),
        ),
        _ => report.warn(
            "releases",
            format!("other users can read the source in `{shown}` (mode {mode:04o})"),
            &format!("`bg setup`; or as root {mends}"),
        ),
    }
}

fn mode_of(path: &Path) -> Option<u32> {
    let about = fs::symlink_metadata(path).ok()?;
    (!about.is_symlink()).then(|| about.mode() & 0o7777)
}
