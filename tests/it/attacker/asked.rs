//! Root's program, asked for what it must not do.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use bluegreen::model::color::Color;

use super::bait::{Bait, plant, state};
use super::reloading::{released_twice, set_up};
use super::sudo;
use crate::sandbox::shared::{OTHER, OWNER, Shared};

/// The program as sudo would start it: as root, with the number of who called.
fn as_root(shared: &Shared, caller: &str, words: &[&str]) -> Command {
    let uid = nix::unistd::User::from_name(caller).unwrap().unwrap().uid;
    let mut command = shared.sandbox.command(sudo::program(shared).to_str().unwrap());
    command.args(words).env("SUDO_UID", uid.to_string());
    command
}

#[track_caller]
fn refused(mut command: Command, says: &str) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{command:?} {said}");
    assert!(said.contains(says), "no {says:?} in {said}");
}

#[test]
fn it_takes_an_app_and_a_route_of_the_owners_and_nothing_else() {
    let Some(shared) = set_up() else { return };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let before = (sandbox.link(), sandbox.front.workers());
    let words: [(&[&str], &str); 15] = [
        (&[], "two arguments"),
        (&["shop"], "two arguments"),
        (&["shop", "blue", "extra"], "two arguments"),
        (&["shop", "--help"], "is not a route"),
        (&["--version", "blue"], "is not a valid app name"),
        (&["../x", "blue"], "is not a valid app name"),
        (&["../../../../etc/passwd", "blue"], "is not a valid app name"),
        (&["/etc/passwd", "blue"], "is not a valid app name"),
        (&["shop/../shop", "blue"], "is not a valid app name"),
        (&["", "blue"], "is not a valid app name"),
        (&["other", "blue"], "users other than root can change"),
        (&["shop", "../blue"], "is not a route"),
        (&["shop", "blue/../green"], "is not a route"),
        (&["shop", ""], "is not a route"),
        (&["shop", "red"], "is not a route"),
    ];
    for (words, says) in words {
        refused(as_root(&shared, OWNER, words), says);
    }
    refused(
        as_root(&shared, OTHER, &["shop", "blue"]),
        "belongs to `nobody`, not to `www-data`",
    );
    let mut nonsense = as_root(&shared, OWNER, &["shop", "blue"]);
    nonsense.env("SUDO_UID", "0x0");
    refused(nonsense, "who called");
    // Without sudo it is nobody's business but root's.
    let program = sudo::program(&shared);
    let line = [program.to_str().unwrap(), "shop", "blue"];
    refused(shared.command_as(OWNER, &line), "with root's rights");
    // A copy elsewhere is not where the program belongs.
    let copy = sandbox.root().join("home/bluegreen-swap");
    fs::copy(&program, &copy).unwrap();
    let mut elsewhere = sandbox.command(copy.to_str().unwrap());
    elsewhere.args(["shop", "blue"]);
    refused(elsewhere, "is not where this program belongs");
    assert_eq!((sandbox.link(), sandbox.front.workers()), before);
    bait.assert_untouched("all that");
}

