//! What a client brings, until a deploy takes it: a bundle of git's, named by its commit.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::layout::Layout;
use sys::store::{self, FileError};

/// What nobody has come for by then was brought by a client that is gone.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Something did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A name that is no commit.
    #[error("`{0}` is no commit")]
    NoCommit(String),
    /// The rest is missing.
    #[error("{found} of {expected} bytes arrived")]
    CutOff {
        /// What came.
        found: u64,
        /// What was announced.
        expected: u64,
    },
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Where the bundle of the commit `sha` lies.
#[must_use]
pub fn bundle(layout: &Layout, sha: &str) -> PathBuf {
    folder(layout).join(format!("{sha}.bundle"))
}

fn folder(layout: &Layout) -> PathBuf {
    layout.state().join("uploads")
}

/// Writes down the `bytes` that `reader` has, whole or not at all.
///
/// # Errors
/// When fewer come, or the disk refuses.
pub fn receive(layout: &Layout, sha: &str, bytes: u64, reader: impl Read) -> Result<(), UploadError> {
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(UploadError::NoCommit(sha.to_owned()));
    }
    let folder = folder(layout);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(FileError::at("create the folder", &folder)(error).into());
        }
        _ => forget_old(&folder),
    }
    // Two clients may bring the same.
    let new = folder.join(format!(".{sha}.{}.new", std::process::id()));
    let found = write(&new, bytes, reader);
    let done = match found {
        Ok(found) if found == bytes => {
            let bundle = bundle(layout, sha);
            fs::rename(&new, &bundle).map_err(|error| FileError::at("create", &bundle)(error).into())
        }
        Ok(found) => Err(UploadError::CutOff {
            found,
            expected: bytes,
        }),
        Err(error) => Err(FileError::at("write", &new)(error).into()),
    };
    if done.is_err() {
        fs::remove_file(&new).ok();
    }
    done
}

fn write(new: &Path, bytes: u64, reader: impl Read) -> io::Result<u64> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(new)?;
    let found = io::copy(&mut reader.take(bytes), &mut file)?;
    file.sync_all()?;
    Ok(found)
}

fn forget_old(folder: &Path) {
    for name in store::names(folder).unwrap_or_default() {
        let path = folder.join(name);
        let age = fs::metadata(&path)
            .and_then(|about| about.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > FORGOTTEN) {
            fs::remove_file(path).ok();
        }
    }
}
