//! Who may read an app's source: its owner, and NGINX's workers, which serve files of it. No
//! other user of the host has business there.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Group, User, getgrouplist};

use crate::Nginx;
use crate::dump::Dump;

/// The group of NGINX's workers, as `user` in its configuration has it.
#[must_use]
pub fn of_nginx(dump: &Dump) -> Option<Gid> {
    match dump.workers() {
        [user] => User::from_name(user).ok().flatten().map(|user| user.gid),
        [_, group, ..] => Group::from_name(group).ok().flatten().map(|group| group.gid),
        [] => None,
    }
}

/// Whoever NGINX's workers run as.
#[derive(Clone, Debug)]
pub struct Reader {
    user: User,
    groups: Vec<Gid>,
}

impl Reader {
    /// The running ones; nothing can be said while there are none.
    #[must_use]
    pub fn of_workers(nginx: &Nginx) -> Option<Reader> {
        let worker = nginx.master().ok()?.workers().into_iter().next()?;
        let process = fs::metadata(format!("/proc/{}", worker.pid)).ok()?;
        let user = User::from_uid(process.uid().into()).ok().flatten()?;
        Some(Reader::new(user))
    }

    fn new(user: User) -> Reader {
        let name = CString::new(user.name.clone()).unwrap_or_default();
        let groups = getgrouplist(&name, user.gid).unwrap_or_default();
        Reader { user, groups }
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// Whether its mode lets them through a folder, where there is one.
    #[must_use]
    pub fn may_enter(&self, folder: &Path) -> bool {
        fs::metadata(folder).map_or(true, |about| self.may(&about, 0o1))
    }

    /// Whether its mode lets them read a file, where there is one.
    #[must_use]
    pub fn may_read(&self, file: &Path) -> bool {
        fs::metadata(file).map_or(true, |about| self.may(&about, 0o4))
    }

    fn may(&self, about: &fs::Metadata, bit: u32) -> bool {
        if self.user.uid.is_root() {
            return true;
        }
        let in_its_group = || self.groups.iter().any(|group| group.as_raw() == about.gid());
        let shift = match about.uid() == self.user.uid.as_raw() {
            true => 6,
            false if in_its_group() => 3,
            false => 0,
        };
        about.mode() & (bit << shift) != 0
    }
}

/// Closes the folder `name` in `root` to all but its owner and `group`. Both are `owner`'s or
/// nothing is done: what they are is seen by the very descriptor that is changed, whatever
/// is put in their place meanwhile.
///
/// # Errors
/// When one is missing, is a link or somebody else's, or the system refuses.
pub fn close_to(root: &Path, name: &str, owner: &User, group: Gid) -> io::Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let root = File::from(open(root, flags, Mode::empty())?);
    is_the_owners(&root, owner)?;
    let folder = File::from(openat(&root, name, flags, Mode::empty())?);
    is_the_owners(&folder, owner)?;
    fchown(&folder, None, Some(group.as_raw()))?;
    folder.set_permissions(Permissions::from_mode(0o750))
}

fn is_the_owners(folder: &File, owner: &User) -> io::Result<()> {
    match folder.metadata()?.uid() == owner.uid.as_raw() {
        true => Ok(()),
        false => Err(io::Error::other(format!("it is not `{}`'s", owner.name))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::{Uid, chown};

    use crate::readers::*;

    fn modes(path: &Path) -> (u32, u32) {
        let about = std::fs::metadata(path).unwrap();
        (about.mode() & 0o7777, about.gid())
    }

    #[test]
    fn the_owners_bits_count_before_the_groups_and_those_before_the_others() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        let about = fs::metadata(&file).unwrap();
        let mut owner = User::from_name("nobody").unwrap().unwrap();
        let group = Gid::from_raw(about.gid());
        let reader = |user: &User, groups: &[Gid]| Reader {
            user: user.clone(),
            groups: groups.to_vec(),
        };
        let other = reader(&owner, &[]);
        let member = reader(&owner, &[group]);
        owner.uid = Uid::from_raw(about.uid());
        let itself = (!owner.uid.is_root()).then(|| reader(&owner, &[group]));
        let cases = [
            (0o604, true, false, true),
            (0o640, false, true, true),
            (0o044, true, true, false),
        ];
        for (mode, others, members, owners) in cases {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(other.may_read(&file), others, "{mode:o}");
            assert_eq!(member.may_read(&file), members, "{mode:o}");
            if let Some(itself) = &itself {
                assert_eq!(itself.may_read(&file), owners, "{mode:o}");
            }
        }
    }

    #[test]
    fn a_link_or_a_folder_of_others_keeps_its_group_and_mode() {
        if !Uid::effective().is_root() {
            eprintln!("not tried: giving a folder to a group needs root");
            return;
        }
        let owner = User::from_name("nobody").unwrap().unwrap();
        let base = tempfile::tempdir().unwrap();
        let (root, others) = (base.path().join("root"), base.path().join("others"));
        for folder in [&root, &others, &root.join("releases"), &root.join("theirs")] {
            std::fs::create_dir(folder).unwrap();
            std::fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
        }
        for folder in [&root, &root.join("releases")] {
            chown(folder, Some(owner.uid), Some(owner.gid)).unwrap();
        }
        symlink(&others, root.join("led")).unwrap();
        let group = Gid::from_raw(33);
        close_to(&root, "releases", &owner, group).unwrap();
        assert_eq!(modes(&root.join("releases")), (0o750, 33));
        for name in ["led", "theirs", "missing"] {
            close_to(&root, name, &owner, group).unwrap_err();
        }
        close_to(&others, "releases", &owner, group).unwrap_err();
        assert_eq!(modes(&others), (0o700, 0));
        assert_eq!(modes(&root.join("theirs")), (0o700, 0));
    }
}
