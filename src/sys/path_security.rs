//! What may be relied upon: a path that nobody but its keeper can change, looked at on the
//! whole way to it. What root runs, or has parsed, must be root's alone.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// A symlink may lead to another one this often; the kernel allows 40.
const MOST_LINKS: u32 = 40;

/// Who may change a path; root always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    uid: Uid,
    /// A group that has nobody else in it, as far as its name tells.
    own_group: Option<Gid>,
}

impl Keeper {
    /// Root, and nobody else.
    pub const ROOT: Keeper = Keeper {
        uid: Uid::from_raw(0),
        own_group: None,
    };

    /// The user with this id. Their primary group is theirs alone where it has their name, as
    /// `useradd` makes it: `users`, or `staff`, has others in it.
    #[must_use]
    pub fn user(uid: Uid) -> Keeper {
        let known = User::from_uid(uid).ok().flatten();
        let own_group = known.and_then(|user| {
            let group = Group::from_gid(user.gid).ok().flatten()?;
            let alone = group.mem.iter().all(|member| *member == user.name);
            (group.name == user.name && alone).then_some(group.gid)
        });
        Keeper { uid, own_group }
    }

    fn owns(self, about: &Metadata) -> bool {
        about.uid() == 0 || about.uid() == self.uid.as_raw()
    }

    /// Whether somebody else may write; the keeper's own group is the keeper.
    fn shares(self, about: &Metadata) -> bool {
        let is_own = |gid: Gid| gid.as_raw() == about.gid();
        // Asked last: it reads the host's list of groups.
        let own_group = || self.own_group.is_some_and(is_own) || (about.gid() == 0 && is_roots_group());
        about.mode() & 0o002 != 0 || (about.mode() & 0o020 != 0 && !own_group())
    }
}

/// Whether root's group has nobody else in it.
fn is_roots_group() -> bool {
    let group = Group::from_gid(Gid::from_raw(0)).ok().flatten();
    group.is_none_or(|group| group.mem.iter().all(|member| member == "root"))
}

