//! What an earlier program has left is understood: its journal, its manifests, its entry in the
//! registry and the applied configuration, as one has written them. They are kept beside this
//! file with names in the place of what differs from host to host, and laid over what the
//! program of today has made.

mod names;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bluegreen::model::color::Color;
use bluegreen::model::journal::Record;

use crate::front_door::{include, write_own_site};
use crate::recovery::scene::{answering, journal, last_record, records, slot, two_releases};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{APP, Sandbox, again};
use names::Names;

/// Before the engine had one way back and a run's state was an enum.
const BEFORE: &str = "before-one-way-back";

/// Where a deploy is killed: at which record of its journal, how far it has come by then, and
/// which color is live once it was ended.
const KILLED: [(&str, u32, &str, Color); 5] = [
    ("preparing", 2, "died while preparing", Color::Green),
    (
        "replacing",
        3,
        "died while replacing the idle color",
        Color::Green,
    ),
    ("swapping", 4, "died while moving traffic", Color::Blue),
    ("proven", 5, "died while finishing up", Color::Blue),
    PUT_BACK,
];

/// The earlier program began to put traffic back after a proof had failed, and died before or
/// after the link was renamed: here the link is where it was.
const PUT_BACK: (&str, u32, &str, Color) =
    ("putting-back", 3, "died while putting traffic back", Color::Green);

/// The record with which that one was killed: it says that traffic is being put back.
const PUT_BACK_RECORD: u32 = 5;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/upgrade")
        .join(BEFORE)
        .join(name)
}

/// The files that both releases and the set-up have, with their names in the fixture.
fn files(sandbox: &Sandbox) -> Vec<(String, PathBuf)> {
    let root = sandbox.app_root();
    let manifest = |color| {
        let id = slot(sandbox, color).unwrap();
        root.join(format!("manifests/{id}.json"))
    };
    vec![
        ("first.json".to_owned(), manifest(Color::Blue)),
        ("second.json".to_owned(), manifest(Color::Green)),
        (
            "registry.toml".to_owned(),
            sandbox.registry().join(format!("{APP}.toml")),
        ),
        ("bg.toml".to_owned(), root.join("bg.toml")),
    ]
}

/// Lays the earlier program's journal `name` over that of this one.
fn lay_journal(sandbox: &Sandbox, names: &Names, name: &str) {
    let text = fs::read_to_string(kept(&format!("{name}.jsonl"))).unwrap();
    fs::write(journal(sandbox), names.put_in(&text)).unwrap();
    // What is folded beside it was folded of another.
    fs::remove_file(journal(sandbox).with_extension("fold")).ok();
}

fn deploy_killed_at(command: &mut Command, record: u32) -> Outcome {
    let fault = format!("append to state/journal.jsonl#{record}:die");
    let output = command.env("BG_FAULT", fault).output().unwrap();
    Outcome::new(&["deploy"], &output, std::time::Duration::ZERO)
}

#[test]
fn what_an_earlier_program_has_left_is_shown_switched_and_deployed_over() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    let names = Names::of(&sandbox);
    for (name, path) in files(&sandbox) {
        let text = fs::read_to_string(kept(&name)).unwrap();
        fs::write(path, names.put_in(&text)).unwrap();
    }
    lay_journal(&sandbox, &names, "journal");

    let status = sandbox.status();
    assert_eq!(status["live"]["release"], second.to_string(), "{status}");
    assert_eq!(status["drift"], serde_json::json!([]), "{status}");
    let history = sandbox.bg(&["history"]);
    history.assert_code(0);
    assert_eq!(history.stdout.matches("deploy").count(), 2, "{history}");

    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(answering(&sandbox, Color::Blue), Some(first.to_string()));
    sandbox.bg(&["rollback"]).assert_code(1);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(answering(&sandbox, Color::Blue), Some(first.to_string()));
}

