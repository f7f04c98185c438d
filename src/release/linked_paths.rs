//! Files and folders that outlive releases, linked from `shared` into each of them.

pub mod changes;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use model::path::plain;
use sys::fault;
use sys::store::{self, FileError};

/// What linking had to bring into being below `shared`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// New, empty folders.
    pub created: Vec<PathBuf>,
    /// What the checkout had there, now the first shared copy.
    pub seeded: Vec<PathBuf>,
}

/// A shared file or folder that cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// A path of `shared` that leads elsewhere.
    #[error("`{}` in `shared` must be a relative path without `..`", .0.display())]
    Elsewhere(PathBuf),
    /// A file that only the user can create.
    #[error("there is no `{}`: create it, or end its name with `/` in `shared` if it is a folder", .0.display())]
    Missing(PathBuf),
    /// The repository has something else than a folder on the way.
    #[error("`{}` in `shared` lies behind `{}`, which is no folder in this commit", .path.display(), .parent.display())]
    Blocked {
        /// The path in `shared`.
        path: PathBuf,
        /// What is in its way, relative to the release.
        parent: PathBuf,
    },
    /// A file or folder cannot be changed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Links each path of `list` from the folder `shared` into `release`. What is shared wins over
/// what the checkout has there, which is removed; where nothing is shared yet the checkout's
/// copy becomes it. With neither, an empty folder is created for a path that ends with `/`
/// or has no extension; a missing file is the user's to create.
///
/// # Errors
/// When a path leads elsewhere, a file is missing, or the disk fails.
pub fn link_shared(list: &[PathBuf], shared: &Path, release: &Path) -> Result<Linked, SharedError> {
    let mut linked = Linked::default();
    let mut done: BTreeSet<PathBuf> = BTreeSet::new();
    // Sorted by components, a folder comes before what lies in it.
    let sorted: BTreeSet<&PathBuf> = list.iter().collect();
    for path in sorted {
        let plain = inside(path)?;
        let covered = plain.ancestors().any(|ancestor| done.contains(ancestor));
        // Behind a link that was just made, the checkout has nothing of its own.
        let in_checkout = !covered && real_parent(&plain, release)? && exists(&release.join(&plain));
        if !exists(&shared.join(&plain)) {
            let seed = in_checkout.then(|| release.join(&plain));
            bring_about(path, &shared.join(&plain), seed.as_deref())?;
            let list = if in_checkout {
                &mut linked.seeded
            } else {
                &mut linked.created
            };
            list.push(plain.clone());
        }
        if !covered {
            link(&plain, shared, release)?;
            done.insert(plain);
        }
    }
    Ok(linked)
}

/// Fails where [`link_shared`] would for want of a file: one that neither `shared` nor `commit`
/// has, which are the paths of `list` that are in the commit.
///
/// # Errors
/// Which file is missing.
pub fn missing(list: &[PathBuf], shared: &Path, commit: &BTreeSet<PathBuf>) -> Result<(), SharedError> {
    let sorted: BTreeSet<&PathBuf> = list.iter().collect();
    for path in sorted {
        let plain = inside(path)?;
        let source = shared.join(&plain);
        if !exists(&source) && !commit.contains(&plain) && !is_folder_name(path) {
            return Err(SharedError::Missing(source));
        }
    }
    Ok(())
}

fn inside(path: &Path) -> Result<PathBuf, SharedError> {
    let inside = plain(path);
    let stays = inside
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match stays && !inside.as_os_str().is_empty() {
        true => Ok(inside),
        false => Err(SharedError::Elsewhere(path.to_owned())),
    }
}

/// Makes `source` below `shared`, out of `seed` if the checkout has one.
fn bring_about(path: &Path, source: &Path, seed: Option<&Path>) -> Result<(), SharedError> {
    if seed.is_none() && !is_folder_name(path) {
        return Err(SharedError::Missing(source.to_owned()));
    }
    let parent = source.parent().unwrap_or(source);
    fs::create_dir_all(parent).map_err(FileError::at("create the folder", parent))?;
    match seed {
        Some(seed) => fault::file("share", source)
            .and_then(|()| fs::rename(seed, source))
            .map_err(FileError::at("move the checkout's copy to", source))?,
        None => fs::create_dir(source).map_err(FileError::at("create the folder", source))?,
    }
    Ok(())
}

/// `.env` has no extension either, and is a file.
fn is_folder_name(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    text.ends_with(b"/") || (path.extension().is_none() && !hidden)
}

