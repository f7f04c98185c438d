//! A commit becomes a release folder: whole, or not there at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::checkout::links::Escape;
use crate::host::command::CommandError;
use crate::host::git::Git;
use crate::host::store::{self, FileError};

pub mod links;

/// Folders that are being filled end in this.
pub const PARTIAL: &str = ".partial";

/// A release folder as it came out of the repository.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Folders that would hold a submodule and are empty: submodules are not fetched.
    pub submodules: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// A commit that does not become a release.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Git cannot write the files.
    #[error("cannot check out `{sha}`")]
    Git {
        /// The commit.
        sha: String,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// The app is not where the configuration says.
    #[error("there is no folder `{}` in commit `{sha}`, see `source.folder`", .folder.display())]
    NoFolder {
        /// The value of `source.folder`.
        folder: PathBuf,
        /// The commit.
        sha: String,
    },
    /// NGINX follows links in folders that it serves, so none may leave the release.
    #[error(
        "the link `{}` in commit `{sha}` points out of the release, to `{}`; \
         name it in `shared` or remove it from the repository",
        .link.display(), .target.display()
    )]
    Escapes {
        /// The link, relative to the repository.
        link: PathBuf,
        /// Its target.
        target: PathBuf,
        /// The commit.
        sha: String,
    },
    /// A file or folder cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes the files of the commit `sha` to the folder `into`, which must not exist: they are
/// collected beside it, flushed to disk, and renamed. `folder` is where the app lives in it.
///
/// # Errors
/// When git or the disk fails, `folder` is missing, or a link points out of the release;
/// `into` does not exist then.
pub async fn export(
    git: &Git,
    sha: &str,
    folder: Option<&Path>,
    into: &Path,
    deadline: Duration,
) -> Result<Exported, CheckoutError> {
    let started = Instant::now();
    let name = into.file_name().unwrap_or_default().to_string_lossy();
    let partial = into.with_file_name(format!(".{name}{PARTIAL}"));
    store::remove_tree(&partial)?;
    let filled = fill(git, sha, folder, &partial, deadline).await;
    let submodules = match filled {
        Ok(submodules) => submodules,
        Err(error) => {
            store::remove_tree(&partial).ok();
            return Err(error);
        }
    };
    fs::rename(partial.join("tree"), into).map_err(FileError::at("create the release", into))?;
    store::flush_folder(into.parent().unwrap_or(Path::new("/")))?;
    store::remove_tree(&partial)?;
    Ok(Exported {
        submodules,
        took: started.elapsed(),
    })
}

async fn fill(
    git: &Git,
    sha: &str,
    folder: Option<&Path>,
    partial: &Path,
    deadline: Duration,
) -> Result<Vec<PathBuf>, CheckoutError> {
    let (tree, index) = (partial.join("tree"), partial.join("index"));
    fs::create_dir_all(&tree).map_err(FileError::at("create the folder", &tree))?;
    let failed = |source| CheckoutError::Git {
        sha: sha.to_owned(),
        source,
    };
    let read = git.command().args(["read-tree", sha]);
    let write = git
        .command()
        .arg("--work-tree")
        .arg(&tree)
        .args(["checkout-index", "--all"])
        .folder(&tree);
    for command in [read, write] {
        let command = command.env("GIT_INDEX_FILE", &index).deadline(deadline);
        command.run().await.map_err(failed)?;
    }
    if let Some(folder) = folder.filter(|folder| !tree.join(folder).is_dir()) {
        return Err(CheckoutError::NoFolder {
            folder: folder.to_owned(),
            sha: sha.to_owned(),
        });
    }
    refuse_escapes(&tree, sha)?;
    let submodules = if tree.join(".gitmodules").exists() {
        submodules(git, sha).await.map_err(failed)?
    } else {
        Vec::new()
    };
    store::flush_all(&tree).await?;
    Ok(submodules)
}

fn refuse_escapes(tree: &Path, sha: &str) -> Result<(), CheckoutError> {
    let mut links = BTreeMap::new();
    collect_links(tree, Path::new(""), &mut links)?;
    match links::first_escape(&links) {
        Some(Escape { link, target }) => Err(CheckoutError::Escapes {
            link,
            target,
            sha: sha.to_owned(),
        }),
        None => Ok(()),
    }
}

fn collect_links(tree: &Path, below: &Path, links: &mut BTreeMap<PathBuf, PathBuf>) -> Result<(), FileError> {
    let folder = tree.join(below);
    for entry in fs::read_dir(&folder).map_err(FileError::at("read", &folder))? {
        let entry = entry.map_err(FileError::at("read", &folder))?;
        let kind = entry.file_type().map_err(FileError::at("read", &entry.path()))?;
        let name = below.join(entry.file_name());
        if kind.is_dir() {
            collect_links(tree, &name, links)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(FileError::at("read", &entry.path()))?;
            links.insert(name, target);
        }
    }
    Ok(())
}

