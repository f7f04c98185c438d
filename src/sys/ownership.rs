//! Folders that root gives to an app's owner, and takes back. Neither follows anything that
//! somebody else could have planted: what is not root's alone is left to its owner's rights.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};

use crate::path_security::{self, Untrusted};
use crate::store::{self, FileError};
use crate::user;

/// Where a new folder of somebody else's could change what root runs.
const SYSTEM: [&str; 19] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/spool",
];

/// What is ours below one of those.
const OURS: &str = "/var/lib/bluegreen";

/// A folder that was not given away or taken back.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// It is the system's.
    #[error("refusing to chown a system folder: `{}`", .0.display())]
    System(PathBuf),
    /// It is neither root's nor the owner's.
    #[error("`{}` belongs to {owner}", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Who that is.
        owner: String,
    },
    /// It is root's, and nobody knows what for.
    #[error("refusing to chown `{}` to `{owner}`: it belongs to root, and `bg` did not create it", .path.display())]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// Who would get it.
        owner: String,
    },
    /// There is something in it that an app does not have.
    #[error("refusing to chown `{}`: it holds `{name}`, which is not part of an app", .path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// Somebody else can change it while root does.
    #[error("path is writable by other users")]
    Untrusted(#[from] Untrusted),
    /// Something in it could not be removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn refused(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OwnershipError + use<> {
    let path = path.to_owned();
    move |source| OwnershipError::Io { what, path, source }
}

/// Whose doing a folder of root's is that stands where an owner's belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// An earlier run of this program: the registry knows the folder.
    Us,
    /// Somebody else, for what they know.
    Unknown,
}

/// Makes `folder` where it is missing, and gives it to the owner. One of root's that is there
/// is given only if we have made it, and while it holds nothing but `names`. Only root gives
/// anything away, and only to somebody else.
///
/// # Errors
/// When it is somebody else's, or others could turn root's hand.
pub fn give(folder: &Path, owner: &User, names: &[&str], maker: Maker) -> Result<(), OwnershipError> {
    if !is_roots_to_give(owner) {
        if Uid::effective().is_root() {
            path_security::roots_to_make(folder)?;
        }
        return fs::create_dir_all(folder).map_err(refused("made", folder));
    }
    let Ok(about) = fs::metadata(folder) else {
        return make(folder, owner);
    };
    match (about.uid(), maker) {
        (uid, _) if uid == owner.uid.as_raw() => Ok(()),
        (0, Maker::Us) => {
            let real = path_security::roots_alone(folder)?;
            outside_the_system(&real)?;
            holds_only(&real, names)?;
            give_what_is_in(&real, owner, 2)?;
            give_one(&real, owner)
        }
        (0, Maker::Unknown) => Err(OwnershipError::NotMade {
            path: folder.to_owned(),
            owner: owner.name.clone(),
        }),
        (uid, _) => Err(OwnershipError::Foreign {
            path: folder.to_owned(),
            owner: path_security::name_of(Uid::from_raw(uid)),
        }),
    }
}

fn is_roots_to_give(owner: &User) -> bool {
    Uid::effective().is_root() && !owner.uid.is_root()
}

/// With the owner's rights where those are enough; else by root, below what is root's alone.
fn make(folder: &Path, owner: &User) -> Result<(), OwnershipError> {
    {
        let _rights = user::as_user(owner)
            .map_err(io::Error::from)
            .map_err(refused("made", folder))?;
        if fs::create_dir_all(folder).is_ok() {
            return Ok(());
        }
    }
    let there = above(folder);
    let rest = folder.strip_prefix(there).unwrap_or(folder);
    let real = path_security::roots_alone(there)?;
    outside_the_system(&real.join(rest))?;
    // Nobody else can make a name in a folder of root's, nor in those that are made here.
    let mut made = real;
    for name in rest.components() {
        let Component::Normal(name) = name else {
            return Err(OwnershipError::System(folder.to_owned()));
        };
        made.push(name);
        DirBuilder::new()
            .mode(0o755)
            .create(&made)
            .map_err(refused("made", folder))?;
    }
    let held = hold(&made).map_err(refused("given away", folder))?;
    fchown(&held, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))
        .and_then(|()| held.set_permissions(Permissions::from_mode(0o755)))
        .map_err(refused("given away", folder))
}

/// The nearest that is there.
fn above(folder: &Path) -> &Path {
    let mut all = folder.ancestors();
    all.find(|above| fs::symlink_metadata(above).is_ok())
        .unwrap_or(Path::new("/"))
}

fn outside_the_system(real: &Path) -> Result<(), OwnershipError> {
    let is_ours = real.starts_with(OURS) && real != Path::new(OURS);
    match !is_ours && SYSTEM.iter().any(|system| real.starts_with(system)) {
        true => Err(OwnershipError::System(real.to_owned())),
        false => Ok(()),
    }
}

