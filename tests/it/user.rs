//! An app that belongs to an ordinary user: set up by root, released without root.
//!
//! Needs root itself. Where the tests run as somebody else, what can be tried is tried,
//! and the rest says so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use bluegreen::model::color::Color;
use toml::Value;

use crate::sandbox::shared::{OTHER, OWNER, Shared};
use crate::sandbox::{Sandbox, set};

#[test]
fn an_ordinary_user_deploys_switches_and_rolls_back_without_root() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let load = sandbox.load();
    for (args, live) in [
        (&["deploy"][..], Color::Green),
        (&["rollback"], Color::Blue),
        (&["switch"], Color::Green),
    ] {
        let outcome = shared.bg_as(OWNER, args);
        outcome.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(live), "{outcome}");
    }
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    let status = shared.bg_as(OWNER, &["status"]);
    status.assert_code(0);
    assert!(status.stdout.contains("rollback: ready"), "{status}");
    assert!(status.stdout.contains("switch strategy: `live`"), "{status}");
    let processes = crate::sandbox::processes::of(&sandbox.app_root());
    assert!(processes.len() >= 2, "{processes:?}");
    for (pid, line) in processes {
        let uid = fs::metadata(format!("/proc/{pid}")).map_or(shared.owner.uid.as_raw(), |about| about.uid());
        assert_eq!(uid, shared.owner.uid.as_raw(), "{line} runs as its owner");
    }
    let secret = sandbox.app_root().join("shared/app.env");
    assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_nginx_reads_stays_with_root() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let dump = sandbox
        .command(crate::sandbox::front::program().to_str().unwrap())
        .args(["-T", "-c"])
        .arg(sandbox.front.conf())
        .output()
        .unwrap();
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    let parsed: Vec<PathBuf> = dump
        .lines()
        .filter_map(|line| line.strip_prefix("# configuration file "))
        .map(|path| path.trim_end_matches(':').into())
        .collect();
    assert!(parsed.len() >= 4, "{parsed:?}");
    for file in &parsed {
        assert!(!shared.owner_can_write(file), "{} can be written", file.display());
        let mut folders = file
            .ancestors()
            .skip(1)
            .filter(|folder| folder.starts_with(sandbox.root()));
        let open = folders.find(|folder| shared.owner_can_write(folder));
        assert_eq!(open, None, "a file can be replaced in it");
    }
    assert!(
        !shared.owner_can_write(&sandbox.registry()),
        "the registry is root's"
    );
    assert!(
        shared.owner_can_write(&sandbox.app_root()),
        "the test can see a folder that can be written"
    );
    // What setup would write again, the owner is told to leave to root; and nothing changes.
    let site = parsed
        .iter()
        .map(|file| fs::read(file).unwrap_or_default())
        .collect::<Vec<_>>();
    sandbox.configure(|config| {
        set(
            config,
            "nginx",
            "server_names",
            vec![Value::from("www.shop.test")],
        )
    });
    let outcome = shared.bg_as(OWNER, &["setup"]);
    sandbox.assert_five(&outcome, 1, "NGINX", Color::Blue);
    outcome.assert_says("run it with sudo");
    let now = parsed
        .iter()
        .map(|file| fs::read(file).unwrap_or_default())
        .collect::<Vec<_>>();
    assert!(site == now, "NGINX's files are as they were");
}

#[test]
fn root_by_mistake_acts_as_the_owner_and_others_are_told_what_to_type() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let outcome = shared.bg_as("root", &["deploy"]);
    outcome.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    shared.bg_as("root", &["status"]).assert_code(0);
    for folder in [sandbox.app_root(), sandbox.pm2_home(), sandbox.link_folder()] {
        let others = shared.not_the_owners(&folder);
        assert!(others.is_empty(), "not the owner's: {others:?}");
    }
    for pid in crate::sandbox::processes::of(&sandbox.app_root())
        .iter()
        .map(|(pid, _)| pid)
    {
        let uid = fs::metadata(format!("/proc/{pid}")).map(|about| about.uid());
        assert_ne!(uid.ok(), Some(0), "nothing of the app runs as root");
    }
    shared.bg_as(OWNER, &["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    // `setup` again, as one does after a change, takes nothing away from the owner.
    shared.bg_as("root", &["setup"]).assert_code(0);
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    for args in [
        &["deploy", "a branch"][..],
        &["rollback"],
        &["status"],
        &["logs", "blue"],
    ] {
        let outcome = shared.bg_as(OTHER, args);
        sandbox.assert_five(&outcome, 2, "`shop` belongs to `nobody`", Color::Green);
    }
    let outcome = shared.bg_as(OTHER, &["deploy", "a branch"]);
    outcome.assert_says("hint: type: sudo -u nobody bluegreen deploy --again 'a branch'\n");
}

#[test]
fn an_ordinary_user_who_may_not_write_nginxs_folder_is_told_so() {
    let sandbox = if let Some(shared) = Shared::new() {
        let outcome = shared.bg_as(OWNER, &["setup"]);
        outcome.assert_code(1).assert_says("error: ").assert_says("sudo");
        shared.sandbox
    } else {
        let sandbox = Sandbox::new();
        let closed = fs::Permissions::from_mode(0o555);
        fs::set_permissions(sandbox.front.sites().parent().unwrap(), closed).unwrap();
        let outcome = sandbox.bg(&["setup"]);
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(sandbox.front.sites().parent().unwrap(), open).unwrap();
        outcome.assert_code(1).assert_says("error: ").assert_says("sudo");
        sandbox
    };
    assert_eq!(
        fs::read_dir(sandbox.front.sites()).unwrap().count(),
        0,
        "nothing was written"
    );
    assert!(sandbox.lock_is_free());
}
