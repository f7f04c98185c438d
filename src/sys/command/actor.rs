//! Whom this process acts for, once root has given its rights up.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::User;

/// Where everybody can put what is temporary.
pub(super) const FOR_ALL: &str = "/tmp";

pub(super) static ACTOR: OnceLock<User> = OnceLock::new();

/// From here on programs find the home and the name of `user`, not of whoever called us.
pub fn act_as(user: &User) {
    ACTOR.get_or_init(|| user.clone());
    // Whoever called us may have had a folder of their own for what is temporary.
    tempfile::env::override_temp_dir(Path::new(FOR_ALL)).ok();
}

/// The home of whoever this process acts as.
#[must_use]
pub fn home() -> Option<PathBuf> {
    match ACTOR.get() {
        Some(user) => Some(user.dir.clone()),
        None => std::env::var_os("HOME").map(PathBuf::from),
    }
}

/// Whether root became somebody else, whose programs are started from here on.
#[must_use]
pub fn acts_for_somebody() -> bool {
    ACTOR.get().is_some()
}
