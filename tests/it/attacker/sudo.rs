//! The real sudo, told for as long as a test takes what setup has written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sandbox::shared::Shared;

/// The folder that the machine's sudo reads.
const FOLDER: &str = "/etc/sudoers.d";

/// A copy of the permit of one sandbox, in force until it is dropped.
pub struct Permit(PathBuf);

impl Permit {
    /// What setup has written, for the machine's own sudo. `None`, and a word about it, where
    /// there is none.
    pub fn in_force(shared: &Shared) -> Option<Permit> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let there = Command::new("sudo").arg("-V").output().is_ok();
        if !there || !Path::new(FOLDER).is_dir() {
            eprintln!("not tried: there is no sudo here");
            return None;
        }
        forget_the_dead();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(FOLDER).join(format!("bgt-{}-{number}", std::process::id()));
        let written = Command::new("install")
            .args(["-m", "0440"])
            .arg(permit(shared))
            .arg(&path)
            .status();
        assert!(written.unwrap().success());
        Some(Permit(path))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// What a killed run of these tests has left.
fn forget_the_dead() {
    for entry in fs::read_dir(FOLDER).unwrap().flatten() {
        let name = entry.file_name();
        let maker = name
            .to_str()
            .and_then(|name| name.strip_prefix("bgt-"))
            .and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists()) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// The permit as setup writes it.
pub fn permit(shared: &Shared) -> PathBuf {
    shared.sandbox.root().join("etc/sudoers.d/bluegreen-shop")
}

/// Root's program as setup puts it.
pub fn program(shared: &Shared) -> PathBuf {
    shared.sandbox.root().join("libexec/bluegreen-swap")
}

/// Puts a `sudo` before the real one on the PATH that notes each call; returns the note.
/// With `real` the call then goes through, else it fails.
pub fn noted(shared: &Shared, real: bool) -> PathBuf {
    let folder = shared.sandbox.root().join("home/programs");
    let note = shared.sandbox.root().join("home/sudo.log");
    fs::create_dir_all(&folder).unwrap();
    let then = if real {
        "exec /usr/bin/sudo \"$@\""
    } else {
        "exit 1"
    };
    let script = format!("#!/bin/sh\necho \"$*\" >> '{}'\n{then}\n", note.display());
    fs::write(folder.join("sudo"), script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.join("sudo"), executable).unwrap();
    fs::write(&note, "").unwrap();
    shared.give(&shared.sandbox.root().join("home"));
    note
}
