//! What PM2 claims, forgets and mixes up, and that a release is right all the same.

mod broken;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bluegreen::model::color::Color;
use bluegreen::model::layout::Layout;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use toml::Table;

use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, python, set};

/// Two releases: green is live, blue is warm.
fn twice_deployed() -> Sandbox {
    twice(Sandbox::deployed())
}

fn twice(sandbox: Sandbox) -> Sandbox {
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox
}

fn slot(status: &Value, color: Color) -> Value {
    let slots = status["slots"].as_array().unwrap();
    let found = slots.iter().find(|slot| slot["color"] == color.name());
    found.unwrap().clone()
}

/// The entries of one name.
fn entries(sandbox: &Sandbox, name: &str) -> usize {
    let list = sandbox.pm2(&["jlist"]);
    let line = list.stdout.lines().rfind(|line| line.starts_with('[')).unwrap();
    let list: Vec<Value> = serde_json::from_str(line).unwrap();
    list.iter().filter(|entry| entry["name"] == name).count()
}

fn daemon(sandbox: &Sandbox) -> Pid {
    let pid = fs::read_to_string(sandbox.pm2_home().join("pm2.pid")).unwrap();
    Pid::from_raw(pid.trim().parse().unwrap())
}

/// The daemon dies and what it kept lives on, kept by nobody.
pub fn kill_daemon(sandbox: &Sandbox) {
    let pid = daemon(sandbox);
    kill(pid, Signal::SIGKILL).unwrap();
    wait_until(Duration::from_secs(10), "PM2 is dead", || {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.is_empty()
    });
}

/// PM2 keeps the old folder of a name that it knows, and exits 0.
#[test]
fn the_second_release_in_a_color_runs_in_its_own_folder() {
    let sandbox = twice_deployed();
    let commit = sandbox.commit_edit("a third greeting", "Hello", "Welcome");
    sandbox.bg(&["deploy"]).assert_code(0);
    let status = sandbox.status();
    let blue = slot(&status, Color::Blue);
    let release = blue["release"].as_str().unwrap();
    assert!(release.ends_with(&commit[..7]), "{status}");
    assert_eq!(status["live"]["release"], release, "{status}");
    let cwd = fs::read_link(format!("/proc/{}/cwd", blue["pid"])).unwrap();
    assert_eq!(cwd, sandbox.app_root().join("releases").join(release));
    let page = sandbox.get("/");
    assert_eq!(page.header("x-app-release"), Some(release));
    assert!(page.body.contains("Welcome"));
}

#[test]
fn a_process_that_serves_another_release_gets_no_traffic() {
    let sandbox = twice_deployed();
    let green = slot(&sandbox.status(), Color::Green)["release"].clone();
    sandbox.pm2(&["delete", "flask-blue"]).assert_code(0);
    let program = sandbox.root().join("stranger.py");
    fs::write(&program, include_str!("sandbox/stranger.py")).unwrap();
    let other = sandbox.app_root().join("releases").join(green.as_str().unwrap());
    let port = sandbox.slot_address(Color::Blue).port().to_string();
    sandbox
        .pm2(&[
            "start",
            program.to_str().unwrap(),
            "--name",
            "flask-blue",
            "--cwd",
            other.to_str().unwrap(),
            "--interpreter",
            python::interpreter().to_str().unwrap(),
            "--",
            &port,
        ])
        .assert_code(0);
    wait_until(Duration::from_secs(20), "the stranger answers", || {
        crate::sandbox::http::get(sandbox.slot_address(Color::Blue), "x", "/health")
            .is_ok_and(|answer| answer.status == 200)
    });
    for verb in [&["switch"][..], &["switch", "blue"], &["rollback"]] {
        let refused = sandbox.bg(verb);
        sandbox.assert_five(&refused, 1, "blue did not pass the gate", Color::Green);
        refused.assert_says(&format!("runs in `{}`", other.display()));
        refused.assert_says("pm2 delete flask-blue");
    }
    assert_eq!(sandbox.status()["rollback"]["state"], "cold");
    // The hint helps.
    sandbox.pm2(&["delete", "flask-blue"]).assert_code(0);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert!(sandbox.get("/").body.contains("Good day"));
}

