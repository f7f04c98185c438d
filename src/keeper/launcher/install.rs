//! The launcher's own copy of this program: PM2 starts it again after each reboot.

use std::io;
use std::path::Path;

use model::layout::Layout;
use sys::self_install::Content;

/// Copies the program `exe` to where PM2 starts it, unless the same is there already. A
/// running launcher keeps the old copy. Returns whether it was copied.
///
/// # Errors
/// When either file cannot be read or the new one not written.
pub fn install(exe: &Path, layout: &Layout) -> io::Result<bool> {
    Content::whole(exe).and_then(|program| program.put(&layout.launcher()))
}