fn link(plain: &Path, shared: &Path, release: &Path) -> Result<(), SharedError> {
    let place = release.join(plain);
    let parent = place.parent().unwrap_or(release);
    fs::create_dir_all(parent).map_err(FileError::at("create the folder", parent))?;
    store::remove_tree(&place)?;
    fault::file("share", &place)
        .and_then(|()| symlink(shared.join(plain), &place))
        .map_err(FileError::at("create the link", &place))?;
    Ok(())
}

/// Whether all folders above `plain` are there, as folders of the release itself: a link on
/// the way would have us change files outside of it.
fn real_parent(plain: &Path, release: &Path) -> Result<bool, SharedError> {
    let mut parents: Vec<&Path> = plain.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents {
        let folder = release.join(parent);
        match fs::symlink_metadata(&folder) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => {
                return Err(SharedError::Blocked {
                    path: plain.to_owned(),
                    parent: parent.to_owned(),
                });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(FileError::at("read", &folder)(error).into()),
        }
    }
    Ok(true)
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::linked_paths::*;

    struct Place {
        _temp: tempfile::TempDir,
        shared: PathBuf,
        release: PathBuf,
    }

    impl Place {
        fn new() -> Place {
            let temp = tempfile::tempdir().unwrap();
            let (shared, release) = (temp.path().join("shared"), temp.path().join("release"));
            fs::create_dir(&shared).unwrap();
            fs::create_dir(&release).unwrap();
            Place {
                _temp: temp,
                shared,
                release,
            }
        }

        fn link(&self, list: &[&str]) -> Result<Linked, SharedError> {
            let list: Vec<PathBuf> = list.iter().map(PathBuf::from).collect();
            link_shared(&list, &self.shared, &self.release)
        }
    }

    fn write(path: PathBuf, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn what_is_shared_wins_over_the_checkout() {
        let place = Place::new();
        write(place.shared.join("instance/app.db"), "kept");
        write(place.release.join("instance/app.db"), "from the repository");
        assert_eq!(place.link(&["instance/app.db"]).unwrap(), Linked::default());
        let linked = place.release.join("instance/app.db");
        assert_eq!(
            fs::read_link(&linked).unwrap(),
            place.shared.join("instance/app.db")
        );
        assert_eq!(fs::read_to_string(linked).unwrap(), "kept");
    }

    #[test]
    fn an_absent_shared_folder_starts_with_the_checkouts_copy_or_empty() {
        let place = Place::new();
        write(place.release.join("uploads/default.png"), "picture");
        let linked = place.link(&["uploads", "var/cache", "media.d/"]).unwrap();
        assert_eq!(linked.seeded, [PathBuf::from("uploads")]);
        assert_eq!(
            linked.created,
            [PathBuf::from("media.d"), PathBuf::from("var/cache")]
        );
        assert_eq!(
            fs::read_to_string(place.shared.join("uploads/default.png")).unwrap(),
            "picture"
        );
        assert!(place.release.join("uploads/default.png").is_file());
        write(place.release.join("media.d/new"), "");
        assert!(place.shared.join("media.d/new").is_file());
    }

    #[test]
    fn a_missing_file_is_named() {
        let place = Place::new();
        for name in [".env", "config/settings.toml"] {
            let error = place.link(&[name]).unwrap_err();
            let expected = format!("there is no `{}`: create it", place.shared.join(name).display());
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_folder_and_a_folder_in_it_are_one_link() {
        let place = Place::new();
        place.link(&["data/uploads", "data"]).unwrap();
        assert!(place.shared.join("data/uploads").is_dir());
        assert!(!exists(&place.shared.join("data/uploads/uploads")));
        assert!(
            fs::symlink_metadata(place.shared.join("data/uploads"))
                .unwrap()
                .is_dir()
        );
        assert_eq!(
            fs::read_link(place.release.join("data")).unwrap(),
            place.shared.join("data")
        );
    }

    #[test]
    fn no_path_leads_out() {
        let place = Place::new();
        write(place.release.join("file"), "");
        symlink(&place.shared, place.release.join("link")).unwrap();
        for path in ["../x", "/etc", "a/../../b", "", "."] {
            let error = place.link(&[path]).unwrap_err();
            assert!(matches!(error, SharedError::Elsewhere(_)), "{path}: {error}");
        }
        for path in ["file/x", "link/x"] {
            let error = place.link(&[path]).unwrap_err();
            assert!(matches!(error, SharedError::Blocked { .. }), "{path}: {error}");
        }
        assert_eq!(fs::read_dir(&place.shared).unwrap().count(), 0);
    }
}