#[test]
fn two_entries_of_one_name_become_one() {
    let sandbox = twice_deployed();
    let second = |name: &str| {
        let args = [
            "start",
            "/bin/sleep",
            "--name",
            name,
            "-f",
            "--interpreter",
            "none",
            "--",
            "600",
        ];
        sandbox.pm2(&args).assert_code(0);
        assert_eq!(entries(&sandbox, name), 2);
    };
    second("flask-blue");
    let status = sandbox.status();
    assert_eq!(status["rollback"]["state"], "cold", "{status}");
    let rollback = sandbox.bg(&["rollback"]);
    rollback
        .assert_code(0)
        .assert_says("2 entries named `flask-blue`");
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(entries(&sandbox, "flask-blue"), 1);
    second("flask-green");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert_eq!(entries(&sandbox, "flask-green"), 1);
}

/// The live color goes on without PM2, and no request notices what is mended around it.
#[test]
fn a_killed_daemon_stops_no_command_and_no_visitor() {
    let sandbox = twice_deployed();
    let load = sandbox.load();
    kill_daemon(&sandbox);
    assert_eq!(sandbox.status()["rollback"]["state"], "cold");
    sandbox.commit_edit("a third greeting", "Hello", "Welcome");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0).assert_says("PM2's daemon was down");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{deploy}");
    // What PM2 has lost is not taken for a stranger on the port.
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0).assert_says("green is not warm");
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{rollback}");
    kill_daemon(&sandbox);
    let switch = sandbox.bg(&["switch"]);
    switch.assert_code(0).assert_says("PM2's daemon was down");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{switch}");
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
}

/// `pm2 kill` takes the live color with it: the next command brings back all that PM2 kept.
#[test]
fn after_pm2_was_stopped_the_next_command_brings_everything_back() {
    let sandbox = twice_deployed();
    let args = [
        "start",
        "/bin/sleep",
        "--name",
        "neighbour",
        "--interpreter",
        "none",
        "--",
        "600",
    ];
    sandbox.pm2(&args).assert_code(0);
    sandbox.pm2(&["save"]).assert_code(0);
    let stop = || {
        sandbox.pm2(&["kill"]).assert_code(0);
        assert_eq!(sandbox.live_color(), None);
        let status = sandbox.status();
        assert!(
            status["drift"].to_string().contains("PM2's daemon is down"),
            "{status}"
        );
    };
    stop();
    let repair = sandbox.bg(&["repair"]);
    repair
        .assert_code(0)
        .assert_says("PM2's daemon was down; started it with flask-blue, flask-green, neighbour");
    assert_eq!(
        sandbox.live_color(),
        Some(Color::Green),
        "done, and nothing serves: {repair}"
    );
    stop();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0).assert_says("PM2's daemon was down");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    stop();
    sandbox.commit_edit("a third greeting", "Hello", "Welcome");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0).assert_says("PM2's daemon was down");
    assert!(sandbox.get("/").body.contains("Welcome"), "{deploy}");
    assert_eq!(entries(&sandbox, "neighbour"), 1);
    let dump = fs::read_to_string(sandbox.pm2_home().join("dump.pm2")).unwrap();
    assert!(dump.contains("\"neighbour\""), "another app's entry must stay");
}

