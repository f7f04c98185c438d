//! Hooks that run where `bg` was typed, around the work of other machines.

use std::fs;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;
use toml::{Table, Value};

use crate::sandbox::afar::Afar;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{SECRET, set};

/// A script beside the client's `bg.toml`, which writes down what it is told.
fn script(afar: &Afar, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = afar.desk().join("tells");
    let text = format!("#!/bin/sh\necho from $PWD\n(env; echo CWD=$PWD) > said.$BG_HOOK\n{body}\n");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn on_client(config: &mut Table) {
    for moment in ["before_build", "after_switch", "after_rollback", "on_failure"] {
        let hook: Table = "run = './tells'\non = 'client'".parse().unwrap();
        set(config, "hooks", moment, Value::Table(hook));
    }
}

fn said(afar: &Afar, moment: &str) -> Option<String> {
    let file = afar.desk().join(format!("said.{moment}"));
    let text = fs::read_to_string(&file).ok()?;
    fs::remove_file(file).unwrap();
    Some(text)
}

#[track_caller]
fn assert_told(text: &Option<String>, lines: &[&str]) {
    let text = text.as_ref().expect("the hook ran");
    for line in lines {
        assert!(
            text.lines().any(|said| said.starts_with(line)),
            "no {line:?} in {text}"
        );
    }
}

#[test]
fn they_run_once_here_and_not_on_the_host() {
    let afar = Afar::deployed(1);
    let sandbox = &afar.servers[0].sandbox;
    script(&afar, "");
    afar.write_config(0, |config| {
        on_client(config);
        set(config, "hooks", "after_build", "echo on the host");
    });
    let deployed = afar.bg(&["deploy", "--json"]);
    deployed.assert_code(0);
    let lines = deployed.json();
    let hooks = lines.iter().filter(|line| line["event"] == "hook_ran");
    let hooks: Vec<&str> = hooks.map(|line| line["hook"].as_str().unwrap()).collect();
    assert_eq!(
        hooks,
        ["before_build", "after_build", "after_switch"],
        "{deployed}"
    );
    assert!(
        lines.iter().any(|line| line["line"] == "on the host"),
        "{deployed}"
    );
    // Before anything was asked of the host, and after all of it.
    assert_eq!(lines[0]["event"], "hook_said", "{deployed}");
    let last = &lines[lines.len() - 2];
    assert_eq!(
        (&last["event"], &last["hook"]),
        (&"hook_ran".into(), &"after_switch".into())
    );
    let here = format!("CWD={}", afar.desk().display());
    let home = format!("HOME={}", afar.home.path().display());
    let before = said(&afar, "before_build");
    assert_told(
        &before,
        &[&here, &home, "BG_APP=shop", "BG_VERB=deploy", "BG_HOSTS=web1"],
    );
    assert!(!before.unwrap().contains(SECRET));
    let release = format!("BG_RELEASE={}", sandbox.live_release());
    let run = format!("BG_RUN={}", deployed.result()["answer"]["run"].as_str().unwrap());
    let after = said(&afar, "after_switch");
    assert_told(
        &after,
        &[&release, &run, "BG_COLOR=green", "BG_TRAFFIC=moved, green ("],
    );
    for entry in fs::read_dir(sandbox.app_root()).unwrap().flatten() {
        assert!(!entry.file_name().to_string_lossy().starts_with("said."));
    }
    afar.bg(&["rollback"]).assert_code(0);
    assert_told(
        &said(&afar, "after_rollback"),
        &["BG_VERB=rollback", "BG_COLOR=blue"],
    );
    assert_eq!(said(&afar, "after_switch"), None);
}

#[test]
fn one_that_fails_before_has_nothing_asked_of_any_host_and_one_after_changes_nothing() {
    let afar = Afar::deployed(1);
    let sandbox = &afar.servers[0].sandbox;
    script(&afar, "[ $BG_HOOK != before_build ]");
    afar.write_config(0, on_client);
    let journal = sandbox.app_root().join("state/journal.jsonl");
    let before = fs::read(&journal).unwrap();
    let refused = afar.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "`before_build` failed", Color::Blue);
    assert_eq!(fs::read(&journal).unwrap(), before, "{refused}");
    assert_told(&said(&afar, "on_failure"), &["BG_FAILURE=`before_build` failed"]);

    script(&afar, "[ $BG_HOOK != after_switch ]");
    let deployed = afar.bg(&["deploy"]);
    sandbox.assert_five(&deployed, 6, "`after_switch` failed", Color::Green);
    deployed.assert_says("traffic: moved, green");
    assert_told(
        &said(&afar, "on_failure"),
        &["BG_FAILURE=`after_switch` failed", "BG_TRAFFIC=moved"],
    );

    script(&afar, "exit 1");
    let refused = afar.bg(&["rollback", "--to", "20200101T000000Z-aaaaaaa"]);
    sandbox.assert_five(
        &refused,
        1,
        "release 20200101T000000Z-aaaaaaa cannot be used",
        Color::Green,
    );
    refused.assert_says("`on_failure` failed; the rest of the run is not affected");
}

#[test]
fn several_hosts_are_one_event_here() {
    let afar = Afar::deployed(2);
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    afar.everywhere(&["deploy"]).assert_code(0);
    script(&afar, "echo $BG_HOOK >> times");
    afar.write_config(0, on_client);
    afar.bg(&["rollback"]).assert_code(0);
    assert_told(
        &said(&afar, "after_rollback"),
        &["BG_HOSTS=web1,web2", "BG_TRAFFIC=moved, blue"],
    );
    let times = || fs::read_to_string(afar.desk().join("times")).unwrap();
    assert_eq!(times(), "after_rollback\n");

    script(&afar, "exit 1");
    let switched = afar.bg(&["switch"]);
    switched.assert_code(6);
    assert!(
        switched
            .stdout
            .contains("traffic moved and stays, but on this machine `after_switch` failed"),
        "{switched}"
    );
    for server in &afar.servers {
        assert_eq!(server.sandbox.live_color(), Some(Color::Green), "{}", server.name);
    }
    let refused = afar.bg(&["deploy", "mian", "--json"]);
    refused.assert_code(1);
    assert_told(&said(&afar, "on_failure"), &["BG_FAILURE=`before_build` failed"]);
    script(&afar, "");
    afar.bg(&["deploy", "mian"]).assert_code(1);
    assert_told(
        &said(&afar, "on_failure"),
        &["BG_FAILURE=web1: `mian` cannot be deployed; web2: skipped"],
    );
}

#[test]
fn ctrl_c_ends_one_here_and_nothing_is_asked() {
    let afar = Afar::deployed(1);
    let sandbox = &afar.servers[0].sandbox;
    script(
        &afar,
        "[ $BG_HOOK = on_failure ] && exit\ntrap 'touch ended; exit 1' TERM\nsleep 60 & touch begun\nwait",
    );
    afar.write_config(0, on_client);
    let running = afar.start(&["deploy"]);
    let begun = afar.desk().join("begun");
    wait_until(Duration::from_secs(30), "the hook runs", || begun.exists());
    running.signal(Signal::SIGINT);
    let ended = running.wait();
    sandbox.assert_five(&ended, 130, "`before_build` was interrupted", Color::Blue);
    let tidy = afar.desk().join("ended");
    wait_until(Duration::from_secs(10), "it ends as it likes", || tidy.exists());
}
