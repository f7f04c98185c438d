//! `--json`: lines that parse, then one result whose exit code is the process's.

use bluegreen::model::color::Color;
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::sandbox::outcome::Outcome;

/// Everything before the result is an event or a line of a log.
fn result_of(outcome: &Outcome) -> Value {
    let mut lines = outcome.json();
    let result = lines.pop().unwrap_or_else(|| panic!("no result of {outcome}"));
    for line in &lines {
        assert!(
            line["event"].is_string() || line["line"].is_string(),
            "{line} in {outcome}"
        );
        assert!(line.get("result").is_none(), "two results of {outcome}");
    }
    assert_eq!(
        result["exit_code"].as_i64(),
        outcome.code.map(i64::from),
        "{outcome}"
    );
    let word = if outcome.code == Some(0) { "done" } else { "failed" };
    assert_eq!(result["result"], word, "{outcome}");
    assert!(
        result["answer"].is_null() != result["error"].is_null(),
        "{outcome}"
    );
    result
}

#[test]
fn every_command_ends_with_one_result_whose_exit_code_is_its_own() {
    let sandbox = Sandbox::new();
    let mut tried = 0;
    let mut tell = |args: &[&str], code: i32| {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let outcome = sandbox.bg(&args);
        outcome.assert_code(code);
        tried += 1;
        result_of(&outcome)
    };
    tell(&["status"], 3);
    tell(&["check"], 0);
    tell(&["setup", "--plan"], 0);
    tell(&["setup"], 0);
    tell(&["deploy", "--plan"], 0);
    let deployed = tell(&["deploy"], 0);
    assert_eq!(deployed["answer"]["live"]["color"], "blue");
    let failed = tell(&["deploy", "mian"], 1);
    assert_eq!(failed["traffic"]["state"], "unchanged");
    assert_eq!(failed["traffic"]["live"]["color"], "blue");
    assert!(
        failed["causes"][0]
            .as_str()
            .unwrap()
            .contains("did you mean `main`?")
    );
    tell(&["switch"], 1);
    tell(&["rollback"], 1);
    tell(&["deploy", "--no-switch"], 0);
    tell(&["switch", "green"], 0);
    tell(&["rollback"], 0);
    tell(&["maintenance", "on"], 0);
    tell(&["maintenance", "off"], 0);
    for verb in [
        "status", "history", "releases", "data", "logs", "schema", "man", "check",
    ] {
        tell(&[verb], 0);
    }
    tell(&["history", "nonsense"], 1);
    tell(&["completions", "bash"], 0);
    tell(&["shell-init", "bash"], 0);
    tell(&["repair", "--plan"], 0);
    tell(&["repair"], 0);
    tell(&["init"], 2);
    tell(&["switch", "purple"], 2);
    tell(&["remove"], 0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(tried, 30);
}

#[test]
fn a_check_that_finds_something_and_a_status_that_does_not_know_say_so_in_json_too() {
    let sandbox = Sandbox::deployed();
    let file = sandbox.app_root().join("shared/app.env");
    std::fs::remove_file(file).unwrap();
    let outcome = sandbox.bg(&["check", "--json"]);
    let result = result_of(&outcome);
    assert_eq!(result["exit_code"], 1, "{outcome}");
    std::fs::remove_file(sandbox.link_folder().join("live")).unwrap();
    let outcome = sandbox.bg(&["status", "--json"]);
    assert_eq!(result_of(&outcome)["exit_code"], 7, "{outcome}");
    let outcome = sandbox.bg(&["deploy", "--json"]);
    let result = result_of(&outcome);
    assert_eq!(result["exit_code"], 7, "{outcome}");
    assert_eq!(result["traffic"]["state"], "unknown");
}
