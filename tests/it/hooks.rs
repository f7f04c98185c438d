//! Commands of the operator's around a release, and who is told.

mod client;
mod environment;
pub mod guard;
mod kept;
pub mod webhook;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

/// Has `bg.toml` be the one that was applied, as the next successful deploy would.
pub fn apply(sandbox: &Sandbox) {
    fs::copy(sandbox.config(), sandbox.app_root().join("bg.toml")).unwrap();
}

/// Puts a script of the operator's on the host; returns the command that runs it.
pub fn script(sandbox: &Sandbox, name: &str, body: &str) -> String {
    let file = sandbox.root().join("scripts").join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}
