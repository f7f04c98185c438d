//! Names that lead elsewhere, or nowhere. No name server is asked: the program is told.

use std::process::Command;

use toml::Value;

use super::secure::run;
use super::{Finding, assert_found, bad_about, preload};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, set};

const NAMES: &str =
    "shop.example.org=203.0.113.9,www.shop.example.org=198.51.100.7,here.example.org=127.0.0.1";

fn sandbox() -> Sandbox {
    let names = [
        "shop.test",
        "shop.example.org",
        "www.shop.example.org",
        "here.example.org",
        "gone.example.org",
    ];
    Sandbox::with(|config| {
        let names = names.iter().map(|name| Value::String((*name).into()));
        set(config, "nginx", "server_names", Value::Array(names.collect()));
    })
}

/// `bg check` in a network of its own with one more address; `None` where that cannot be made.
fn check(sandbox: &Sandbox, address: &str) -> Option<Outcome> {
    let can = Command::new("unshare")
        .args(["--net", "--map-root-user", "ip", "link"])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: no network of its own can be made here");
        return None;
    }
    let bg = sandbox.bg_command(&["check", "--json"]);
    let mut command = sandbox.command("unshare");
    let script = "ip link set lo up && ip addr add \"$0/32\" dev lo && exec \"$1\" check --json";
    command
        .args(["--net", "--map-root-user", "sh", "-c", script, address])
        .arg(bg.get_program())
        .current_dir(bg.get_current_dir().unwrap());
    preload::into(&mut command).env("TEST_NAMES", NAMES);
    Some(run(command, &["check"]))
}

fn about(findings: &[Finding], name: &str) -> usize {
    let name = format!("`{name}`");
    findings.iter().filter(|one| one.found.contains(&name)).count()
}

#[test]
fn names_that_lead_elsewhere_or_nowhere_are_found() {
    let sandbox = sandbox();
    let Some(outcome) = check(&sandbox, "203.0.113.9") else {
        return;
    };
    let found = bad_about(&outcome, "dns");
    assert_found(
        &found,
        "warning",
        "`www.shop.example.org` leads to 198.51.100.7, and this host has 203.0.113.9",
        "point its A or AAAA record to this host",
    );
    assert_found(
        &found,
        "warning",
        "`gone.example.org` does not resolve on this host",
        "an A or AAAA record",
    );
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(about(&found, "shop.example.org"), 0);
}

#[test]
fn a_host_with_private_addresses_only_cannot_tell() {
    let sandbox = sandbox();
    let Some(outcome) = check(&sandbox, "10.9.8.7") else {
        return;
    };
    let found = bad_about(&outcome, "dns");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(about(&found, "gone.example.org"), 1);
    assert!(
        outcome.stdout.contains("this host has private addresses only"),
        "{outcome}"
    );
}
