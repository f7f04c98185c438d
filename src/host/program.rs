//! Copies of this program in places of its own, which an upgrade or a clean-up of the
//! original cannot take away.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use sha2::{Digest, Sha256};

/// This very program, also where another was installed over it meanwhile.
pub const THIS: &str = "/proc/self/exe";

/// Copies the program `exe` to `target`, unless the same is there already; whoever runs the
/// old one keeps it. Returns whether it was copied.
///
/// # Errors
/// When either file cannot be read, the new one not written, or the copy is not the same.
pub fn put(exe: &Path, target: &Path) -> io::Result<bool> {
    if is_at(exe, target)? {
        return Ok(false);
    }
    let folder = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut copy = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut fs::File::open(exe)?, &mut copy)?;
    copy.as_file()
        .set_permissions(fs::Permissions::from_mode(0o755))?;
    copy.as_file().sync_all()?;
    if sha256(exe)? != sha256(copy.path())? {
        return Err(io::Error::other("the copy is not what was copied"));
    }
    copy.persist(target).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(true)
}

/// Whether `target` is a program with the very content of `exe`: no link, and nobody but
/// its owner can change it.
///
/// # Errors
/// When `exe` cannot be read.
pub fn is_at(exe: &Path, target: &Path) -> io::Result<bool> {
    let (this, Ok(there)) = (fs::metadata(exe)?, fs::symlink_metadata(target)) else {
        return Ok(false);
    };
    let fits = there.is_file() && there.permissions().mode() & 0o7777 == 0o755;
    if fits && (this.dev(), this.ino()) == (there.dev(), there.ino()) {
        return Ok(true);
    }
    Ok(fits && there.len() == this.len() && sha256(exe)? == sha256(target)?)
}

/// Makes `name` beside `target` another name of it. Returns whether it had to be made.
///
/// # Errors
/// When the link cannot be made.
pub fn also_as(target: &Path, name: &str) -> io::Result<bool> {
    let other = target.with_file_name(name);
    let file = Path::new(target.file_name().unwrap_or_default());
    if is_also(target, name) {
        return Ok(false);
    }
    let beside = target.with_file_name(format!(".{name}.{}.new", std::process::id()));
    fs::remove_file(&beside).ok();
    symlink(file, &beside)?;
    fs::rename(&beside, &other)?;
    Ok(true)
}

/// Whether `name` beside `target` is another name of it.
#[must_use]
pub fn is_also(target: &Path, name: &str) -> bool {
    let file = target.file_name().unwrap_or_default();
    fs::read_link(target.with_file_name(name)).is_ok_and(|found| found == Path::new(file))
}

/// The SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(piece.get(..count).unwrap_or_default());
    }
}