#[test]
fn a_run_of_an_earlier_program_that_was_killed_in_any_phase_is_ended() {
    for (phase, record, words, live) in KILLED {
        let sandbox = Sandbox::deployed();
        two_releases(&sandbox);
        let names = Names::of(&sandbox);
        deploy_killed_at(&mut sandbox.bg_command(&["deploy"]), record);
        let names = names.with_candidate(&sandbox);
        lay_journal(&sandbox, &names, &format!("killed-{phase}"));

        let plan = sandbox.bg(&["repair", "--plan"]);
        plan.assert_code(0);
        assert!(plan.stdout.contains(words), "{phase}: {plan}");
        let repair = sandbox.bg(&["repair"]);
        repair.assert_code(0);
        repair.assert_says(words);
        assert_eq!(sandbox.live_color(), Some(live), "{phase}: {repair}");
        assert_eq!(sandbox.link(), live.name(), "{phase}: {repair}");
        assert!(sandbox.lock_is_free(), "{phase}: {repair}");
        let ends = matches!(
            last_record(&sandbox),
            Record::Commit { .. } | Record::Abort { .. }
        );
        assert!(ends, "{phase}: {:?}", records(&sandbox));
        sandbox.bg(&["deploy"]).assert_code(0);
        assert_ne!(sandbox.live_color(), Some(live), "{phase}");
    }
}

/// Writes the fixture, with the program that `BG_EARLIER` names, which was built with its faults.
#[test]
#[ignore = "writes what an earlier program leaves, and wants one"]
fn write_what_an_earlier_program_leaves() {
    let earlier = std::env::var("BG_EARLIER").unwrap();
    let ready = || {
        let sandbox = Sandbox::new();
        for verb in ["setup", "deploy"] {
            as_earlier(&sandbox, &earlier, verb).assert_code(0);
        }
        sandbox.commit_edit("the second", "Good day", "Second");
        as_earlier(&sandbox, &earlier, "deploy").assert_code(0);
        let names = Names::of(&sandbox);
        (sandbox, names)
    };
    let keep = |name: &str, from: &Path, names: &Names| {
        fs::create_dir_all(kept("")).unwrap();
        let text = fs::read_to_string(from).unwrap();
        fs::write(kept(name), names.take_out(&text)).unwrap();
    };
    let (sandbox, names) = ready();
    for (name, path) in files(&sandbox) {
        keep(&name, &path, &names);
    }
    keep("journal.jsonl", &journal(&sandbox), &names);
    for (phase, record, ..) in KILLED {
        let (sandbox, names) = ready();
        let record = match phase == PUT_BACK.0 {
            true => go_past_the_switch(&sandbox),
            false => record,
        };
        deploy_killed_at(&mut earlier_command(&sandbox, &earlier, "deploy"), record);
        let names = names.with_candidate(&sandbox);
        keep(&format!("killed-{phase}.jsonl"), &journal(&sandbox), &names);
        as_earlier(&sandbox, &earlier, "repair").assert_code(0);
    }
}

/// Has a visitor's site lead to the live color whatever the link says, so that no switch is
/// proven. Returns the record at which to be killed.
fn go_past_the_switch(sandbox: &Sandbox) -> u32 {
    let route = include(sandbox, "route.conf");
    let live = sandbox.slot_address(Color::Green);
    write_own_site(
        sandbox,
        &format!("{route}\nlocation / {{ proxy_pass http://{live}; }}"),
    );
    sandbox.front.reload();
    PUT_BACK_RECORD
}

fn as_earlier(sandbox: &Sandbox, earlier: &str, verb: &str) -> Outcome {
    let output = earlier_command(sandbox, earlier, verb).output().unwrap();
    Outcome::new(&[verb], &output, std::time::Duration::ZERO)
}

fn earlier_command(sandbox: &Sandbox, earlier: &str, verb: &str) -> Command {
    let mut command = sandbox.command(earlier);
    command
        .args(again(&[verb]))
        .current_dir(sandbox.config().parent().unwrap());
    command
}
