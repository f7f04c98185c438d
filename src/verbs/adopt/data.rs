//! Data that lies in the work tree and not in git: what the next release needs too.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::User;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use crate::host::server_tree::ServerTree;
use crate::host::store::FileError;
use crate::host::user;
use crate::model::failure::Failure;

/// One file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Relative to the work tree, a folder without its last slash.
    pub path: PathBuf,
    /// What it is, in words.
    pub what: String,
}

/// What every Python project leaves lying about.
const LITTER: [&str; 14] = [
    "__pycache__",
    "node_modules",
    "venv",
    "env",
    ".venv",
    "build",
    "dist",
    "logs",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".idea",
    ".vscode",
    ".tox",
];

/// How many files of a folder are looked at.
const LOOKED_AT: usize = 2000;

/// What SQLite writes beside a database that is in use.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Looks for it, with the rights of the work tree's owner.
pub async fn list(tree: &ServerTree, owner: &User) -> Vec<Data> {
    let strangers = tree.strangers().await;
    let Ok(_rights) = user::borrow(owner) else {
        return Vec::new();
    };
    let data = |path: PathBuf| {
        let what = what_is(&tree.top.join(&path))?;
        let path = path.components().collect();
        Some(Data { path, what })
    };
    strangers.into_iter().filter_map(data).collect()
}

fn what_is(path: &Path) -> Option<String> {
    let about = fs::symlink_metadata(path).ok()?;
    let name = path.file_name()?.to_str()?;
    if about.is_dir() {
        let is_litter =
            LITTER.contains(&name) || name.ends_with(".egg-info") || path.join("pyvenv.cfg").exists();
        return match is_litter {
            true => None,
            false => folder(path),
        };
    }
    if !about.is_file() || BESIDE.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    match name {
        _ if name == ".env" || name.starts_with(".env.") => Some("environment file".to_owned()),
        _ if is_sqlite(path) => Some("SQLite database".to_owned()),
        _ => None,
    }
}

fn folder(path: &Path) -> Option<String> {
    let (mut files, mut databases) = (0_usize, 0_usize);
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && entry.file_name() != "__pycache__" {
                folders.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                databases += usize::from(is_sqlite(&entry.path()));
            }
        }
        if files > LOOKED_AT {
            break;
        }
    }
    let more = if files > LOOKED_AT { "more than " } else { "" };
    match (files, databases) {
        (0, _) => None,
        (_, 0) => Some(format!("folder with {more}{}", counted(files, "file"))),
        _ => Some(format!(
            "folder with {more}{}, a SQLite database among them",
            counted(files, "file")
        )),
    }
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn is_sqlite(path: &Path) -> bool {
    let mut first = [0; 16];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && &first == b"SQLite format 3\0"
}

/// Data that was not moved.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    /// It is being written to just now.
    #[error("`{}` is in use: SQLite has `{beside}` beside it, which a move would leave behind", .path.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// The other file.
        beside: String,
    },
    /// No rename goes there.
    #[error("`{}` and `{}` are on different file systems", .from.display(), .to.display())]
    FarAway {
        /// Where it is.
        from: PathBuf,
        /// Where it should go.
        to: PathBuf,
    },
    /// There is something already.
    #[error("`{}` is there already", .0.display())]
    Taken(PathBuf),
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Moves `paths` of the work tree at `top` into `shared`, and leaves a link in the place of
/// each: both change at one instant, so whoever asks by the old name finds it at any time,
/// and what is open stays open.
///
/// # Errors
/// At the first that cannot be moved; those before it stay moved.
pub fn share(top: &Path, shared: &Path, paths: &[PathBuf], owner: &User) -> Result<(), Failure> {
    let _rights = user::borrow(owner)
        .map_err(|error| Failure::failed(format!("cannot act as `{}`", owner.name)).because(error))?;
    for path in paths {
        share_one(&top.join(path), &shared.join(path)).map_err(|error| {
            let hint = match &error {
                MoveError::InUse { .. } => {
                    "move the folder around it instead, or stop the app and move it by hand"
                }
                MoveError::FarAway { .. } => {
                    "put `root` on the same file system, or copy it while the app is stopped"
                }
                _ => "mend that, then `bg adopt --move-data` again",
            };
            Failure::failed(format!("`{}` was not moved into `shared`", path.display()))
                .because(error)
                .hint(hint)
        })?;
    }
    Ok(())
}

