//! Several hosts as one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::sandbox::afar::{Afar, Server};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::repo;

fn all_answer(afar: &Afar, color: Color) {
    for server in &afar.servers {
        assert_eq!(server.sandbox.live_color(), Some(color), "{}", server.name);
    }
}

#[test]
fn three_hosts_move_together_and_back() {
    let afar = Afar::deployed(3);
    let first = afar.servers[0].sandbox.live_release();
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    let deploy = afar.everywhere(&["deploy", "--json"]);
    deploy.assert_code(0);
    all_answer(&afar, Color::Green);
    let releases: Vec<String> = afar
        .servers
        .iter()
        .map(|server| server.sandbox.live_release())
        .collect();
    assert!(
        releases.iter().all(|release| *release == releases[0]),
        "{releases:?}"
    );
    let answer = deploy.result()["answer"].take();
    assert!(
        answer["skew_ms"].as_f64().is_some_and(|skew| skew >= 0.0),
        "{answer}"
    );
    assert_eq!(answer["hosts"][2]["host"], "web3");
    let status = afar.everywhere(&["status"]);
    status.assert_code(0);
    let ready = format!("rollback ready, to {first}");
    assert_eq!(status.stdout.matches(&ready).count(), 3, "{status}");
    afar.everywhere(&["rollback"]).assert_code(0);
    all_answer(&afar, Color::Blue);
}

#[test]
fn hosts_that_have_a_commit_follow_one_that_lacks_it_and_all_that_have_it_are_left_alone() {
    let afar = Afar::deployed(2);
    let all = afar.all();
    let typed = |words: &[&str]| {
        let words = [words, &["--app", "shop", "--hosts", &all]].concat();
        let output = afar.command_as_typed(&words).output().unwrap();
        Outcome::new(&words, &output, Duration::ZERO)
    };
    let first = &afar.servers[0].sandbox;
    let refused = typed(&["deploy"]);
    for server in &afar.servers {
        let says = "is live already, with the same configuration and environment";
        server.sandbox.assert_five(&refused, 1, says, Color::Blue);
    }
    // The primary lacks it, and then it alone has it.
    for has_it in [1, 0] {
        first.commit("Another", |_| {});
        afar.servers[has_it].sandbox.bg(&["deploy"]).assert_code(0);
        typed(&["deploy"]).assert_code(0);
        let live = first.live_release();
        assert_eq!(afar.servers[1].sandbox.live_release(), live, "{has_it}");
    }
    typed(&["deploy"]).assert_code(1);
}

/// A second release, while visitors of every host lose nothing.
fn deploy_under_load(afar: &Afar) -> Outcome {
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    let load: Vec<_> = afar.servers.iter().map(|server| server.sandbox.load()).collect();
    let deploy = afar.everywhere(&["deploy", "--json"]);
    for load in load {
        let counted = load.stop();
        assert_eq!(counted.failed, 0, "{counted:?}");
    }
    deploy
}

/// Every host serves `color`, its link says so and its lock is free; returns what the
/// command answered for each.
#[track_caller]
fn stand_at(afar: &Afar, outcome: &Outcome, code: i32, color: Color) -> Vec<serde_json::Value> {
    outcome.assert_code(code);
    all_answer(afar, color);
    for server in &afar.servers {
        assert_eq!(
            server.sandbox.link(),
            color.name(),
            "{} after {outcome}",
            server.name
        );
        assert!(server.sandbox.lock_is_free(), "{} after {outcome}", server.name);
    }
    let hosts = outcome.result()["answer"]["hosts"].take();
    hosts
        .as_array()
        .unwrap_or_else(|| panic!("no hosts in {outcome}"))
        .clone()
}

