//! Who this process is on the system: giving rights up for good, or for a while.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{
    Gid, Uid, User, getegid, getgrouplist, getgroups, initgroups, setegid, seteuid, setgid, setgroups, setuid,
};

use crate::host::command;

/// Becomes `user` with their groups and nothing else; programs that are started from here
/// on find that user's home. There is no way back.
///
/// # Errors
/// When the system refuses, as it does for anybody but root.
pub fn become_user(user: &User) -> Result<(), nix::Error> {
    let name = CString::new(user.name.clone()).map_err(|_| nix::Error::EINVAL)?;
    initgroups(&name, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    command::act_as(user);
    Ok(())
}

/// While it is there, this process has the rights of another user and none of root's: what
/// that user planted (a link in place of a file, a file in place of a folder) leads only
/// where they may go themselves. Dropping it gives root's rights back. No program may be
/// started meanwhile: it could take them back too.
#[derive(Debug)]
#[must_use = "the rights are given back when it is dropped"]
pub struct Borrowed {
    back: Option<Back>,
}

#[derive(Debug)]
struct Back {
    groups: Vec<Gid>,
    gid: Gid,
}

/// Takes the rights of `user`. For anybody but root, and for root itself, nothing changes.
///
/// # Errors
/// When the system refuses.
pub fn borrow(user: &User) -> Result<Borrowed, nix::Error> {
    let name = CString::new(user.name.clone()).map_err(|_| nix::Error::EINVAL)?;
    take(user.uid, user.gid, || getgrouplist(&name, user.gid))
}

/// Takes the rights of whoever can have put `path` where it is: the owner of its folder, or
/// its own. Where both are root's, or this is not root, nothing changes.
///
/// # Errors
/// When the system refuses.
pub fn borrow_from_owner_of(path: &Path) -> Result<Borrowed, nix::Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let abouts = [
        std::fs::metadata(folder.unwrap_or(Path::new("."))),
        std::fs::symlink_metadata(path),
    ];
    let Some(about) = abouts.into_iter().flatten().find(|about| about.uid() != 0) else {
        return Ok(Borrowed { back: None });
    };
    let uid = Uid::from_raw(about.uid());
    match User::from_uid(uid) {
        Ok(Some(user)) => borrow(&user),
        _ => take(uid, Gid::from_raw(about.gid()), || Ok(Vec::new())),
    }
}

fn take(
    uid: Uid,
    gid: Gid,
    groups: impl FnOnce() -> Result<Vec<Gid>, nix::Error>,
) -> Result<Borrowed, nix::Error> {
    if !Uid::effective().is_root() || uid.is_root() {
        return Ok(Borrowed { back: None });
    }
    let back = Back {
        groups: getgroups()?,
        gid: getegid(),
    };
    let theirs = groups()?;
    // From here on a failure drops this, and so puts everything back.
    let borrowed = Borrowed { back: Some(back) };
    setgroups(&theirs)?;
    setegid(gid)?;
    seteuid(uid)?;
    Ok(borrowed)
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(back) = &self.back else { return };
        let restored = seteuid(Uid::from_raw(0))
            .and_then(|()| setegid(back.gid))
            .and_then(|()| setgroups(&back.groups));
        if restored.is_err() {
            // Half one user and half another is nobody to go on as.
            std::process::abort();
        }
    }
}
