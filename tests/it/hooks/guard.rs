//! A hook that fails stops what it stands in front of, and nothing else.

use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;
use toml::{Table, Value};

use super::{apply, script};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, processes, set};

fn hook(sandbox: &Sandbox, moment: &str, command: impl Into<Value>) {
    sandbox.configure(|config| {
        config.insert("hooks".into(), Value::Table(Table::new()));
        set(config, "hooks", moment, command);
    });
}

#[test]
fn a_failing_hook_before_the_swap_leaves_everything_as_it_was() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    let before = sandbox.status();
    assert_eq!(before["rollback"]["state"], "ready", "{before}");
    let fails = script(&sandbox, "fails", "echo the till is open\nexit 3");
    let mut tried = 0;
    for moment in ["before_build", "after_build", "before_switch"] {
        hook(&sandbox, moment, fails.as_str());
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, &format!("`{moment}` failed"), Color::Green);
        refused.assert_says("exit status: 3");
        refused.assert_says(&format!("{moment} | the till is open"));
        let after = sandbox.status();
        assert_eq!(after["rollback"], before["rollback"], "{refused}");
        assert_eq!(after["live"], before["live"], "{refused}");
        tried += 1;
    }
    assert_eq!(tried, 3);
    // A switch waits for its hook too, and a rollback for none.
    apply(&sandbox);
    let refused = sandbox.bg(&["switch"]);
    sandbox.assert_five(&refused, 1, "`before_switch` failed", Color::Green);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn a_failing_hook_after_the_swap_is_told_and_traffic_stays() {
    let sandbox = Sandbox::deployed();
    let fails = script(
        &sandbox,
        "fails",
        "echo $BG_HOOK: $BG_TRAFFIC >> ../../../../told\nexit 3",
    );
    sandbox.configure(|config| {
        for moment in ["after_switch", "after_rollback", "on_failure"] {
            set(config, "hooks", moment, fails.as_str());
        }
    });
    sandbox.commit_edit("second", "Good day", "Hello");
    let deployed = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deployed, 6, "`after_switch` failed", Color::Green);
    deployed.assert_says("traffic: moved, green");
    // What failed there is heard of, and changes nothing more.
    deployed.assert_says("`on_failure` failed; the rest of the run is not affected");
    let back = sandbox.bg(&["rollback"]);
    sandbox.assert_five(&back, 6, "`after_rollback` failed", Color::Blue);
    let told = std::fs::read_to_string(sandbox.root().join("told")).unwrap();
    let told: Vec<&str> = told
        .lines()
        .map(|line| line.split(" (").next().unwrap())
        .collect();
    let expected = [
        "after_switch: moved, green",
        "on_failure: moved, green",
        "after_rollback: moved, blue",
        "on_failure: moved, blue",
    ];
    assert_eq!(told, expected);
    let history = sandbox.bg(&["history"]);
    history.assert_code(0);
    assert!(!history.stdout.contains("died half-way"), "{history}");
}

#[test]
fn hooks_run_in_turn_up_to_the_first_that_fails_and_none_past_its_deadline() {
    let sandbox = Sandbox::deployed();
    let one = script(&sandbox, "one", "echo one");
    let two = script(&sandbox, "two", "echo two; sleep 60 & wait");
    let three = script(&sandbox, "three", "echo three");
    let list = format!("hooks.after_build = ['{one}', {{ run = '{two}', timeout = '700ms' }}, '{three}']");
    let list: Table = list.parse().unwrap();
    hook(&sandbox, "after_build", list["hooks"]["after_build"].clone());
    let refused = sandbox.bg(&["deploy", "--json"]);
    assert!(refused.took < Duration::from_secs(50), "{refused}");
    let lines: Vec<String> = refused
        .json()
        .iter()
        .filter(|event| event["event"] == "hook_said")
        .map(|event| event["line"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["one", "two"], "{refused}");
    let text = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&text, 1, "did not end within 0.7 s and was killed", Color::Blue);
    wait_sleeping(&sandbox, 0);
}

#[test]
fn ctrl_c_ends_a_hook_and_what_it_had_started() {
    let sandbox = Sandbox::deployed();
    let hangs = script(&sandbox, "hangs", "sleep 60 & touch ../../../../hangs\nwait");
    hook(&sandbox, "after_build", hangs.as_str());
    let running = sandbox.bg_start(&["deploy"]);
    let begun = sandbox.root().join("hangs");
    wait_until(Duration::from_secs(60), "the hook runs", || begun.exists());
    wait_sleeping(&sandbox, 1);
    running.signal(Signal::SIGINT);
    let ended = running.wait();
    sandbox.assert_five(&ended, 130, "interrupted by Ctrl-C", Color::Blue);
    wait_sleeping(&sandbox, 0);

    // After the swap it ends the hook, and traffic stays.
    std::fs::remove_file(&begun).unwrap();
    hook(&sandbox, "after_switch", hangs.as_str());
    let running = sandbox.bg_start(&["deploy"]);
    wait_until(Duration::from_secs(60), "the hook runs", || begun.exists());
    running.signal(Signal::SIGINT);
    let ended = running.wait();
    sandbox.assert_five(&ended, 6, "`after_switch` was interrupted", Color::Green);
    wait_sleeping(&sandbox, 0);
}

/// As many programs of a hook are there, in a moment: one may only just be starting.
pub fn wait_sleeping(sandbox: &Sandbox, count: usize) {
    let sleeping = || {
        let all = processes::of(sandbox.root());
        all.iter()
            .filter(|(_, line)| line.starts_with("sleep 60"))
            .count()
    };
    wait_until(Duration::from_secs(10), &format!("{count} sleep"), || {
        sleeping() == count
    });
}
