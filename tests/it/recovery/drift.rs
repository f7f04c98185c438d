//! What somebody did without bg: named by `bg status` and by each command that changes
//! something, and mended by `bg repair`, or left to the operator where it serves visitors.

use std::fs;
use std::os::unix::fs::symlink;

use bluegreen::model::color::Color;
use bluegreen::model::release::ReleaseId;

use super::scene::{LONG, answering_pid, point_link, slot, two_releases};
use crate::pm2::kill_daemon;
use crate::sandbox::Sandbox;
use crate::sandbox::wait::wait_until;

/// What `bg status` says is not as it was left.
fn drift(sandbox: &Sandbox) -> Vec<String> {
    serde_json::from_value(sandbox.status()["drift"].clone()).unwrap()
}

/// It says exactly one thing, with `parts` in it.
#[track_caller]
fn says(sandbox: &Sandbox, parts: &[&str]) {
    let drift = drift(sandbox);
    let [one] = drift.as_slice() else {
        panic!("not one thing: {drift:?}")
    };
    for part in parts {
        assert!(one.contains(part), "{one} lacks {part}");
    }
}

#[track_caller]
fn repaired(sandbox: &Sandbox, plan: &str) {
    let plan_only = sandbox.bg(&["repair", "--plan"]);
    assert!(plan_only.stdout.contains(plan), "{plan_only}");
    assert_eq!(drift(sandbox).len(), 1, "a plan changed something");
    sandbox.bg(&["repair"]).assert_code(0).assert_says(plan);
    assert_eq!(drift(sandbox), Vec::<String>::new());
    assert!(sandbox.bg(&["repair"]).stdout.contains("nothing to repair"));
}

#[test]
fn a_link_that_was_moved_by_hand_is_named_by_every_command_and_noted_by_repair() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    let by_hand = |target: &str, color: Color| {
        point_link(&sandbox, target);
        wait_until(LONG, "the hand has moved traffic", || {
            sandbox.live_color() == Some(color)
        });
    };

    by_hand("blue", Color::Blue);
    says(
        &sandbox,
        &["blue", first.short(), "the last run left green", "`bg repair`"],
    );
    // A rollback does not know what served before.
    let rollback = sandbox.bg(&["rollback"]);
    sandbox.assert_five(&rollback, 1, "cannot tell what to roll back to", Color::Blue);
    rollback.assert_says("traffic was moved without bg");
    repaired(&sandbox, "record in the journal what is live");
    let history = sandbox.bg(&["history"]);
    assert!(history.stdout.contains("was made live without bg"), "{history}");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_release(), second.to_string());

    by_hand("blue", Color::Blue);
    let maintenance = sandbox.bg(&["maintenance", "on"]);
    maintenance
        .assert_code(0)
        .assert_says("traffic was moved without bg");
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    let mut named = 0;
    for command in [
        &["switch", "blue"][..],
        &["switch"],
        &["rollback", "--to", first.as_str()],
        &["deploy"],
    ] {
        by_hand("green", Color::Green);
        let outcome = sandbox.bg(command);
        outcome.assert_code(0).assert_says("traffic was moved without bg");
        outcome.assert_says("repair` would record in the journal");
        assert_eq!(sandbox.live_color(), Some(Color::Blue), "{outcome}");
        named += 1;
    }
    assert_eq!(named, 4);
}

#[test]
fn a_slot_that_names_another_release_names_the_one_that_runs_again() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    point_slot(&sandbox, Color::Green, &first);
    says(
        &sandbox,
        &[
            "slot green points to",
            "but green (",
            second.short(),
            "`bg repair`",
        ],
    );
    let pid = answering_pid(&sandbox, Color::Green);
    for command in [
        &["deploy"][..],
        &["switch"],
        &["rollback"],
        &["maintenance", "on"],
    ] {
        let outcome = sandbox.bg(command);
        sandbox.assert_five(&outcome, 1, "slot green points to", Color::Green);
        outcome.assert_says("repair` points the slot at the running release");
    }
    repaired(&sandbox, "point the slot at green");
    assert_eq!(slot(&sandbox, Color::Green), Some(second));
    assert_eq!(answering_pid(&sandbox, Color::Green), pid, "it was touched");
}

fn point_slot(sandbox: &Sandbox, color: Color, release: &ReleaseId) {
    let link = sandbox.app_root().join("slots").join(color.name());
    let target = fs::read_link(&link).unwrap().with_file_name(release.as_str());
    fs::remove_file(&link).unwrap();
    symlink(target, &link).unwrap();
}

#[test]
fn a_live_color_that_was_stopped_is_started_again_and_one_that_serves_is_left_alone() {
    let sandbox = Sandbox::deployed();
    let (_, second) = two_releases(&sandbox);
    sandbox.pm2(&["stop", "flask-green"]).assert_code(0);
    says(
        &sandbox,
        &["green", "live but down", "stopped", "`bg repair` would start"],
    );
    let maintenance = sandbox.bg(&["maintenance", "on"]);
    maintenance.assert_code(0).assert_says("live but down");
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.live_color(), None);
    repaired(&sandbox, "start green");
    assert_eq!(sandbox.live_release(), second.to_string());
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // The list that a reboot starts from.
    let dump = sandbox.pm2_home().join("dump.pm2");
    fs::write(&dump, "[]").unwrap();
    says(
        &sandbox,
        &["a reboot would not bring it back", "`flask-green`", "`bg repair`"],
    );
    let nothing = sandbox.bg(&["switch", "green"]);
    nothing
        .assert_code(0)
        .assert_says("a reboot would not bring it back");
    repaired(&sandbox, "save PM2's list");
    assert!(fs::read_to_string(&dump).unwrap().contains("flask-green"));

    // What serves visitors and PM2 has lost is left to a move of traffic.
    let pid = answering_pid(&sandbox, Color::Green);
    kill_daemon(&sandbox);
    says(&sandbox, &["PM2's daemon is down", "`bg repair`"]);
    let load = sandbox.load();
    sandbox
        .bg(&["repair"])
        .assert_code(0)
        .assert_says("PM2 does not manage");
    says(&sandbox, &["PM2 does not manage", "`bg switch blue`"]);
    assert_eq!(answering_pid(&sandbox, Color::Green), pid, "it was touched");
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    assert_eq!(drift(&sandbox), Vec::<String>::new());
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
}
