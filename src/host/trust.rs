//! What may be relied upon: a path that nobody but its keeper can change, looked at on the
//! whole way to it. What root runs, or has parsed, must be root's alone.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Uid, User};

/// A symlink may lead to another one this often; the kernel allows 40.
const MOST_LINKS: u32 = 40;

/// Who may change a path; root always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    uid: Uid,
    gid: Gid,
}

impl Keeper {
    /// Root, and nobody else.
    pub const ROOT: Keeper = Keeper {
        uid: Uid::from_raw(0),
        gid: Gid::from_raw(0),
    };

    /// The user with this id.
    #[must_use]
    pub fn user(uid: Uid) -> Keeper {
        let known = User::from_uid(uid).ok().flatten();
        Keeper {
            uid,
            gid: known.map_or(Gid::from_raw(0), |user| user.gid),
        }
    }

    fn owns(self, about: &Metadata) -> bool {
        about.uid() == 0 || about.uid() == self.uid.as_raw()
    }

    /// Whether somebody else may write; the keeper's own group is the keeper.
    fn shares(self, about: &Metadata) -> bool {
        let own_group = about.gid() == 0 || about.gid() == self.gid.as_raw();
        about.mode() & 0o002 != 0 || (about.mode() & 0o020 != 0 && !own_group)
    }
}

/// A path that somebody else can change.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// By its owner.
    #[error("`{}` belongs to {owner}", .path.display())]
    Foreign {
        /// The place on the way.
        path: PathBuf,
        /// Who that is.
        owner: String,
    },
    /// By everybody, or a group.
    #[error("`{}` can be written by others (mode {mode:04o})", .path.display())]
    Open {
        /// The place on the way.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
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
            Untrusted::Endless(path) => path,
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
    let real = walk(Path::new("/"), path, keeper, MOST_LINKS)?;
    let about = look(&real)?;
    if keeper.shares(&about) {
        return Err(open(real, &about));
    }
    Ok(real)
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

fn look(path: &Path) -> Result<Metadata, Untrusted> {
    fs::symlink_metadata(path).map_err(|source| Untrusted::Unseen {
        path: path.to_owned(),
        source,
    })
}

fn foreign(path: PathBuf, about: &Metadata) -> Untrusted {
    Untrusted::Foreign {
        path,
        owner: name_of(Uid::from_raw(about.uid())),
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
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn me() -> Keeper {
        Keeper::user(Uid::effective())
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn every_folder_on_the_way_counts() {
        let temp = tempfile::tempdir().unwrap();
        let inner = temp.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let file = inner.join("file");
        fs::write(&file, "").unwrap();
        mode(&file, 0o644);
        assert_eq!(alone(&file, me()).unwrap(), file.canonicalize().unwrap());
        let outer = temp.path().join("a");
        for (place, bad, good) in [
            (&file, 0o646, 0o644),
            (&inner, 0o777, 0o755),
            (&outer, 0o757, 0o755),
        ] {
            mode(place, bad);
            assert_eq!(alone(&file, me()).unwrap_err().place(), place, "{bad:o}");
            mode(place, good);
        }
        // What others cannot take away may lie beside what they add, and not hold it.
        mode(&outer, 0o1777);
        alone(&file, me()).unwrap();
        assert!(alone(&outer, me()).is_err());
    }

    #[test]
    fn a_link_is_followed_and_what_it_passes_counts() {
        let temp = tempfile::tempdir().unwrap();
        let (open, safe) = (temp.path().join("open"), temp.path().join("safe"));
        for folder in [&open, &safe] {
            fs::create_dir(folder).unwrap();
            mode(folder, 0o755);
            fs::write(folder.join("file"), "").unwrap();
        }
        let link = safe.join("link");
        symlink("../open/file", &link).unwrap();
        let real = open.join("file").canonicalize().unwrap();
        assert_eq!(alone(&link, me()).unwrap(), real);
        mode(&open, 0o777);
        assert_eq!(alone(&link, me()).unwrap_err().place(), real.parent().unwrap());
        symlink("round", safe.join("round")).unwrap();
        assert!(matches!(
            alone(&safe.join("round"), me()),
            Err(Untrusted::Endless(_))
        ));
        assert!(alone(&safe.join("none"), me()).unwrap_err().is_missing());
    }

    #[test]
    fn what_is_not_roots_is_not_roots_alone() {
        let temp = tempfile::tempdir().unwrap();
        let mine = temp.path().join("mine");
        fs::create_dir(&mine).unwrap();
        if !Uid::effective().is_root() {
            assert!(matches!(roots_alone(&mine), Err(Untrusted::Foreign { .. })));
            return;
        }
        roots_alone(&mine).unwrap();
        nix::unistd::chown(&mine, Some(Uid::from_raw(65534)), None).unwrap();
        let error = roots_alone(&mine).unwrap_err();
        assert!(matches!(error, Untrusted::Foreign { .. }), "{error}");
        fs::write(mine.join("file"), "").unwrap();
        assert_eq!(roots_alone(&mine.join("file")).unwrap_err().place(), mine);
    }
}
