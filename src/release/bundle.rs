//! A folder or a tarball as one commit of git's, for a host that has no git server to ask. The
//! commit's hash is that of the content: the same files are the same commit, whoever packs them.

mod error;
mod folder;
mod stream;
mod tarball;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sys::capacity;
use sys::command::Command;
use sys::store::FileError;
use tempfile::TempDir;
use tokio::process::Child;

use crate::git::{UPLOADED, hardened};
use crate::local_checkout::secrets;
pub use error::BundleError;
use stream::{PACK_WITHIN, Stream};

/// What lies there at most at the same time: the plain tarball, what git reads, its objects and
/// the bundle of them.
const COPIES: u64 = 4;

/// What a host is told of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// The full hash of the commit.
    pub commit: String,
    /// What it is, for people: the first line of its message, so to speak.
    pub subject: String,
}

/// Files, packed.
#[derive(Debug)]
pub struct Bundle {
    /// What it holds.
    pub uploaded: Uploaded,
    /// How many files and links.
    pub files: usize,
    /// How many bytes the bundle has.
    pub bytes: u64,
    /// Those whose name says that they are secrets.
    pub secrets: Vec<PathBuf>,
    /// A bundle of git's. It has no name any more, so that nothing is left of it.
    pub file: File,
}

/// Packs `path`. `folder` is where the app lives in it: a tarball with all of its files in one
/// other folder is taken as what is in that folder.
///
/// # Errors
/// Names what is in the way.
pub async fn pack(path: &Path, subject: &str, folder: Option<&Path>) -> Result<Bundle, BundleError> {
    let work = WorkFolder::new()?;
    let listing = work.path().join("stream");
    let limit = capacity::disk_space(work.path()).map_or(u64::MAX, |room| room.bytes / COPIES);
    let mut stream = Stream::create(&listing, limit)?;
    if fs::metadata(path).map_err(FileError::at("read", path))?.is_dir() {
        folder::write(path, &mut stream).await?;
    } else {
        tarball::write(path, folder, work.path(), limit, &mut stream).await?;
    }
    if stream.is_empty() {
        return Err(BundleError::Empty {
            path: path.to_owned(),
        });
    }
    let names = stream.finish()?;
    let commit = bundle(work.path(), &listing).await?;
    let bundle = work.path().join("bundle");
    let file = File::open(&bundle).map_err(FileError::at("read", &bundle))?;
    Ok(Bundle {
        bytes: file.metadata().map_err(FileError::at("read", &bundle))?.len(),
        uploaded: Uploaded {
            commit,
            subject: subject.to_owned(),
        },
        files: names.len(),
        secrets: names
            .into_iter()
            .filter(|name| secrets::looks_secret(name))
            .collect(),
        file,
    })
}

/// Where it is packed. It goes away with this process, however that ends.
struct WorkFolder {
    // Dropped before whoever sees to it otherwise.
    folder: TempDir,
    _keeper: Option<Child>,
}

/// Run by a shell: waits until nobody holds its input open any more. A git that is still at work
/// in the folder may need a moment to find it gone.
const KEEPER: &str = r#"cat >/dev/null
for again in 1 2 3 4 5; do
    rm -rf -- "$1" && [ ! -e "$1" ] && exit
    sleep 1
done"#;

impl WorkFolder {
    fn new() -> Result<WorkFolder, BundleError> {
        let folder = tempfile::tempdir().map_err(FileError::at("write into", &std::env::temp_dir()))?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "bg-keeper"])
            .arg(folder.path());
        Ok(WorkFolder {
            _keeper: keeper.watching_us().alongside().ok(),
            folder,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Has git make the commit and write it to `bundle`; returns its hash.
async fn bundle(work: &Path, listing: &Path) -> Result<String, BundleError> {
    let repo = work.join("repo");
    let init = hardened().args(["init", "--quiet", "--bare", "--template=", "--object-format=sha1"]);
    init.arg(&repo).run().await?;
    let git = || hardened().arg("--git-dir").arg(&repo).deadline(PACK_WITHIN);
    let import = git().args(["fast-import", "--quiet", "--done", "--date-format=raw"]);
    import.reading(listing).run().await?;
    let commit = git().args(["rev-parse", "--verify", UPLOADED]).run().await?;
    let create = git()
        .args(["bundle", "create", "--quiet"])
        .arg(work.join("bundle"));
    create.arg(UPLOADED).run().await?;
    Ok(commit.stdout.trim().to_owned())
}

#[cfg(test)]
mod tests;
