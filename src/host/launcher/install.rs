//! The launcher's own copy of this program, which an upgrade or a clean-up of the original
//! cannot take away: PM2 starts it again after each reboot.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::model::layout::Layout;

/// Copies the program `exe` to where PM2 starts it, unless the same is there already. A
/// running launcher keeps the old copy. Returns whether it was copied.
///
/// # Errors
/// When either file cannot be read or the new one not written.
pub fn install(exe: &Path, layout: &Layout) -> io::Result<bool> {
    let target = layout.launcher();
    if same_content(exe, &target)? {
        return Ok(false);
    }
    let folder = target.parent().unwrap_or(layout.root());
    fs::create_dir_all(folder)?;
    let mut copy = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut fs::File::open(exe)?, &mut copy)?;
    copy.as_file()
        .set_permissions(fs::Permissions::from_mode(0o755))?;
    copy.as_file().sync_all()?;
    copy.persist(&target).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(true)
}

fn same_content(exe: &Path, target: &Path) -> io::Result<bool> {
    let Ok(there) = fs::metadata(target) else {
        return Ok(false);
    };
    Ok(there.is_file()
        && there.permissions().mode() & 0o777 == 0o755
        && there.len() == fs::metadata(exe)?.len()
        && sha256(exe)? == sha256(target)?)
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
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
