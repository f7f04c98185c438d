//! A folder or a tarball as one commit of git's, for a host that has no git server to ask. The
//! commit's hash is that of the content: the same files are the same commit, whoever packs them.

mod folder;
mod stream;
mod tarball;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Child;

use crate::host::checkout::links::Escape;
use crate::host::command::{Command, CommandError};
use crate::host::git::{BROUGHT, hardened};
use crate::host::space;
use crate::host::store::FileError;
use crate::host::trust::Untrusted;
use crate::host::worktree::secrets;

use stream::Stream;

/// How long git may take: it reads and squeezes 100 MB in about ten seconds.
const PACK_WITHIN: Duration = Duration::from_secs(600);

/// What lies there at most at the same time: the plain tarball, what git reads, its objects and
/// the bundle of them.
const COPIES: u64 = 4;

/// What a host is told of a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// The full hash of the commit.
    pub commit: String,
    /// What it is, for people: the first line of its message, so to speak.
    pub subject: String,
}

/// Files, packed.
#[derive(Debug)]
pub struct Parcel {
    /// What it holds.
    pub brought: Brought,
    /// How many files and links.
    pub files: usize,
    /// How many bytes the parcel has.
    pub bytes: u64,
    /// Those whose name says that they are secrets.
    pub secrets: Vec<PathBuf>,
    /// A bundle of git's. It has no name any more, so that nothing is left of it.
    pub file: File,
}

/// What cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// Neither a folder nor a tarball.
    #[error("`{}` is neither a folder nor a tarball (.tar, .tar.gz, .tar.zst)", .path.display())]
    NoTarball {
        /// What it is.
        path: PathBuf,
        /// Why, where it began like one.
        #[source]
        source: Option<io::Error>,
    },
    /// There is nothing in it.
    #[error("`{}` holds no files", .path.display())]
    Empty {
        /// What is empty.
        path: PathBuf,
    },
    /// A name that leads elsewhere, or into git's own folder.
    #[error("it holds `{}`, {why}", .path.display())]
    Name {
        /// The name.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A device, a pipe, a socket.
    #[error("it holds `{}`, {what}: only files, folders and links can be released", .path.display())]
    Strange {
        /// Its name.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Root packs, and somebody else could put a link to what is root's in its place.
    #[error("root packs only what nobody else can change")]
    Untrusted(#[from] Untrusted),
    /// More than there is room for, or than such a file can honestly hold.
    #[error("it holds more than {} MB, which is more than there is room for or than a file of its size holds", .limit >> 20)]
    TooLarge {
        /// What is taken at most.
        limit: u64,
    },
    /// A link that leads out of it.
    #[error("the link `{}` leads out of it, to `{}`", .0.link.display(), .0.target.display())]
    Escapes(Escape),
    /// Somebody wrote into it meanwhile.
    #[error("`{}` changed while it was read", .0.display())]
    Changed(PathBuf),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A program failed.
    #[error("it cannot be packed")]
    Program(#[from] CommandError),
}

/// Packs `path`. `folder` is where the app lives in it: a tarball with all of its files in one
/// other folder is taken as what is in that folder.
///
/// # Errors
/// Names what is in the way.
pub async fn pack(path: &Path, subject: &str, folder: Option<&Path>) -> Result<Parcel, ParcelError> {
    let desk = Desk::new()?;
    let listing = desk.path().join("stream");
    let limit = space::room(desk.path()).map_or(u64::MAX, |room| room.bytes / COPIES);
    let mut stream = Stream::create(&listing, limit)?;
    if fs::metadata(path).map_err(FileError::at("read", path))?.is_dir() {
        folder::write(path, &mut stream).await?;
    } else {
        tarball::write(path, folder, desk.path(), limit, &mut stream).await?;
    }
    if stream.is_empty() {
        return Err(ParcelError::Empty {
            path: path.to_owned(),
        });
    }
    let names = stream.finish()?;
    let commit = bundle(desk.path(), &listing).await?;
    let bundle = desk.path().join("bundle");
    let file = File::open(&bundle).map_err(FileError::at("read", &bundle))?;
    Ok(Parcel {
        bytes: file.metadata().map_err(FileError::at("read", &bundle))?.len(),
        brought: Brought {
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
struct Desk {
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

impl Desk {
    fn new() -> Result<Desk, ParcelError> {
        let folder = tempfile::tempdir().map_err(FileError::at("write into", &std::env::temp_dir()))?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "bg-keeper"])
            .arg(folder.path());
        Ok(Desk {
            _keeper: keeper.watching_us().alongside().ok(),
            folder,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Has git make the commit and write it to `bundle`; returns its hash.
async fn bundle(desk: &Path, listing: &Path) -> Result<String, ParcelError> {
    let repo = desk.join("repo");
    let init = hardened().args(["init", "--quiet", "--bare", "--template=", "--object-format=sha1"]);
    init.arg(&repo).run().await?;
    let git = || hardened().arg("--git-dir").arg(&repo).deadline(PACK_WITHIN);
    let import = git().args(["fast-import", "--quiet", "--done", "--date-format=raw"]);
    import.reading(listing).run().await?;
    let commit = git().args(["rev-parse", "--verify", BROUGHT]).run().await?;
    let create = git()
        .args(["bundle", "create", "--quiet"])
        .arg(desk.join("bundle"));
    create.arg(BROUGHT).run().await?;
    Ok(commit.stdout.trim().to_owned())
}

#[cfg(test)]
mod tests;
