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
    if !alike(exe, copy.path())? {
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
    Ok(fits && there.len() == this.len() && alike(exe, target)?)
}

/// Whether two files have the same content. Every command that starts a process asks this, and
/// comparing reads as much as hashing and computes nothing.
fn alike(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    loop {
        let (piece, counterpart) = (piece_of(&mut one)?, piece_of(&mut other)?);
        if piece != counterpart {
            return Ok(false);
        }
        if piece.is_empty() {
            return Ok(true);
        }
    }
}

/// The next part of a file, shorter only where the file ends.
fn piece_of(file: &mut fs::File) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(1 << 18);
    file.take(1 << 18).read_to_end(&mut piece)?;
    Ok(piece)
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

#[cfg(test)]
mod tests {
    use crate::program::*;

    #[test]
    fn a_program_is_put_there_unless_every_byte_of_it_is_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let (exe, target) = (folder.path().join("new"), folder.path().join("bin/program"));
        // Longer than what is read at once.
        let mut content = vec![7; 600_000];
        fs::write(&exe, &content).unwrap();
        assert!(put(&exe, &target).unwrap());
        assert!(!put(&exe, &target).unwrap());
        for at in [0, 300_000, 599_999] {
            content[at] = 8;
            fs::write(&exe, &content).unwrap();
            assert!(!is_at(&exe, &target).unwrap(), "{at}");
            assert!(put(&exe, &target).unwrap(), "{at}");
            assert_eq!(fs::read(&target).unwrap(), content, "{at}");
        }
        content.push(8);
        fs::write(&exe, &content).unwrap();
        assert!(put(&exe, &target).unwrap());
        assert!(is_at(&exe, &target).unwrap());
    }
}
