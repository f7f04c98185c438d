//! `--json`: lines that parse, then one result whose exit code is the process's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bluegreen::model::color::Color;
use serde_json::Value;

use crate::house::pages;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};

/// Everything before the result is an event or a line of a log.
fn result_of(outcome: &Outcome) -> Value {
    let mut lines = outcome.json();
    let result = lines.pop().unwrap_or_else(|| panic!("no result of {outcome}"));
    for line in &lines {
        assert!(
            line["event"].is_string() || line["line"].is_string(),
            "{line} in {outcome}"
        );
        assert_eq!(line["version"], 1, "{line} in {outcome}");
        assert!(line.get("result").is_none(), "two results of {outcome}");
    }
    assert_eq!(
        result["exit_code"].as_i64(),
        outcome.code.map(i64::from),
        "{outcome}"
    );
    let word = if outcome.code == Some(0) { "done" } else { "failed" };
    assert_eq!(result["result"], word, "{outcome}");
    assert_eq!(result["version"], 1, "{outcome}");
    assert!(
        result["answer"].is_null() != result["error"].is_null(),
        "{outcome}"
    );
    result
}

/// The commands whose results `docs/json.md` shows.
const SHOWN: [&str; 21] = [
    "check",
    "setup --plan",
    "setup",
    "deploy --plan",
    "deploy",
    "deploy mian",
    "switch green",
    "rollback",
    "canary 5%",
    "compare --paths pages.txt",
    "preview",
    "maintenance on",
    "status",
    "history",
    "releases",
    "list",
    "data",
    "logs",
    "repair --plan",
    "repair",
    "remove",
];

/// One of them fails here: each other is shown as it ends well.
const FAILING: &str = "deploy mian";

/// The page shows a line for each, made anew where that is asked for: with the host's folders
/// under another name, no list longer than one, and no text longer than its first lines.
struct Page {
    lines: BTreeMap<String, Value>,
}

impl Page {
    fn note(&mut self, sandbox: &Sandbox, command: &str, result: &Value) {
        let fits = (result["result"] == "failed") == (command == FAILING);
        if SHOWN.contains(&command) && fits {
            let text = result.to_string();
            let root = sandbox.root().display().to_string();
            let mut result = serde_json::from_str(&text.replace(&root, "/host")).unwrap();
            shorten(&mut result);
            self.lines.entry(command.to_owned()).or_insert(result);
        }
    }

    fn is_as_shown(&self) {
        if std::env::var_os("BG_WRITE_PAGES").is_some() {
            let shown = SHOWN.map(|command| {
                let line = serde_json::to_string_pretty(&self.lines[command]).unwrap();
                format!("\n`bg {command}`\n\n```json\n{line}\n```\n")
            });
            pages::generated("docs/json.md", "results", &shown.concat());
            return;
        }
        let shown = pages::part("docs/json.md", "results");
        for command in SHOWN {
            let (_, rest) = shown.split_once(&format!("\n`bg {command}`\n")).unwrap();
            let (_, rest) = rest.split_once("```json\n").unwrap();
            let (sample, _) = rest.split_once("\n```").unwrap();
            let sample: Value = serde_json::from_str(sample).unwrap();
            let differ = differences("", &sample, &self.lines[command]);
            assert!(differ.is_empty(), "`bg {command}` in docs/json.md: {differ:#?}");
        }
    }
}

/// How many lines of a text are shown.
const LINES: usize = 3;

fn shorten(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.truncate(1);
            list.iter_mut().for_each(shorten);
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::String(text) if text.lines().count() > LINES => {
            let first: Vec<&str> = text.lines().take(LINES).collect();
            *text = first.join("\n") + "\n...";
        }
        _ => {}
    }
}

/// Fields that one has and the other has not, or has as something else. A value that is not
/// known may be of any kind.
fn differences(at: &str, shown: &Value, real: &Value) -> Vec<String> {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            let keys: BTreeSet<&String> = shown.keys().chain(real.keys()).collect();
            let each = keys
                .into_iter()
                .flat_map(|key| match (shown.get(key), real.get(key)) {
                    (Some(shown), Some(real)) => differences(&format!("{at}.{key}"), shown, real),
                    (Some(_), None) => vec![format!("{at}.{key} is not there any more")],
                    _ => vec![format!("{at}.{key} is new")],
                });
            each.collect()
        }
        (Value::Array(shown), Value::Array(real)) => match (shown.first(), real.first()) {
            (Some(shown), Some(real)) => differences(&format!("{at}[0]"), shown, real),
            _ => Vec::new(),
        },
        (Value::Null, _) | (_, Value::Null) => Vec::new(),
        (shown, real) if std::mem::discriminant(shown) == std::mem::discriminant(real) => Vec::new(),
        _ => vec![format!("{at} is of another kind")],
    }
}

#[test]
fn a_form_that_differs_is_found_at_any_depth() {
    let shown = serde_json::json!({"a": [{"b": 1, "c": null}], "d": "x"});
    let same = serde_json::json!({"a": [{"b": 2, "c": {"e": 1}}], "d": null});
    assert_eq!(differences("", &shown, &same), Vec::<String>::new());
    let other = serde_json::json!({"a": [{"b": "2", "f": 1}], "d": 1});
    let found = differences("", &shown, &other);
    assert_eq!(
        found,
        [
            ".a[0].b is of another kind",
            ".a[0].c is not there any more",
            ".a[0].f is new",
            ".d is of another kind"
        ]
    );
}

#[test]
fn every_command_ends_with_one_result_whose_exit_code_is_its_own() {
    let port = Port::free();
    let sandbox = Sandbox::with(|config| set(config, "nginx", "loopback_port", i64::from(port.number())));
    let mut tried = 0;
    let mut page = Page {
        lines: BTreeMap::new(),
    };
    let mut tell = |args: &[&str], code: i32| {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let outcome = sandbox.bg(&args);
        outcome.assert_code(code);
        tried += 1;
        let result = result_of(&outcome);
        let command = args[..args.len() - 1].join(" ");
        page.note(&sandbox, &command, &result);
        result
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
    fs::write(sandbox.config().with_file_name("pages.txt"), "/\n").unwrap();
    tell(&["compare", "--paths", "pages.txt"], 0);
    tell(&["canary", "5%"], 0);
    tell(&["promote"], 0);
    tell(&["abort"], 0);
    tell(&["preview", "--off"], 0);
    tell(&["preview"], 0);
    tell(&["maintenance", "on"], 0);
    tell(&["maintenance", "off"], 0);
    for verb in [
        "status", "history", "releases", "list", "data", "logs", "schema", "man", "check",
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
    assert_eq!(tried, 37);
    page.is_as_shown();
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