#[test]
fn a_gate_that_one_host_does_not_pass_leaves_all_where_they_were() {
    let afar = Afar::deployed(3);
    let applied = afar.servers[1].sandbox.app_root().join("bg.toml");
    repo::replace(&applied, "path = \"/health\"", "path = \"/missing\"");
    let deploy = deploy_under_load(&afar);
    let hosts = stand_at(&afar, &deploy, 1, Color::Blue);
    assert_eq!(hosts[1]["exit_code"], 1, "{deploy}");
    assert_eq!(hosts[0]["exit_code"], 130, "{deploy}");
    assert_eq!(hosts[2]["failure"]["traffic"]["state"], "unchanged", "{deploy}");
    let what = hosts[1]["failure"]["what"].as_str().unwrap();
    assert!(what.starts_with("green did not pass the gate"), "{what}");
    // No candidate is left behind, and nobody has a doubt.
    let status = afar.everywhere(&["status", "--json"]);
    let hosts = stand_at(&afar, &status, 0, Color::Blue);
    for host in &hosts {
        assert_eq!(
            host["answer"]["status"]["slots"][1]["health"]["state"], "empty",
            "{status}"
        );
        assert_eq!(
            host["answer"]["status"]["doubt"],
            serde_json::Value::Null,
            "{status}"
        );
    }
}

/// The site of a host goes to `color` for ever, whatever the link says.
fn nail(server: &Server, color: Color) {
    let site = site_of(server);
    let text = fs::read_to_string(&site).unwrap();
    let line = text.lines().find(|line| line.contains("proxy.conf")).unwrap();
    let past = format!("proxy_pass http://{};", server.sandbox.slot_address(color));
    repo::replace(&site, line.trim(), &past);
    server.sandbox.front.reload();
}

fn site_of(server: &Server) -> PathBuf {
    server.sandbox.front.conf().with_file_name("bg/shop/server.conf")
}

/// The same only for a while.
pub fn nailed<T>(server: &Server, color: Color, meanwhile: impl FnOnce() -> T) -> T {
    let site = site_of(server);
    let text = fs::read(&site).unwrap();
    nail(server, color);
    let done = meanwhile();
    fs::write(&site, text).unwrap();
    server.sandbox.front.reload();
    done
}

#[test]
fn a_proof_that_fails_on_one_host_puts_the_others_back() {
    let afar = Afar::deployed(3);
    nail(&afar.servers[2], Color::Blue);
    let deploy = deploy_under_load(&afar);
    let hosts = stand_at(&afar, &deploy, 5, Color::Blue);
    for host in &hosts {
        assert_eq!(host["exit_code"], 5, "{deploy}");
        assert_eq!(host["failure"]["traffic"]["state"], "put_back", "{deploy}");
    }
    assert_eq!(
        hosts[0]["failure"]["causes"][0],
        "another host of the fleet did not switch"
    );
    let text = afar.everywhere(&["status"]);
    assert!(!text.stdout.contains("in doubt"), "{text}");
}

#[test]
fn a_host_that_cannot_be_reached_is_named_and_nothing_is_changed() {
    let mut afar = Afar::deployed(3);
    afar.servers[1].sshd.stop();
    let before: Vec<_> = afar.servers.iter().map(journal).collect();
    let deploy = afar.everywhere(&["deploy", "--json"]);
    let hosts = stand_at(&afar, &deploy, 1, Color::Blue);
    let what = hosts[1]["failure"]["what"].as_str().unwrap();
    assert_eq!(what, "no SSH connection to `web2`");
    assert_eq!(hosts[0]["exit_code"], 130, "{deploy}");
    let after: Vec<_> = afar.servers.iter().map(journal).collect();
    assert_eq!(before, after, "{deploy}");
    // Whoever only looks sees the others.
    let status = afar.everywhere(&["status"]);
    status.assert_code(1).assert_says("web2");
    assert_eq!(status.stdout.matches(" is live").count(), 2, "{status}");
}

fn journal(server: &Server) -> Vec<u8> {
    fs::read(server.sandbox.app_root().join("state/journal.jsonl")).unwrap()
}
