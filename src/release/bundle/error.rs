//! Why something is not packed.

use std::io;
use std::path::PathBuf;

use sys::command::CommandError;
use sys::path_security::Untrusted;
use sys::store::FileError;

use crate::checkout::links::Escape;

/// What cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
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
    #[error("root packs only files that no other user can change")]
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