#[test]
fn another_apps_owner_and_another_environment_move_nothing() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let program = sudo::program(&shared);
    let program = program.to_str().unwrap();
    // A registry of the attacker's own, with a link that root would move for them, and
    // programs that say so when root starts them.
    let evil = sandbox.root().join("home/evil");
    let trap = evil.join("root-was-here");
    plant(
        &shared,
        &format!(
            "mkdir -p '{0}/apps' '{0}/link' && ln -s green '{0}/link/live'",
            evil.display()
        ),
    );
    let entry = fs::read_to_string(sandbox.registry().join("shop.toml")).unwrap();
    let entry = entry
        .replace(
            &sandbox.link_folder().display().to_string(),
            &evil.join("link").display().to_string(),
        )
        .replace(
            &crate::sandbox::front::program().display().to_string(),
            &evil.join("nginx").display().to_string(),
        );
    fs::write(evil.join("apps/shop.toml"), entry).unwrap();
    for name in ["nginx", "sudo", "sh", "visudo"] {
        fs::write(
            evil.join(name),
            format!("#!/bin/sh\ntouch '{}'\nexit 1\n", trap.display()),
        )
        .unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(evil.join(name), executable).unwrap();
    }
    shared.give(&evil);
    let own = evil.display().to_string();
    let before = state(&evil);
    // Real sudo lets none of it through, or drops it.
    for set in [
        format!("BG_REGISTRY={own}/apps"),
        format!("LD_PRELOAD={own}/evil.so"),
        format!("PATH={own}"),
        "SUDO_UID=0".to_owned(),
    ] {
        let line = ["sudo", "-n", &set, "--", program, "shop", "blue"];
        let output = shared.command_as(OWNER, &line).output().unwrap();
        assert!(!output.status.success(), "{set}");
    }
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let mut around = shared.command_as(OWNER, &["sudo", "-n", "--", program, "shop", "blue"]);
    let path = format!("{own}:/usr/bin:/bin");
    around
        .env("BG_REGISTRY", evil.join("apps"))
        .env("LD_PRELOAD", evil.join("evil.so"))
        .env("SUDO_UID", "0");
    let mut direct = as_root(&shared, OWNER, &["shop", "green"]);
    direct
        .env("BG_REGISTRY", evil.join("apps"))
        .env("HOME", &evil)
        .env("PATH", path);
    for (mut command, color) in [(around, Color::Blue), (direct, Color::Green)] {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(sandbox.live_color(), Some(color));
        assert_eq!(sandbox.link(), color.name());
    }
    // Lines that sudo was not told of.
    for words in [
        &["shop", "blue", "extra"][..],
        &["other", "blue"],
        &["../x", "blue"],
        &["shop", "*"],
        &["shop"],
        &[],
    ] {
        let line: Vec<&str> = ["sudo", "-n", "--", program]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        refused(shared.command_as(OWNER, &line), "sudo: ");
    }
    refused(
        shared.command_as(OTHER, &["sudo", "-n", "--", program, "shop", "blue"]),
        "sudo: ",
    );
    assert_eq!(state(&evil), before);
    assert!(!trap.exists());
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    bait.assert_untouched("all that");
}

/// It believes nothing that somebody else could have written.
#[test]
fn what_is_not_roots_alone_is_not_relied_upon() {
    let Some(shared) = set_up() else { return };
    let sandbox = &shared.sandbox;
    let before = (sandbox.link(), sandbox.front.workers());
    let registry = sandbox.registry();
    let places = [
        registry.join("shop.toml"),
        registry.clone(),
        sandbox.root().join("etc"),
        sudo::program(&shared),
        sandbox.root().join("libexec"),
        sandbox.link_folder(),
        sandbox.link_folder().join("green"),
        sandbox.link_folder().join("green/color.conf"),
        sandbox.front.conf(),
    ];
    for place in &places {
        let mode = fs::metadata(place).unwrap().permissions();
        let open = std::os::unix::fs::PermissionsExt::from_mode(
            std::os::unix::fs::PermissionsExt::mode(&mode) | 0o002,
        );
        fs::set_permissions(place, open).unwrap();
        refused(
            as_root(&shared, OWNER, &["shop", "green"]),
            "is writable by other users",
        );
        fs::set_permissions(place, mode).unwrap();
        let owner = Some(shared.owner.uid.as_raw());
        std::os::unix::fs::chown(place, owner, None).unwrap();
        refused(as_root(&shared, OWNER, &["shop", "green"]), "belongs to `nobody`");
        std::os::unix::fs::chown(place, Some(0), None).unwrap();
    }
    assert_eq!(places.len(), 9);
    assert_eq!((sandbox.link(), sandbox.front.workers()), before);
    let moved = as_root(&shared, OWNER, &["shop", "blue"]).output().unwrap();
    assert!(
        moved.status.success(),
        "{}",
        String::from_utf8_lossy(&moved.stderr)
    );
    assert_eq!(sandbox.link(), "blue");
}

/// A run that was killed while root's program waited its turn: nothing moves behind the back
/// of whoever comes next.
#[test]
fn for_somebody_who_is_gone_nothing_is_moved() {
    let Some(shared) = set_up() else { return };
    let sandbox = &shared.sandbox;
    let link = sandbox.link();
    let to = if link == "blue" { "green" } else { "blue" };
    let lock = fs::File::open(sandbox.front.conf().with_file_name("bg/reload.lock")).unwrap();
    lock.lock().unwrap();
    let mut child = as_root(&shared, OWNER, &["shop", to])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    lock.unlock().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success(), "{said}");
    assert!(said.contains("the caller is gone"), "{said}");
    assert_eq!(sandbox.link(), link);
}
