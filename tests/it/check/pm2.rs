//! PM2, looked at without a trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{assert_found, bad_about};
use crate::sandbox::{Sandbox, set};

/// PM2's command line starts a daemon for the least question.
#[test]
fn a_look_starts_no_daemon() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let check = sandbox.bg(&["check"]);
    check.assert_code(0);
    assert!(check.stdout.contains("✓ pm2: "), "{check}");
    assert!(!sandbox.pm2_home().exists(), "{check}");
}

#[test]
fn a_version_that_breaks_python_is_found_and_so_is_one_without_node() {
    let sandbox = Sandbox::new();
    let package = sandbox.root().join("package");
    let program = package.join("bin/pm2");
    fs::create_dir_all(package.join("bin")).unwrap();
    fs::write(&program, "#!/usr/bin/env node\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.configure(|config| set(config, "pm2", "bin", program.to_str().unwrap()));
    let bad = || bad_about(&sandbox.bg(&["check", "--json"]), "pm2");
    let version = |version: &str| {
        let text = format!(r#"{{"name":"pm2","version":"{version}"}}"#);
        fs::write(package.join("package.json"), text).unwrap();
    };
    version("7.0.0");
    assert_found(
        &bad(),
        "warning",
        "7.0.0 breaks Python",
        "npm install -g pm2@latest",
    );
    version("7.0.4");
    assert!(bad().is_empty(), "{:#?}", bad());
    // What stands beside the program is what runs it.
    let node = package.join("bin/node");
    fs::write(&node, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    assert_found(&bad(), "error", "node", "the Node.js that it runs on");
}