/// A server that listens only once the app is loaded: until then visitors get 502.
#[test]
fn repair_ends_when_the_live_color_answers_again() {
    let sandbox = Sandbox::deployed_with(|config| {
        let run = "{{ venv }}/bin/python -m flask --app app run --no-reload --port {{ port }}";
        set(config, "process", "run", run);
        set(config, "gate", "timeout", "60s");
    });
    let slow = sandbox.root().join("slow");
    sandbox.commit("one that may be slow", |repo| {
        let app = repo.join("app.py");
        let rests = format!(
            "import os, time\nif os.path.exists({:?}):\n    time.sleep(5)\n",
            slow.display().to_string()
        );
        let text = fs::read_to_string(&app).unwrap();
        fs::write(&app, rests + &text).unwrap();
    });
    sandbox.bg(&["deploy"]).assert_code(0);
    fs::write(&slow, "").unwrap();
    sandbox.pm2(&["kill"]).assert_code(0);
    assert_eq!(sandbox.live_color(), None);
    let repair = sandbox.bg(&["repair"]);
    repair.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{repair}");
}

/// PM2 starts again what was killed, and says `online` long before it listens.
#[test]
fn a_warm_color_that_pm2_has_only_just_started_is_waited_for() {
    let sandbox = Sandbox::deployed_with(|config| {
        let run = "{{ venv }}/bin/python -m flask --app app run --no-reload --port {{ port }}";
        set(config, "process", "run", run);
    });
    let held = sandbox.root().join("held");
    sandbox.commit("one that can be held", |repo| {
        let app = repo.join("app.py");
        let waits = format!(
            "import os, time\nwhile os.path.exists({:?}):\n    time.sleep(0.02)\n",
            held.display().to_string()
        );
        let text = fs::read_to_string(&app).unwrap();
        fs::write(&app, waits + &text).unwrap();
    });
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    fs::write(&held, "").unwrap();
    sandbox.pm2(&["restart", "flask-green"]).assert_code(0);
    let switch = sandbox.bg_start(&["switch"]);
    let said = |text: &str| {
        let runs = fs::read_dir(sandbox.app_root().join("state/runs")).unwrap();
        runs.flatten()
            .any(|run| fs::read_to_string(run.path()).is_ok_and(|story| story.contains(text)))
    };
    wait_until(Duration::from_secs(30), "it is waited for", || {
        said(r#""notice":"still_starting""#)
    });
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    fs::remove_file(&held).unwrap();
    let switch = switch.wait();
    switch.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{switch}");
}

#[test]
fn after_a_reboot_the_same_color_is_live_and_a_rollback_works() {
    let mut sandbox = twice_deployed();
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    sandbox.commit_edit("a third greeting", "Hello", "Welcome");
    sandbox.bg(&["deploy"]).assert_code(0);
    let before = sandbox.status()["live"].clone();
    sandbox.pm2(&["kill"]).assert_code(0);
    sandbox.front.stop();
    assert_eq!(sandbox.live_color(), None);
    sandbox.pm2(&["resurrect"]).assert_code(0);
    sandbox.front.start_again();
    wait_until(Duration::from_secs(30), "the site answers", || {
        sandbox.live_color().is_some()
    });
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert!(sandbox.get("/").body.contains("Welcome"));
    wait_until(Duration::from_secs(30), "a rollback is ready", || {
        sandbox.status()["rollback"]["state"] == "ready"
    });
    assert_eq!(sandbox.status()["live"], before);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert!(sandbox.get("/").body.contains("Good day"));
}

/// A `pm2` that does `first` before the real one; returns the sandbox's root.
fn wrap_pm2(config: &mut Table, first: impl FnOnce(&Path) -> String) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let app_root = PathBuf::from(config["root"].as_str().unwrap());
    let root = app_root.ancestors().nth(2).unwrap().to_owned();
    let wrapper = root.join("wrapped-pm2");
    let first = first(&root);
    fs::write(&wrapper, format!("#!/bin/sh\n{first}\nexec pm2 \"$@\"\n")).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    crate::sandbox::set(config, "pm2", "bin", wrapper.to_str().unwrap());
    root
}

fn launcher(root: &Path) -> PathBuf {
    Layout::new(root.join("srv/shop")).launcher()
}
