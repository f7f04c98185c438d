//! `init`, `deploy --plan`.

use std::fs;

use bluegreen::model::color::Color;
use bluegreen::model::config::read::parse;

use crate::sandbox::{Sandbox, repo, set};

#[test]
fn init_writes_a_file_that_is_understood_and_never_replaces_one_unasked() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.config()).unwrap();
    let desk = sandbox.root().join("desk");
    repo::create(&desk);
    let origin = "git@example.com:me/web-shop.git";
    repo::git(&desk, &["remote", "add", "origin", origin]);
    let outcome = sandbox.bg(&["init"]);
    outcome.assert_code(0);
    assert!(
        outcome.stdout.contains("`bluegreen check` and `bluegreen setup`"),
        "{outcome}"
    );
    let text = fs::read_to_string(sandbox.config()).unwrap();
    assert!(
        outcome
            .stdout
            .contains("left open, marked `?`: nginx.server_names\n"),
        "{outcome}"
    );
    let line = text
        .lines()
        .position(|line| line == "server_names = [\"?\"]")
        .unwrap()
        + 1;
    for args in [&["check"][..], &["setup"], &["deploy"], &["deploy", "--plan"]] {
        let refused = sandbox.bg(args);
        refused
            .assert_code(3)
            .assert_says("`nginx.server_names[0]` is not filled in yet");
        refused.assert_says(&format!("bg.toml:{line}:"));
        refused.assert_says("write the name that visitors ask for");
    }
    let filled = text.replace("\"?\"", "\"shop.test\"");
    let config = parse(&filled, &sandbox.config()).unwrap();
    assert_eq!(config.source.git.as_deref(), Some(origin));
    assert_eq!(config.source.branch, "main");
    assert_eq!(config.health[0].path, "/health");
    assert!(text.contains("app:app"), "{text}");
    assert_ne!(config.process.ports.blue, config.process.ports.green);

    fs::write(sandbox.config(), "# mine\n").unwrap();
    let outcome = sandbox.bg(&["init"]);
    outcome
        .assert_code(2)
        .assert_says("this folder has a bg.toml already");
    outcome.assert_says("hint: `bluegreen init --force` replaces it");
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), "# mine\n");
    sandbox.bg(&["init", "--force"]).assert_code(0);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), text);
}

#[test]
fn a_plan_shows_the_steps_and_the_differences_and_changes_nothing() {
    let sandbox = Sandbox::deployed();
    let sha = sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.configure(|config| set(config, "gate", "soak", "1s"));
    let before = picture(&sandbox);
    let outcome = sandbox.bg(&["deploy", "--plan"]);
    outcome.assert_code(0);
    let port = sandbox.slot_address(Color::Green).port();
    for text in [
        &format!("shop would deploy {} \"another greeting\" to green", &sha[..7]),
        "gate.soak: \"0s\" → \"1s\"",
        &format!("start flask-green on :{port}"),
        "wait for 1 health check to pass, and to keep passing for 1s",
        "move traffic: rename the link, prove it on 1 path and 1 listener",
        "nothing was changed",
    ] {
        assert!(outcome.stdout.contains(text), "no {text:?} in {outcome}");
    }
    let outcome = sandbox.bg(&["deploy", "--plan", "--no-switch"]);
    assert!(outcome.stdout.contains("traffic stays"), "{outcome}");
    let json = sandbox.bg(&["deploy", "--plan", "--json"]).result();
    assert_eq!(json["answer"]["commit"], sha);
    assert_eq!(json["answer"]["config"][0]["key"], "gate.soak");
    assert_eq!(picture(&sandbox), before);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    sandbox
        .bg(&["deploy", "mian", "--plan"])
        .assert_code(1)
        .assert_says("did you mean `main`?");
    // And it was true: the deploy does what the plan said.
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert!(sandbox.get("/").body.contains("Hello"));
}

/// What a deploy would leave behind: releases, environments, slots, link, journal, runs,
/// processes, the configuration that is applied.
fn picture(sandbox: &Sandbox) -> Vec<String> {
    let mut seen = vec![sandbox.link()];
    for folder in ["releases", "venvs", "envs", "slots", "state/runs", "manifests"] {
        let entries = fs::read_dir(sandbox.app_root().join(folder))
            .into_iter()
            .flatten()
            .flatten();
        seen.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    for file in ["state/journal.jsonl", "bg.toml"] {
        seen.push(fs::read_to_string(sandbox.app_root().join(file)).unwrap());
    }
    let list = sandbox.pm2(&["jlist"]);
    let list: serde_json::Value = serde_json::from_str(list.stdout.lines().last().unwrap()).unwrap();
    let names = list
        .as_array()
        .unwrap()
        .iter()
        .map(|app| format!("{} {}", app["name"], app["pid"]));
    seen.extend(names);
    seen.sort();
    seen
}
