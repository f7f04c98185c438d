//! A sandbox with a worker that says ten times a second that it lives.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use toml::Table;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, set};

/// How long anything is waited for: two busy cores are slow.
pub const LONG: Duration = Duration::from_secs(60);

/// A worker of the sandbox's shop.
pub fn worker(name: &str, more: &str) -> toml::Value {
    let text =
        format!("name = \"{name}\"\nrun = \"{{{{ venv }}}}/bin/python work.py\"\nready = \"300ms\"\n{more}");
    toml::Value::Table(text.parse().unwrap())
}

/// Adds it to `bg.toml`.
pub fn add(config: &mut Table, worker: toml::Value) {
    let list = config
        .entry("worker")
        .or_insert_with(|| toml::Value::Array(Vec::new()));
    list.as_array_mut().unwrap().push(worker);
}

/// Tells workers where to say that they live.
pub fn let_beat(sandbox: &Sandbox) {
    sandbox.configure(|config| {
        let set_of = toml::Value::Table(Table::from_iter([(
            "BEATS".to_owned(),
            toml::Value::String(beats_file(sandbox).display().to_string()),
        )]));
        set(config, "env", "set", set_of);
    });
}

/// The script, committed.
pub fn commit_script(sandbox: &Sandbox) {
    sandbox.commit("a worker", |repo| {
        fs::write(repo.join("work.py"), include_str!("work.py")).unwrap();
    });
}

/// Set up with one worker `sync`, nothing deployed yet.
pub fn set_up(more: &str) -> Sandbox {
    let sandbox = Sandbox::with(|config| add(config, worker("sync", more)));
    let_beat(&sandbox);
    commit_script(&sandbox);
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox
}

/// The same with a first release live on blue.
pub fn deployed(more: &str) -> Sandbox {
    let sandbox = set_up(more);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox
}

/// The next release, whose worker does as `mode` says.
pub fn commit_mode(sandbox: &Sandbox, mode: &str) {
    sandbox.commit(mode, |repo| {
        let script = include_str!("work.py");
        fs::write(
            repo.join("work.py"),
            script.replace("MODE = \"work\"", &format!("MODE = \"{mode}\"")),
        )
        .unwrap();
    });
}

fn beats_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("beats")
}

/// One line of a worker.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Seconds since 1970.
    pub at: f64,
    /// The process.
    pub pid: i64,
    /// Its release.
    pub release: String,
    /// `beat`, the signal that ended it, or `two at once`.
    pub what: String,
}

/// All of them, oldest first.
pub fn beats(sandbox: &Sandbox) -> Vec<Beat> {
    let text = fs::read_to_string(beats_file(sandbox)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| Beat {
            at: line["at"].as_f64().unwrap(),
            pid: line["pid"].as_i64().unwrap(),
            release: line["release"].as_str().unwrap().to_owned(),
            what: line["what"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The last one.
pub fn last(sandbox: &Sandbox) -> Beat {
    beats(sandbox).pop().unwrap()
}

/// Waits until a worker of `release` says that it lives, from now on; returns its process.
#[track_caller]
pub fn wait_beats(sandbox: &Sandbox, release: &str) -> i64 {
    let before = beats(sandbox).len();
    wait_until(LONG, &format!("a worker of {release} works"), || {
        beats(sandbox)
            .iter()
            .skip(before)
            .any(|beat| beat.release == release && beat.what == "beat")
    });
    last(sandbox).pid
}

/// Nobody ever saw a second one, and no two processes' beats are mixed.
#[track_caller]
pub fn assert_never_two(sandbox: &Sandbox) {
    let beats = beats(sandbox);
    assert!(beats.len() > 3, "{beats:?}");
    let shouted: Vec<&Beat> = beats.iter().filter(|beat| beat.what == "two at once").collect();
    assert!(shouted.is_empty(), "{shouted:?}");
    let mut pids: Vec<i64> = beats.iter().map(|beat| beat.pid).collect();
    pids.dedup();
    let mut once = pids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), pids.len(), "mixed: {pids:?}");
}

/// The longest time without a beat, and how often another process went on.
pub fn longest_gap(sandbox: &Sandbox) -> (f64, usize) {
    let beats = beats(sandbox);
    let pairs = || beats.iter().zip(beats.iter().skip(1));
    let longest = pairs().map(|(one, next)| next.at - one.at).fold(0.0, f64::max);
    let changes = pairs().filter(|(one, next)| one.pid != next.pid).count();
    (longest, changes)
}

/// What `bg status` says about a worker.
pub fn status_of(sandbox: &Sandbox, name: &str) -> Value {
    let status = sandbox.status();
    let workers = status["workers"].as_array().unwrap();
    let found = workers.iter().find(|worker| worker["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {status}")).clone()
}

/// The worker runs from `release`, nothing is wrong with it, and there was never a second.
#[track_caller]
pub fn assert_runs(sandbox: &Sandbox, release: &str) {
    wait_beats(sandbox, release);
    let status = status_of(sandbox, "sync");
    assert_eq!(status["release"], release, "{status}");
    assert_eq!(status["problem"], Value::Null, "{status}");
    assert_eq!(status["pid"].as_i64(), Some(last(sandbox).pid), "{status}");
    assert_never_two(sandbox);
}

/// The entries of PM2 that are workers' or not the colors', with their status.
pub fn entries(sandbox: &Sandbox) -> Vec<(String, String)> {
    let list: Value = serde_json::from_str(sandbox.pm2(&["jlist"]).stdout.lines().last().unwrap()).unwrap();
    let mut entries: Vec<(String, String)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&entry["name"]), text(&entry["pm2_env"]["status"]))
        })
        .filter(|(name, _)| name != "flask-blue" && name != "flask-green")
        .collect();
    entries.sort();
    entries
}

/// The lines of `--json` that tell of a worker.
pub fn told(outcome: &Outcome) -> Vec<Value> {
    let of_workers = |event: &Value| {
        let name = event["event"].as_str().unwrap_or_default();
        name.starts_with("worker_")
    };
    outcome.json().into_iter().filter(of_workers).collect()
}