fn share_one(from: &Path, to: &Path) -> Result<(), MoveError> {
    let about = fs::symlink_metadata(from).map_err(FileError::at("read", from))?;
    if about.is_symlink() && fs::read_link(from).is_ok_and(|target| target == to) {
        return Ok(());
    }
    if let Some(beside) = BESIDE
        .iter()
        .map(|end| format!("{}{end}", from.display()))
        .find(|at| Path::new(at).exists())
    {
        let path = from.to_owned();
        return Err(MoveError::InUse { path, beside });
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(FileError::at("create the folder", folder))?;
    let there = fs::metadata(folder).map_err(FileError::at("read", folder))?;
    if there.dev() != about.dev() {
        let (from, to) = (from.to_owned(), to.to_owned());
        return Err(MoveError::FarAway { from, to });
    }
    // For a moment it names itself; then it is what stands in the work tree.
    match symlink(to, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::read_link(to) {
            Ok(target) if target == to => {}
            _ => return Err(MoveError::Taken(to.to_owned())),
        },
        made => made.map_err(FileError::at("create the link", to))?,
    }
    exchange(from, to).map_err(FileError::at("move", from))?;
    Ok(())
}

/// Brings moved data back to where it lay; what was never moved is passed over.
///
/// # Errors
/// When the system refuses.
pub fn unshare(top: &Path, shared: &Path, paths: &[PathBuf]) -> Result<(), FileError> {
    for path in paths {
        let (from, to) = (top.join(path), shared.join(path));
        if fs::read_link(&from).is_ok_and(|target| target == to) && !to.is_symlink() {
            exchange(&from, &to).map_err(FileError::at("move back", &from))?;
        }
        if fs::read_link(&to).is_ok_and(|target| target == to) {
            fs::remove_file(&to).map_err(FileError::at("remove", &to))?;
        }
    }
    Ok(())
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> User {
        User::from_uid(nix::unistd::geteuid()).unwrap().unwrap()
    }

    #[test]
    fn what_moves_is_found_by_its_old_name_at_any_time_and_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let (top, shared) = (temp.path().join("site"), temp.path().join("shared"));
        fs::create_dir_all(top.join("instance")).unwrap();
        fs::create_dir(&shared).unwrap();
        fs::write(top.join("instance/app.db"), "rows").unwrap();
        fs::write(top.join(".env"), "A=1").unwrap();
        let paths = [PathBuf::from("instance"), PathBuf::from(".env")];
        let open = fs::File::open(top.join("instance/app.db")).unwrap();
        share(&top, &shared, &paths, &me()).unwrap();
        share(&top, &shared, &paths, &me()).unwrap();
        assert_eq!(
            fs::read_link(top.join("instance")).unwrap(),
            shared.join("instance")
        );
        assert_eq!(fs::read_to_string(top.join("instance/app.db")).unwrap(), "rows");
        let (held, now) = (
            open.metadata().unwrap(),
            fs::metadata(shared.join("instance/app.db")).unwrap(),
        );
        assert_eq!(held.ino(), now.ino());
        unshare(&top, &shared, &paths).unwrap();
        assert!(!top.join("instance").is_symlink() && top.join("instance/app.db").exists());
        assert!(fs::read_dir(&shared).unwrap().next().is_none());
    }

    #[test]
    fn a_database_in_use_and_a_taken_name_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (top, shared) = (temp.path().join("site"), temp.path().join("shared"));
        fs::create_dir_all(&top).unwrap();
        fs::create_dir(&shared).unwrap();
        for name in ["app.db", "app.db-wal", "b"] {
            fs::write(top.join(name), "x").unwrap();
        }
        fs::write(shared.join("b"), "other").unwrap();
        let refused = |name: &str| {
            let failure = share(&top, &shared, &[name.into()], &me()).unwrap_err();
            failure.causes().join(" ")
        };
        assert!(refused("app.db").contains("in use"));
        assert!(refused("b").contains("is there already"));
        assert_eq!(fs::read_to_string(top.join("b")).unwrap(), "x");
        assert!(!top.join("app.db").is_symlink());
    }
}
