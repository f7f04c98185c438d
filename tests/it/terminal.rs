//! What others wrote reaches an operator's terminal as text: nothing in it steers the terminal
//! or passes for a line of ours.

use std::fs;

use bluegreen::model::wire::PROTOCOL;
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;

/// Clipboard, title, colors, a carriage return, C1 as UTF-8, the order of writing.
const HOSTILE: &str = "zap\u{1b}]52;c;cm0gLXJm\u{7}\u{1b}]0;pwned\u{1b}\\\u{1b}[2J\u{1b}[31mred\rerror: forged\
    \u{9d}52;c;x\u{9c}\u{202e}gpj\u{2066}\u{200f}\u{7f}\u{8}";

/// The same, with lines that look like ours or another host's.
const LINES: &str =
    "\nerror: forged\ntraffic: moved, green is live\n  ✓ traffic moved\nweb2 ✓ done\r\nhint: `rm -rf /`";

fn is_clean(said: &Outcome) {
    for text in [&said.stdout, &said.stderr] {
        let steers = |c: &char| {
            (c.is_control() && *c != '\n' && *c != '\t')
                || ('\u{202a}'..='\u{202e}').contains(c)
                || ('\u{2066}'..='\u{2069}').contains(c)
                || *c == '\u{200f}'
        };
        if let Some(c) = text.chars().find(steers) {
            panic!("{c:?} in {text:?}");
        }
        let forged = [
            "error: forged",
            "traffic: moved, green",
            "  ✓ traffic moved\n",
            "web2 ✓ done",
            "hint: `rm",
        ];
        for line in text.split_inclusive('\n') {
            assert!(
                !forged.iter().any(|forged| line.starts_with(forged)),
                "{line:?} in {text:?}"
            );
        }
    }
}

#[test]
fn a_commit_and_an_app_cannot_steer_the_terminal() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit(
        HOSTILE,
        "app = Flask(__name__)",
        &format!(
            "print({}, flush=True)\napp = Flask(__name__)",
            serde_json::to_string(HOSTILE).unwrap()
        ),
    );
    sandbox.configure(|config| {
        let hook = crate::hooks::script(&sandbox, "hostile", &format!("printf '%s\\n' '{HOSTILE}'"));
        crate::sandbox::set(config, "hooks", "after_switch", hook);
    });
    let mut said = vec![
        sandbox.bg(&["deploy", "--plan"]),
        sandbox.bg(&["deploy"]).assert_code(0).clone(),
    ];
    let commands: [&[&str]; 9] = [
        &["status"],
        &["status", "--json"],
        &["history"],
        &["history", "--json"],
        &["releases"],
        &["releases", "--json"],
        &["logs", "green"],
        &["logs", "green", "--json"],
        &["deploy", "--json"],
    ];
    said.extend(commands.map(|args| sandbox.bg(args)));
    for run in fs::read_dir(sandbox.app_root().join("state/runs"))
        .unwrap()
        .flatten()
    {
        let run = run.file_name().to_str().unwrap().replace(".ndjson", "");
        said.push(sandbox.bg(&["history", &run]));
        said.push(sandbox.bg(&["history", &run, "--json"]));
    }
    let shown = said
        .iter()
        .filter(|said| (said.stdout.clone() + &said.stderr).contains("zap"))
        .count();
    assert!(shown >= 8, "only {shown} show it at all");
    said.iter().for_each(is_clean);
}

/// A host whose engine is the attacker's.
#[test]
fn a_hostile_host_cannot_steer_the_terminal_or_speak_for_us() {
    let afar = Afar::new(1);
    let hostile = HOSTILE.to_owned() + LINES;
    let hello = json!({"hello": {"protocol": PROTOCOL, "version": "99.0.0"}});
    let failure = json!({"failure": {
        "kind": "failed", "what": hostile, "causes": [hostile, hostile], "excerpt": [hostile],
        "traffic": {"state": "unknown", "seen": hostile}, "hints": [hostile],
    }});
    let event = |event: serde_json::Value| json!({ "event": event });
    let finding = json!({"level": "warning", "subject": hostile, "found": hostile, "fix": hostile});
    let answer = |answer: serde_json::Value| json!({"answer": {"exit_code": 0, "answer": answer}});
    let words = [
        vec![
            event(json!({"event": "warned", "notice": "url_down_before", "problem": hostile})),
            failure,
        ],
        vec![
            event(json!({"event": "hook_said", "hook": hostile, "line": hostile})),
            answer(json!({"checked": {"report": {"findings": [finding]}}})),
        ],
        vec![
            event(json!({"event": "recovered", "notice": "pm2_started", "processes": [hostile]})),
            json!({"lines": hostile.replace("\nweb2", "\n") + "\n"}),
        ],
        vec![
            event(json!({"event": "noted", "notice": "smoke_passed", "command": hostile})),
            json!(hostile),
        ],
        vec![answer(
            json!({"repaired": {"plan": [hostile], "done": false, "live": null}}),
        )],
        vec![answer(
            json!({"set_up": {"changes": [hostile], "diffs": [hostile], "done": false, "switch": hostile, "snippet": null}}),
        )],
    ];
    let mut shown = 0;
    for said in words {
        let lines: Vec<String> = std::iter::once(&hello)
            .chain(&said)
            .map(ToString::to_string)
            .collect();
        let script = afar.servers[0].sandbox.root().join("said");
        fs::write(&script, lines.join("\n") + "\n").unwrap();
        // What it prints beside the wire is shown too, when it ends without a word. It hears the
        // request first: one that is gone before is another story.
        let program = format!(
            "#!/bin/sh\nprintf '%s\\n' '{HOSTILE}' >&2\nhead -n 1 {0}\nread -r request\ntail -n +2 {0}\n",
            script.display()
        );
        afar.servers[0].install("bluegreen", &program);
        for args in [&["status"][..], &["status", "--json"], &["logs"], &["check"]] {
            let outcome = afar.everywhere(args);
            shown += usize::from((outcome.stdout.clone() + &outcome.stderr).contains("zap"));
            is_clean(&outcome);
        }
    }
    assert_eq!(shown, 24, "all show it");
}
