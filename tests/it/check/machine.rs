//! The machine under the app: what is taken, full, missing or open.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use bluegreen::model::color::Color;

use super::secure::run;
use super::{Finding, assert_found, bad_about, preload};
use crate::sandbox::{Sandbox, set};

fn about(sandbox: &Sandbox, subject: &str) -> Vec<Finding> {
    bad_about(&sandbox.bg(&["check", "--json"]), subject)
}

#[test]
fn what_stands_in_the_way_on_the_machine_is_found() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    for subject in ["ports", "python", "installer", "git", "environment file"] {
        let found = about(&sandbox, subject);
        assert!(found.is_empty(), "{found:#?}");
    }
    let taken = TcpListener::bind(sandbox.slot_address(Color::Green)).unwrap();
    let port = sandbox.slot_address(Color::Green).port();
    assert_found(
        &about(&sandbox, "ports"),
        "error",
        &format!("green's {port} is taken by process"),
        "`process.ports`",
    );
    drop(taken);

    let file = sandbox.app_root().join("shared/app.env");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert_found(
        &about(&sandbox, "environment file"),
        "error",
        "holds secrets and has mode 0644",
        "a deploy is refused until then",
    );
    fs::remove_file(&file).unwrap();
    assert_found(
        &about(&sandbox, "environment file"),
        "error",
        "app.env",
        "`shared` below the root",
    );

    let good = fs::read_to_string(sandbox.config()).unwrap();
    sandbox.configure(|config| {
        set(
            config,
            "source",
            "git",
            sandbox.root().join("nowhere").to_str().unwrap(),
        )
    });
    assert_found(
        &about(&sandbox, "git"),
        "error",
        "nowhere",
        "a deploy key, or another `source.git`",
    );
    fs::write(sandbox.config(), &good).unwrap();
    sandbox.configure(|config| set(config, "python", "version", "python9"));
    assert_found(&about(&sandbox, "python"), "error", "python9", "`python.version`");
}

#[test]
fn a_python_that_makes_no_environments_is_found() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    // As Debian's without python3-venv: it runs, and lacks a module.
    let python = sandbox.root().join("python");
    fs::write(
        &python,
        "#!/bin/sh\n[ \"$1\" = --version ] && echo Python 3.11.2\n",
    )
    .unwrap();
    fs::set_permissions(&python, Permissions::from_mode(0o755)).unwrap();
    sandbox.configure(|config| {
        set(config, "python", "version", python.to_str().unwrap());
        set(config, "python", "installer", "pip");
    });
    assert_found(
        &about(&sandbox, "installer"),
        "error",
        "neither `venv` nor `ensurepip`",
        "apt install python3-venv",
    );
}

/// In a mount of its own over the app's root.
#[test]
fn a_disk_that_is_nearly_full_is_found() {
    let can = Command::new("unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: a small disk needs root");
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let small = |options: &str| {
        let bg = sandbox.bg_command(&["check", "--json"]);
        let mut command = sandbox.command("unshare");
        let script = "mount -t tmpfs -o \"$0\" none \"$1\" && exec \"$2\" check --json";
        command
            .args(["--mount", "sh", "-c", script, options])
            .arg(sandbox.app_root())
            .arg(bg.get_program())
            .current_dir(bg.get_current_dir().unwrap());
        bad_about(&run(command, &["check"]), "disk")
    };
    assert_found(
        &small("size=64m"),
        "warning",
        "64 MB and ",
        "lower `keep.releases`, or use a larger disk",
    );
    assert_found(
        &small("size=2g,nr_inodes=1000"),
        "warning",
        "99",
        "lower `keep.releases`, or use a larger disk",
    );
    assert!(small("size=2g,nr_inodes=100000").is_empty());
}

#[test]
fn memory_that_a_second_color_would_not_find_is_missed() {
    let sandbox = Sandbox::deployed();
    let meminfo = sandbox.root().join("meminfo");
    let memory = |kilobytes: u64| {
        fs::write(&meminfo, format!("MemAvailable: {kilobytes} kB\n")).unwrap();
        let mut command = sandbox.bg_command(&["check", "--json"]);
        preload::into(&mut command).env("TEST_MEMINFO", &meminfo);
        bad_about(&run(command, &["check"]), "memory")
    };
    assert_found(
        &memory(2048),
        "error",
        "2 MB are free for green",
        "`process.memory_mb`",
    );
    assert!(memory(8 << 20).is_empty());
}