async fn submodules(git: &Git, sha: &str) -> Result<Vec<PathBuf>, CommandError> {
    let command = git.command().args(["ls-tree", "-r", "-z", "--full-tree", sha]);
    let output = command.run().await?;
    let entries = output.stdout.split('\0');
    // An entry is `<mode> <type> <hash>\t<path>`; a submodule is a commit in the tree.
    Ok(entries
        .filter_map(|entry| entry.split_once('\t'))
        .filter(|(about, _)| about.split(' ').nth(1) == Some("commit"))
        .map(|(_, path)| PathBuf::from(path))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::git::tests::Origin;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const MINUTE: Duration = Duration::from_secs(60);

    struct Place {
        temp: tempfile::TempDir,
        origin: Origin,
    }

    impl Place {
        async fn new() -> Place {
            let temp = tempfile::tempdir().unwrap();
            let origin = Origin::new(temp.path().join("origin")).await;
            fs::create_dir(temp.path().join("all releases")).unwrap();
            Place { temp, origin }
        }

        fn releases(&self) -> PathBuf {
            self.temp.path().join("all releases")
        }

        fn release(&self) -> PathBuf {
            self.releases().join("20261123T181500Z-3f6f782")
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.origin.folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        /// Commits what is there and exports that.
        async fn export(&self, folder: Option<&Path>) -> Result<Exported, CheckoutError> {
            let sha = self.origin.commit("Change").await;
            let git = self.origin.mirrored().await;
            export(&git, &sha, folder, &self.release(), MINUTE).await
        }

        fn left(&self) -> Vec<String> {
            let entries = fs::read_dir(self.releases()).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    #[tokio::test]
    async fn a_release_is_the_commit_and_nothing_else() {
        let place = Place::new().await;
        place.write("app.py", "app");
        place.write("docs/left out.md", "docs");
        place.write(".gitattributes", "docs export-ignore\n");
        place.write("bin/run", "#!/bin/sh\n");
        let run = place.origin.folder.join("bin/run");
        fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../app.py", place.origin.folder.join("bin/app")).unwrap();
        fs::create_dir(place.releases().join(".20261123T181500Z-3f6f782.partial")).unwrap();
        place.export(Some(Path::new("docs"))).await.unwrap();
        assert_eq!(place.left(), ["20261123T181500Z-3f6f782"]);
        let release = place.release();
        assert_eq!(
            fs::read_to_string(release.join("docs/left out.md")).unwrap(),
            "docs"
        );
        assert_eq!(fs::read_to_string(release.join("bin/app")).unwrap(), "app");
        let run = fs::metadata(release.join("bin/run")).unwrap();
        assert!(run.permissions().mode() & 0o100 != 0);
        assert!(!release.join(".git").exists());
    }

    #[tokio::test]
    async fn a_missing_app_folder_is_named_and_leaves_nothing() {
        let place = Place::new().await;
        place.write("web/app.py", "app");
        let error = place.export(Some(Path::new("wbe"))).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("there is no folder `wbe` in commit `"), "{text}");
        assert_eq!(place.left(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_link_out_of_the_release_is_refused() {
        let place = Place::new().await;
        place.write("static/app.css", "");
        let link = place.origin.folder.join("static/users.txt");
        for target in ["/etc/passwd", "../../../shared/.env"] {
            fs::remove_file(&link).ok();
            symlink(target, &link).unwrap();
            let error = place.export(None).await.unwrap_err();
            let CheckoutError::Escapes {
                link, target: told, ..
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!(
                (link.as_path(), told.as_path()),
                (Path::new("static/users.txt"), Path::new(target))
            );
            assert_eq!(place.left(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn submodules_are_reported() {
        let place = Place::new().await;
        let other = Origin::new(place.temp.path().join("library")).await;
        other.commit("Library").await;
        place
            .origin
            .git(&["submodule", "--quiet", "add", other.url(), "libs/library"])
            .await;
        let exported = place.export(None).await.unwrap();
        assert_eq!(exported.submodules, [PathBuf::from("libs/library")]);
    }

    #[tokio::test]
    async fn a_full_deadline_leaves_nothing() {
        let place = Place::new().await;
        let git = place.origin.mirrored().await;
        let missing = "0123456789012345678901234567890123456789";
        let error = export(&git, missing, None, &place.release(), MINUTE)
            .await
            .unwrap_err();
        assert!(matches!(error, CheckoutError::Git { .. }), "{error}");
        assert_eq!(place.left(), Vec::<String>::new());
    }
}
