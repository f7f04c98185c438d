//! Names that two hosts share for what cannot be the same on both: ids, times, ports, pids,
//! paths. What happened first on one has the name of what happened first on the other, so
//! that a release in another's place is still seen as one.

use std::fs;

use serde_json::Value;

use bluegreen::model::color::Color;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, repo};

/// What is measured in JSON, a number or nothing.
const MEASURED: &[&str] = &[
    "took_ms",
    "slowest_ms",
    "last_old_ms",
    "window_ms",
    "sent",
    "enough",
    "pid",
    "ms",
    "moved_seconds_ago",
];

/// What is replaced on one host, and by what; longest first.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// All that there are by now.
    pub(super) fn of(host: &Sandbox) -> Names {
        let mut names = vec![
            (host.root().display().to_string(), "ROOT".to_owned()),
            (host.address().port().to_string(), "LISTEN".to_owned()),
        ];
        for color in Color::BOTH {
            let port = host.slot_address(color).port().to_string();
            names.push((port, format!("PORT-OF-{color}")));
        }
        for (number, run) in runs(host).into_iter().enumerate() {
            names.push((run, format!("RUN-{number}")));
        }
        for (number, release) in releases(host).into_iter().enumerate() {
            names.push((release, format!("RELEASE-{number}")));
        }
        let commits = repo::git(&host.repo(), &["rev-list", "--reverse", "HEAD"]);
        for (number, commit) in commits.lines().enumerate() {
            names.push((commit.to_owned(), format!("COMMIT-{number}")));
            names.push((commit[..7].to_owned(), format!("COMMIT-{number}-SHORT")));
        }
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Names(names)
    }

    /// A text with the names in it.
    pub(super) fn give(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.0 {
            text = text.replace(from, to);
        }
        text.lines()
            .filter(|line| !is_chance(line))
            .map(measured)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// All that a command told.
    pub(super) fn outcome(&self, outcome: &Outcome) -> String {
        let stdout: Vec<String> = outcome
            .stdout
            .lines()
            .filter(|line| line.contains("\"result\"") || !is_chance(line))
            .map(|line| self.line(line))
            .collect();
        format!(
            "exit code {:?}\n{}\n{}",
            outcome.code,
            stdout.join("\n"),
            self.give(&outcome.stderr)
        )
    }

    fn line(&self, line: &str) -> String {
        match serde_json::from_str::<Value>(line) {
            Ok(value @ Value::Object(_)) => format!("{:#}", self.value(value)),
            _ => self.give(line),
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.give(&text)),
            Value::Array(values) => values
                .into_iter()
                .filter(|value| !is_chance(&value.to_string()))
                .map(|value| self.value(value))
                .collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| match value {
                    Value::Number(_) | Value::Null | Value::Bool(_) if MEASURED.contains(&key.as_str()) => {
                        (key, "MEASURED".into())
                    }
                    value => (key, self.value(value)),
                })
                .collect(),
            Value::Number(number) => self.give(&number.to_string()).into(),
            other => other,
        }
    }
}

/// The names of the runs so far, in order.
pub(super) fn runs(host: &Sandbox) -> Vec<String> {
    let names = in_folder(host, "state/runs");
    names.iter().map(|name| name.replace(".ndjson", "")).collect()
}

/// The names of the releases, in order.
fn releases(host: &Sandbox) -> Vec<String> {
    in_folder(host, "releases")
}

fn in_folder(host: &Sandbox, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(host.app_root().join(folder));
    let entries = entries.into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether it is a matter of milliseconds that something is told at all: pooled connections
/// end by themselves, and who comes a little later sees none; a machine that is busy for a
/// moment leaves a check without an answer. Or of who looks: only a client over SSH has seen
/// what it tells of that.
fn is_chance(told: &str) -> bool {
    let by_the_clock = [" still open: waiting up to ", ": no answer within "];
    by_the_clock.iter().any(|words| told.contains(words)) || told.contains(" over SSH")
}

/// A line in which what was measured is a word. Counts and codes stay.
fn measured(line: &str) -> String {
    let line = without(line, ", last old answer after ", " ms");
    let line = line.replace(" (too few to tell whether the switch lost any)", "");
    let words: Vec<&str> = line.split(' ').collect();
    let mut shown: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        let after = words.get(at + 1).copied().unwrap_or("");
        let Some(name) = name_of(word, before, after) else {
            shown.push((*word).to_owned());
            continue;
        };
        // What is measured stands in columns, whose width it changes.
        while shown.last().is_some_and(String::is_empty) {
            shown.pop();
        }
        shown.push(name);
    }
    shown.join(" ")
}

/// The word for what was measured, its brackets kept; `None` for any other word.
fn name_of(word: &str, before: &str, after: &str) -> Option<String> {
    let core = word.trim_matches(|c: char| "()[],;:".contains(c));
    let shape: String = core
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let is_number = !core.is_empty() && shape.chars().all(|c| c == '0' || c == '.');
    let unit = after.trim_matches(|c: char| "()[],;:".contains(c));
    let name = match shape.as_str() {
        "0000-00-00" => "DATE",
        "00:00:00" | "+0000" => "CLOCK",
        _ if shape.starts_with("0000-00-00T00:00:00") => "WHEN",
        _ if is_number && before.ends_with("pid") || before.ends_with("pid:") => "PID",
        _ if is_number && word.starts_with(['[', '(']) && word.ends_with([']', ')']) => "PID",
        _ if shape
            .strip_prefix("pid:")
            .is_some_and(|rest| rest.chars().all(|c| c == '0')) =>
        {
            "PID"
        }
        _ if is_number && ["s", "ms", "requests", "MB", "inodes", "tries", "fine"].contains(&unit) => "N",
        _ if is_span(&shape) => "TIME",
        _ => return None,
    };
    Some(word.replace(core, name))
}

/// `0.4s`, `3m`.
fn is_span(shape: &str) -> bool {
    let digits = shape.strip_suffix(['s', 'm']).unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c == '0' || c == '.')
}

/// `line` without the piece from `from` to `to`.
fn without(line: &str, from: &str, to: &str) -> String {
    let cut = line.split_once(from).and_then(|(left, rest)| {
        let (_, right) = rest.split_once(to)?;
        Some(format!("{left}{right}"))
    });
    cut.unwrap_or_else(|| line.to_owned())
}