fn holds_only(folder: &Path, names: &[&str]) -> Result<(), OwnershipError> {
    for entry in fs::read_dir(folder).map_err(refused("read", folder))? {
        let name = entry.map_err(refused("read", folder))?.file_name();
        if !name.to_str().is_some_and(|name| names.contains(&name)) {
            return Err(OwnershipError::Occupied {
                path: folder.to_owned(),
                name: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// What lies in a folder that is still root's alone, the inner before the outer. What is
/// somebody's already, or has another name elsewhere, stays as it is.
fn give_what_is_in(folder: &Path, owner: &User, depth: usize) -> Result<(), OwnershipError> {
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(refused("read", folder))?.flatten() {
        let path = entry.path();
        let about = entry.metadata().map_err(refused("read", &path))?;
        if about.uid() != 0 || (!about.is_dir() && about.nlink() > 1) {
            continue;
        }
        if about.is_dir() && about.mode() & 0o022 == 0 {
            give_what_is_in(&path, owner, depth - 1)?;
        }
        give_one(&path, owner)?;
    }
    Ok(())
}

fn give_one(path: &Path, owner: &User) -> Result<(), OwnershipError> {
    lchown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).map_err(refused("given away", path))
}

/// Closes a folder of our own that others can write in, as one that was made under a loose
/// umask. What is somebody else's, or is not there, stays as it is.
///
/// # Errors
/// When the system refuses.
pub fn close(folder: &Path) -> Result<(), OwnershipError> {
    let Ok(held) = hold(folder) else { return Ok(()) };
    let about = held.metadata().map_err(refused("read", folder))?;
    let is_shared = about.mode() & 0o1000 != 0;
    if is_shared || about.uid() != Uid::effective().as_raw() || about.mode() & 0o022 == 0 {
        return Ok(());
    }
    let closed = Permissions::from_mode(about.mode() & 0o7755);
    held.set_permissions(closed).map_err(refused("closed", folder))
}

/// Makes `folder` where it is missing, and root's alone with all that is in it, as a folder
/// whose files NGINX parses must be. What it holds stays in its place, so that NGINX can
/// look through it meanwhile; links and folders where files belong go.
///
/// # Errors
/// When it holds anything but `names`, or lies where others can write.
pub fn keep(folder: &Path, names: &[&str]) -> Result<(), OwnershipError> {
    if !Uid::effective().is_root() {
        return fs::create_dir_all(folder).map_err(refused("made", folder));
    }
    if fs::symlink_metadata(folder).is_err() {
        path_security::roots_alone(above(folder))?;
        fs::create_dir_all(folder).map_err(refused("made", folder))?;
    }
    path_security::roots_alone(folder.parent().unwrap_or(Path::new("/")))?;
    outside_the_system_or_kept(folder)?;
    holds_only(folder, names)?;
    take(folder)?;
    for entry in fs::read_dir(folder).map_err(refused("read", folder))?.flatten() {
        if entry.file_name() != "answers" {
            take_entry(&entry.path(), names)?;
        }
    }
    path_security::roots_alone(folder)?;
    Ok(())
}

/// A folder of somebody else's that is none of an app's is not taken from them.
fn outside_the_system_or_kept(folder: &Path) -> Result<(), OwnershipError> {
    match fs::symlink_metadata(folder) {
        Ok(about) if about.uid() == 0 => Ok(()),
        _ => outside_the_system(folder),
    }
}

fn take_entry(path: &Path, names: &[&str]) -> Result<(), OwnershipError> {
    let about = fs::symlink_metadata(path).map_err(refused("read", path))?;
    if about.is_symlink() {
        return take_link(path, names);
    }
    if !about.is_dir() {
        // Written anew by whoever asked for this: its owner may have it open.
        return Ok(());
    }
    take(path)?;
    for inner in fs::read_dir(path).map_err(refused("read", path))?.flatten() {
        let kind = inner.file_type().map_err(refused("read", &inner.path()))?;
        if !kind.is_file() {
            store::remove_tree(&inner.path())?;
        }
    }
    Ok(())
}

/// Where a link points cannot be changed, only the link replaced, and its folder is root's
/// by now. The live link and its spares are links, and nothing else is.
fn take_link(path: &Path, names: &[&str]) -> Result<(), OwnershipError> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let target = fs::read_link(path).map_err(refused("read", path))?;
    let is_ours = (name == "live" || name.starts_with('.'))
        && target.to_str().is_some_and(|target| names.contains(&target));
    match is_ours {
        true => lchown(path, Some(0), Some(0)).map_err(refused("taken back", path)),
        false => Ok(store::remove_tree(path)?),
    }
}

fn take(folder: &Path) -> Result<(), OwnershipError> {
    let held = hold(folder).map_err(refused("taken back", folder))?;
    fchown(&held, Some(0), Some(0))
        .and_then(|()| held.set_permissions(Permissions::from_mode(0o755)))
        .map_err(refused("taken back", folder))
}

/// The folder itself, never what a link in its place leads to.
fn hold(folder: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(folder)
}
