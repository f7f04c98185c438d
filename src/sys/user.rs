//! Who this process is on the system: giving rights up for good, or for a while.

use std::ffi::CString;
use std::io;
use std::path::Path;

use nix::unistd::{
    Gid, Uid, User, getegid, getgrouplist, getgroups, initgroups, setegid, seteuid, setgid, setgroups, setuid,
};

use crate::{command, path_security};

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
pub struct AsUser {
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
pub fn as_user(user: &User) -> Result<AsUser, nix::Error> {
    let name = CString::new(user.name.clone()).map_err(|_| nix::Error::EINVAL)?;
    take(user.uid, user.gid, || getgrouplist(&name, user.gid))
}

/// Takes the rights of whoever can have put `path` where it is, or can put another in its
/// place. Where that is root alone, or this is not root, nothing changes.
///
/// # Errors
/// When that can be several users, or the system refuses.
pub fn as_author(path: &Path) -> io::Result<AsUser> {
    if !Uid::effective().is_root() {
        return Ok(AsUser { back: None });
    }
    let Some(uid) = path_security::author(path).map_err(io::Error::other)? else {
        return Ok(AsUser { back: None });
    };
    match User::from_uid(uid) {
        Ok(Some(user)) => Ok(as_user(&user)?),
        // Nobody's, as a file that was unpacked: the number alone, in no group of root's.
        _ => Ok(take(uid, Gid::from_raw(uid.as_raw()), || Ok(Vec::new()))?),
    }
}

fn take(
    uid: Uid,
    gid: Gid,
    groups: impl FnOnce() -> Result<Vec<Gid>, nix::Error>,
) -> Result<AsUser, nix::Error> {
    if !Uid::effective().is_root() || uid.is_root() {
        return Ok(AsUser { back: None });
    }
    let back = Back {
        groups: getgroups()?,
        gid: getegid(),
    };
    let theirs = groups()?;
    // From here on a failure drops this, and so puts everything back.
    let as_user = AsUser { back: Some(back) };
    setgroups(&theirs)?;
    setegid(gid)?;
    seteuid(uid)?;
    Ok(as_user)
}

impl Drop for AsUser {
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
