//! The marks that NGINX looks for in the targets of the live link: empty files, each of which means
//! something by being there.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use model::color::Route;
use sys::fault;
use sys::store::FileError;

use crate::app::App;

/// Whether visitors are watched where the link points to `route`.
#[must_use]
pub fn is_watched(app: &App, route: Route) -> bool {
    app.nginx_files.watched(route).exists()
}

/// Makes one, where it is not there yet.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_empty(path: &Path) -> Result<(), FileError> {
    let made = fault::file("mark", path).and_then(|()| {
        let mut options = File::options();
        options.write(true).create(true).truncate(false).open(path)
    });
    made.map(drop).map_err(FileError::at("create", path))
}

/// Removes one, where it is there.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    // Where nothing can be written there may be nothing to remove.
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}
