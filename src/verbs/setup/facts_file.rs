//! The file in which NGINX writes down the requests that are watched. NGINX's master opens it with
//! root's rights, so its folder is root's; the app's owner reads the file and lets go of what has
//! been read.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};

use engine::app::App;
use model::failure::Failure;
use nix::libc::O_NOFOLLOW;
use sys::ownership;

use super::facts::HostFacts;

/// For the owner's group, which keeps it when a log rotation gives the file to NGINX's user.
const MODE: u32 = 0o660;

/// Makes it where it is missing: without its folder NGINX does not start.
///
/// # Errors
/// When it cannot be made, or its folder lies where others can write.
pub fn keep(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    if app.config.nginx.loopback_port.is_none() {
        return Ok(());
    }
    let (folder, path) = (app.nginx_files.facts_folder(), app.nginx_files.facts());
    let failed = || Failure::failed(format!("`{}` cannot be made", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ownership::keep(&folder, &[&*name]).map_err(|error| failed().because(error))?;
    let made = || -> io::Result<()> {
        let mut options = File::options();
        options
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(O_NOFOLLOW);
        let file = options.open(&path)?;
        if facts.is_roots() {
            fchown(&file, None, Some(facts.owner.gid.as_raw()))?;
        }
        file.set_permissions(Permissions::from_mode(MODE))
    };
    made().map_err(|error| failed().because(error))
}
