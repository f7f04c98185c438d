//! What others could do to us by a file of ours: PM2's daemon starts anything for whoever may
//! write into its sockets, and whoever can open a lock can hold it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine::app::App;
use engine::process_list;
use nix::unistd::{Gid, Group, Uid};
use sys::{lock, path_security};

use super::finding::Report;

/// Where the daemon takes orders, and where it tells what happens.
const SOCKETS: [&str; 2] = ["rpc.sock", "pub.sock"];

/// PM2 makes both writable for the group of whoever starts it, whatever the umask is: that is
/// everybody's where users share their primary group.
pub(super) fn sockets(report: &mut Report, app: &App) {
    let home = &app.entry.pm2_home;
    let found: Vec<(PathBuf, String)> = SOCKETS
        .iter()
        .filter_map(|name| {
            let socket = home.join(name);
            let who = others(home, &socket)?;
            Some((socket, who))
        })
        .collect();
    let Some((_, who)) = found.first() else {
        return;
    };
    let paths: Vec<String> = found.iter().map(|(path, _)| path.display().to_string()).collect();
    let paths = paths.join(" ");
    report.warn(
        "pm2 sockets",
        format!(
            "{who} can write into {paths}, and so make PM2 run anything as `{}`",
            app.entry.owner
        ),
        &format!(
            "chmod g-w,o-w {paths}; the daemon opens them again when it starts, which `chmod go-rwx {}` outlasts",
            home.display()
        ),
    );
}

/// Whoever can open a lock can hold it for ever.
pub(super) fn locks(report: &mut Report, app: &App) {
    let mut open = process_list::locks(app);
    open.retain(|path| lock::is_open_to_others(path));
    if open.is_empty() {
        return;
    }
    let paths: Vec<String> = open.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.join(" ");
    report.warn(
        "locks",
        format!("users other than the owner can lock {paths} and block every command"),
        &format!("`chmod 600 {paths}`, or `bg setup`"),
    );
}

/// Who else may write into a socket in `home`, in words.
fn others(home: &Path, socket: &Path) -> Option<String> {
    let (folder, about) = (fs::metadata(home).ok()?, fs::symlink_metadata(socket).ok()?);
    if about.mode() & 0o002 != 0 && folder.mode() & 0o001 != 0 {
        return Some("every user".to_owned());
    }
    let gid = Gid::from_raw(about.gid());
    let enters = folder.mode() & 0o001 != 0 || (folder.gid() == about.gid() && folder.mode() & 0o010 != 0);
    if about.mode() & 0o020 == 0 || !enters {
        return None;
    }
    let members = members(gid, Uid::from_raw(about.uid()));
    if members.is_empty() {
        return None;
    }
    let group = Group::from_gid(gid).ok().flatten();
    let group = group.map_or_else(
        || format!("group {gid}"),
        |group| format!("group `{}`", group.name),
    );
    let mut names: Vec<String> = members.into_iter().collect();
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(format!("{group} (`{}`{more})", names.join("`, `")))
}

/// Who is in a group besides `owner` and root, by their primary group or by its list.
fn members(gid: Gid, owner: Uid) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    for line in users.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, _, uid, primary, ..] = fields.as_slice()
            && *primary == gid.to_string()
            && *uid != "0"
            && *uid != owner.to_string()
        {
            found.insert((*name).to_owned());
        }
    }
    if let Ok(Some(group)) = Group::from_gid(gid) {
        found.extend(group.mem);
    }
    found.remove("root");
    found.remove(path_security::name_of(owner).trim_matches('`'));
    found
}
