//! Room on disk: a deploy that would run out of it half-way is refused before it begins.

use crate::host::app::App;
use crate::host::space;
use crate::model::failure::Failure;

use super::traffic;

/// A manifest, a log line, NGINX's answer, PM2's file for a start: some 20 kB in ten files.
/// What a checkout and its packages need nobody knows beforehand.
const BYTES: u64 = 256 << 10;
const INODES: u64 = 32;

/// Looks whether what a start writes still has room.
///
/// # Errors
/// Which folder is full.
pub fn left(app: &App) -> Result<(), Failure> {
    let folders = [
        app.layout.releases(),
        app.layout.venvs(),
        app.layout.state(),
        app.entry.link_folder.clone(),
    ];
    for folder in folders {
        let Ok(free) = space::room(&folder) else { continue };
        if free.bytes < BYTES || free.inodes.is_some_and(|inodes| inodes < INODES) {
            return Err(
                Failure::failed(format!("there is no room left in `{}`: {free}", folder.display()))
                    .hint(
                        "delete what is not needed there; `bg switch` and `bg rollback` work on a full disk",
                    )
                    .with_traffic(traffic::unchanged(app)),
            );
        }
    }
    Ok(())
}
