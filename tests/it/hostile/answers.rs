//! An app that answers health checks and visitors in every way that is no answer.

use std::fs;
use std::time::Duration;

use bluegreen::model::color::Color;
use toml::Table;

use crate::sandbox::outcome::{Outcome, Running};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, set};

/// Every check, each with what is said of it at its first failure. A summary names six.
const CHECKS: &[(&str, &str)] = &[
    (
        "path = \"/hundred-megabytes\"\ncontains = \"never\"",
        "/hundred-megabytes: the body does not contain `never`",
    ),
    (
        "path = \"/endless-body\"\ncontains = \"never\"",
        "/endless-body: the body does not contain `never`",
    ),
    (
        "path = \"/endless-headers\"",
        "/endless-headers: the answer is not HTTP, or its headers are far too large",
    ),
    ("path = \"/loop\"", "/loop: 302 redirects to `/loop`"),
    ("path = \"/silence\"", "/silence: no answer within 0.5 s"),
    (
        "path = \"/terminal\"\ncontains = \"never\"",
        "/terminal: the body does not contain `never`, it begins: ]0;mine [2Jno no",
    ),
    ("path = \"/one-long-header\"", ""),
    ("path = \"/endless-status-line\"", ""),
    ("path = \"/endless-informational\"", ""),
    ("path = \"/closes\"", ""),
    ("path = \"/garbage\"", ""),
    ("path = \"/dripped\"", ""),
    ("path = \"/dripped-body\"", ""),
    ("path = \"/deep\"\njson = { pointer = \"/0\", equals = 1 }", ""),
    ("path = \"/chunk\"\ncontains = \"never\"", ""),
];

/// What `bg` itself may take at its peak, in kB: a debug build has 30 MB without any of this,
/// and one body of the app's has 100.
const MOST: u64 = 64 << 10;

fn with_checks<'a>(config: &mut Table, checks: impl Iterator<Item = &'a str>) {
    let text: String = checks.map(|check| format!("[[health]]\n{check}\n")).collect();
    let health: Table = text.parse().unwrap();
    config.insert("health".into(), health["health"].clone());
}

/// Waits for its end, and says what it took at its peak, in kB.
fn with_peak(mut running: Running) -> (Outcome, u64) {
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    wait_until(Duration::from_secs(180), "it has ended", || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = now.unwrap_or(peak);
        running.has_ended()
    });
    (running.wait(), peak)
}

#[test]
fn no_answer_of_an_app_takes_more_than_its_time_and_little_memory() {
    let sandbox = Sandbox::deployed();
    sandbox.commit("an unfriendly app", |repo| {
        fs::write(repo.join("hostile.py"), include_str!("app.py")).unwrap();
    });
    sandbox.configure(|config| {
        set(
            config,
            "process",
            "run",
            "{{ venv }}/bin/python hostile.py {{ port }}",
        );
        set(config, "process", "stop_timeout", "2s");
        set(config, "gate", "timeout", "6s");
        set(config, "gate", "attempt", "500ms");
        with_checks(config, CHECKS.iter().map(|(check, _)| *check));
    });
    let (refused, peak) = with_peak(sandbox.bg_start(&["deploy"]));
    sandbox.assert_five(&refused, 1, "green did not pass the gate", Color::Blue);
    refused.assert_says("traffic: unchanged, blue");
    let shown: Vec<&str> = CHECKS
        .iter()
        .map(|(_, said)| *said)
        .filter(|said| !said.is_empty())
        .collect();
    assert_eq!(shown.len(), 6);
    for said in shown {
        refused.assert_says(said);
    }
    refused.assert_says("more result");
    assert!(
        !refused.stderr.contains('\u{1b}'),
        "a terminal was steered by {refused}"
    );
    assert!(refused.took < Duration::from_secs(60), "{refused}");
    assert!((1..MOST).contains(&peak), "{peak} kB of {refused}");

    // It is well where it is asked, and silent to visitors.
    sandbox.configure(|config| with_checks(config, ["path = \"/health\""].into_iter()));
    let (put_back, peak) = with_peak(sandbox.bg_start(&["deploy"]));
    sandbox.assert_five(&put_back, 5, "no answer within", Color::Blue);
    assert!(put_back.took < Duration::from_secs(60), "{put_back}");
    assert!((1..MOST).contains(&peak), "{peak} kB of {put_back}");
}
