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
            (group.name == user.name).then_some(group.gid)
        });
        Keeper { uid, own_group }
    }

    fn owns(self, about: &Metadata) -> bool {
        about.uid() == 0 || about.uid() == self.uid.as_raw()
    }

    /// Whether somebody else may write; the keeper's own group is the keeper.
    fn shares(self, about: &Metadata) -> bool {
        let is_own = |gid: Gid| gid.as_raw() == about.gid();
        let own_group = about.gid() == 0 || self.own_group.is_some_and(is_own);
        about.mode() & 0o002 != 0 || (about.mode() & 0o020 != 0 && !own_group)
    }
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

    /// What the second of two users could put there is neither root's word nor the first one's.
    #[test]
    fn a_path_has_one_author_or_none_that_could_be_named() {
        if !Uid::effective().is_root() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        mode(temp.path(), 0o755);
        let (folder, file) = (temp.path().join("folder"), temp.path().join("folder/file"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "").unwrap();
        let link = temp.path().join("link");
        symlink(&file, &link).unwrap();
        let own = |path: &Path, uid: u32| std::os::unix::fs::lchown(path, Some(uid), Some(0)).unwrap();
        let table = [
            // folder, file, link: who is the author through the link
            (0, 0, 0, Some(None)),
            (65534, 65534, 0, Some(Some(65534))),
            (0, 65534, 0, Some(Some(65534))),
            (65534, 0, 0, Some(Some(65534))),
            (0, 0, 65534, Some(Some(65534))),
            (33, 65534, 0, None),
            (65534, 65534, 33, None),
        ];
        for (of_folder, of_file, of_link, expected) in table {
            own(&folder, of_folder);
            own(&file, of_file);
            own(&link, of_link);
            let found = author(&link).ok().map(|uid| uid.map(Uid::as_raw));
            assert_eq!(found, expected, "{of_folder} {of_file} {of_link}");
        }
        assert_eq!(table.len(), 7);
        own(&link, 0);
        own(&folder, 65534);
        own(&file, 65534);
        mode(&folder, 0o777);
        assert!(author(&link).is_err(), "everybody can replace the file");
        mode(&folder, 0o755);
        mode(&file, 0o664);
        nix::unistd::chown(&file, None, Some(Gid::from_raw(100))).unwrap();
        assert!(author(&link).is_err(), "a group of others can write it");
    }

    #[test]
    fn what_is_missing_is_made_where_only_root_can_make_a_name() {
        if !Uid::effective().is_root() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        mode(temp.path(), 0o755);
        let missing = temp.path().join("templates/route.conf.tera");
        roots_to_make(&missing).unwrap();
        mode(temp.path(), 0o1777);
        assert_eq!(roots_to_make(&missing).unwrap_err().place(), temp.path());
        mode(temp.path(), 0o755);
        nix::unistd::chown(temp.path(), Some(Uid::from_raw(65534)), None).unwrap();
        assert!(roots_to_make(&missing).is_err());
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