/// A path that somebody else can change.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// By its owner.
    #[error("`{}` belongs to {}", .path.display(), name_of(*.owner))]
    Foreign {
        /// The place on the way.
        path: PathBuf,
        /// Who that is.
        owner: Uid,
    },
    /// By everybody, or a group.
    #[error("`{}` is writable by other users (mode {mode:04o})", .path.display())]
    Open {
        /// The place on the way.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It leads where the kernel says, which is not what it reads as.
    #[error("`{}` is a link of the kernel's, which leads elsewhere than it says", .0.display())]
    Magic(PathBuf),
    /// It leads round and round.
    #[error("`{}` is a link without an end", .0.display())]
    Endless(PathBuf),
    /// It cannot be looked at.
    #[error("`{}` cannot be looked at", .path.display())]
    Unseen {
        /// The place on the way.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Untrusted {
    /// The place on the way that is wrong.
    #[must_use]
    pub fn place(&self) -> &Path {
        match self {
            Untrusted::Foreign { path, .. }
            | Untrusted::Open { path, .. }
            | Untrusted::Unseen { path, .. } => path,
            Untrusted::Magic(path) | Untrusted::Endless(path) => path,
        }
    }

    /// For who minds what others can change, and not that there is nothing yet.
    ///
    /// # Errors
    /// Itself, but where there is simply nothing.
    pub fn unless_missing(self) -> Result<(), Untrusted> {
        match self.is_missing() {
            true => Ok(()),
            false => Err(self),
        }
    }

    /// Whether there is simply nothing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Untrusted::Unseen { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// Looks at `path`, at every folder and at every link on the way: all of them are root's,
/// and nobody else can write. Says where it really leads.
///
/// # Errors
/// The first place that somebody else can change, or that is not there.
pub fn roots_alone(path: &Path) -> Result<PathBuf, Untrusted> {
    alone(path, Keeper::ROOT)
}

/// The same for what `keeper` may change too.
///
/// # Errors
/// As [`roots_alone`].
pub fn alone(path: &Path, keeper: Keeper) -> Result<PathBuf, Untrusted> {
    let whole = std::path::absolute(path).map_err(|source| Untrusted::Unseen {
        path: path.to_owned(),
        source,
    })?;
    let real = walk(Path::new("/"), &whole, keeper, MOST_LINKS)?;
    let about = look(&real)?;
    if keeper.shares(&about) {
        return Err(open(real, &about));
    }
    Ok(real)
}

/// The same for what is made where it is missing: then the folder above it is root's alone,
/// and nobody else can make a name in it first.
///
/// # Errors
/// As [`roots_alone`].
pub fn roots_to_make(path: &Path) -> Result<(), Untrusted> {
    match roots_alone(path) {
        Err(error) if error.is_missing() => roots_alone(above(&error)).map(drop),
        looked => looked.map(drop),
    }
}

/// Who else than root can have written `path`, or can put another file in its place: `None`
/// for nobody, one user where it is that one alone. For what is missing: who can make it.
///
/// # Errors
/// Where it can be several: the place that more than one can change. Or when it cannot be
/// looked at.
pub fn author(path: &Path) -> Result<Option<Uid>, Untrusted> {
    match roots_alone(path) {
        Ok(_) => Ok(None),
        Err(Untrusted::Foreign { owner, .. }) => match alone(path, Keeper::user(owner)) {
            Err(error) if error.is_missing() => author(above(&error)),
            looked => looked.map(|_| Some(owner)),
        },
        Err(error) if error.is_missing() => author(above(&error)),
        Err(other) => Err(other),
    }
}

/// The folder in which something is missing.
fn above(missing: &Untrusted) -> &Path {
    missing.place().parent().unwrap_or(Path::new("/"))
}

/// In a folder with the sticky bit, as /tmp, others can add names and change none of ours.
fn walk(from: &Path, path: &Path, keeper: Keeper, links: u32) -> Result<PathBuf, Untrusted> {
    let mut real = from.to_owned();
    for part in path.components() {
        match part {
            Component::RootDir => real = PathBuf::from("/"),
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
            Component::Normal(name) => {
                let next = real.join(name);
                let about = look(&next)?;
                if about.is_symlink() && is_of_the_kernels(&real) {
                    return Err(Untrusted::Magic(next));
                }
                if !keeper.owns(&about) {
                    return Err(foreign(next, &about));
                }
                if about.is_symlink() {
                    let further = links
                        .checked_sub(1)
                        .ok_or_else(|| Untrusted::Endless(next.clone()))?;
                    let target = fs::read_link(&next).map_err(|source| Untrusted::Unseen {
                        path: next.clone(),
                        source,
                    })?;
                    real = walk(&real, &target, keeper, further)?;
                    continue;
                }
                let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
                if keeper.shares(&about) && !sticky {
                    return Err(open(next, &about));
                }
                real = next;
            }
        }
    }
    Ok(real)
}

/// Whether the folder is one of `/proc`'s, wherever that is mounted: `cwd`, `root`, `exe` and
/// `fd/N` there lead into another file system than their text, which is that of another
/// process's view.
fn is_of_the_kernels(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|about| about.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

fn look(path: &Path) -> Result<Metadata, Untrusted> {
    fs::symlink_metadata(path).map_err(|source| Untrusted::Unseen {
        path: path.to_owned(),
        source,
    })
}

fn foreign(path: PathBuf, about: &Metadata) -> Untrusted {
    Untrusted::Foreign {
        path,
        owner: Uid::from_raw(about.uid()),
    }
}

fn open(path: PathBuf, about: &Metadata) -> Untrusted {
    Untrusted::Open {
        path,
        mode: about.mode() & 0o7777,
    }
}

/// A user's name for people, the number where there is none.
#[must_use]
pub fn name_of(uid: Uid) -> String {
    let known = User::from_uid(uid).ok().flatten();
    known.map_or_else(|| format!("user {uid}"), |user| format!("`{}`", user.name))
}

#[cfg(test)]
mod tests;
