//! What differs from run to run and from machine to machine, taken out of a page.

use std::fmt::Write;

use bluegreen::model::color::Color;
use nix::unistd::{User, geteuid};
use regex_lite::Regex;

use crate::sandbox::{Sandbox, front, python};

/// Patterns and what stands in their place, in this order.
const PATTERNS: &[(&str, &str)] = &[
    (r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}", "<release>"),
    (r"[0-9]{8}T[0-9]{9}Z-[0-9]+", "<run>"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC", "<time>"),
    (
        r"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8} (\[[a-z]+\]) [0-9#]+:",
        "<time> $1 <pid>:",
    ),
    (r"\b(blue|green)-[A-Za-z0-9]{32}\b", "$1-<key>"),
    (r"\b[0-9a-f]{40}\b", "<commit>"),
    (r"\b[0-9a-f]{7}\b", "<commit>"),
    (r"\(pid [0-9]+\)", "(pid <pid>)"),
    (r"\bpid [0-9]+", "pid <pid>"),
    (r"\bprocess [0-9]+", "process <pid>"),
    // The column of times.
    (
        r"(?m)^(  ✓ .+?) +[0-9][0-9.]*(?:ms|s|m)(?: [0-9]+s)?$",
        "$1 <took>",
    ),
    // How many connections NGINX keeps open by now is chance.
    (
        r"  · [0-9]+ connections? to [a-z]+ (?:is|are) still open: .*\n",
        "",
    ),
    (
        r"process\.ports = [0-9]+ and [0-9]+",
        "process.ports = <port> and <port>",
    ),
    (r"installed with (?:uv|pip)", "installed with <installer>"),
    (
        r"failed to lookup address information: .*",
        "failed to lookup address information: ...",
    ),
    (
        r"\b[0-9]+ requests in the [0-9.]+ ?m?s",
        "<n> requests in the <window>",
    ),
    (r"\b[0-9]+ requests around", "<n> requests around"),
    // Whether the old color was asked once more is chance, too.
    (r", last old answer after [0-9.]+ ms", ""),
    (r" \(too few to tell whether the switch lost any\)", ""),
    (r"\b[0-9]+(?:\.[0-9]+)? ms\b", "<ms>"),
    (r"\b[0-9]+(?:\.[0-9]+)? (?:s|min|h)\b", "<time>"),
    (r"\b[0-9]+ (?:second|minute)s? ago", "<time> ago"),
    (r"\bup [0-9.]+ ?[smh]\b", "up <time>"),
    (r"\bfor another [0-9dhms ]+\b", "for another <time>"),
    // gunicorn's own lines.
    (r"(?m)^\[[-0-9]+ [0-9:]+ \+0000\] \[[0-9]+\]", "[<time>] [<pid>]"),
    (r"Starting gunicorn .*", "Starting gunicorn <version>"),
    (r"(Listening at: .*) \([0-9]+\)", "$1 (<pid>)"),
    (r"\bwith pid: [0-9]+", "with pid: <pid>"),
];

/// A page with names in place of ports, paths, times, ids and hashes.
pub fn redacted(sandbox: &Sandbox, page: &str) -> String {
    let mut known = vec![
        (sandbox.root().display().to_string(), "<root>".to_owned()),
        (python::interpreter().display().to_string(), "<python>".to_owned()),
        (front::program().display().to_string(), "<nginx>".to_owned()),
        (sandbox.address().to_string(), "<site>".to_owned()),
        (
            format!(":{}", sandbox.address().port()),
            ":<site port>".to_owned(),
        ),
    ];
    for color in Color::BOTH {
        let port = sandbox.slot_address(color).port();
        known.push((port.to_string(), format!("<{color} port>")));
    }
    let user = User::from_uid(geteuid()).unwrap().unwrap().name;
    for (before, after) in [
        (" by ", "\n"),
        (" by ", " (pid"),
        (" by ", "; `"),
        ("(", ", "),
        ("(", " in "),
        ("owned by `", "`"),
    ] {
        known.push((format!("{before}{user}{after}"), format!("{before}<user>{after}")));
    }
    let mut page = page.to_owned();
    for (value, name) in known {
        page = page.replace(&value, &name);
    }
    for (pattern, name) in PATTERNS {
        page = Regex::new(pattern)
            .unwrap()
            .replace_all(&page, *name)
            .into_owned();
    }
    let mut whole = String::new();
    for line in page.lines() {
        writeln!(whole, "{}", line.trim_end()).unwrap();
    }
    whole
}
