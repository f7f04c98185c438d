//! Several hosts that watch one release: its canary goes on in step, and what one of them or all
//! together find is for all.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::together::nailed;
use crate::sandbox::afar::{Afar, Server};
use crate::sandbox::http::get_from;
use crate::sandbox::outcome::{Outcome, Running};
use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{APP, HOST, set};

const PATIENCE: Duration = Duration::from_secs(60);

/// Two hosts, set up for canaries.
fn two(steps: &[&str]) -> (Afar, [Port; 2]) {
    let ports = [Port::free(), Port::free()];
    let afar = Afar::deployed_with(2, |number, config| {
        set(
            config,
            "nginx",
            "loopback_port",
            i64::from(ports[number].number()),
        );
        set(config, "canary", "steps", steps.to_vec());
        set(config, "bake", "act", "always");
    });
    (afar, ports)
}

/// `bg` at the client for all servers, in the background.
fn start(afar: &Afar, args: &[&str]) -> Running {
    let all = afar.all();
    afar.start(&[args, &["--app", APP, "--hosts", &all]].concat())
}

fn ended(mut leader: Running) -> Outcome {
    wait_until(PATIENCE, "the end of whoever leads", || leader.has_ended());
    leader.wait()
}

fn links(afar: &Afar) -> Vec<String> {
    afar.servers.iter().map(|server| server.sandbox.link()).collect()
}

fn are_at(afar: &Afar, link: &str) -> bool {
    links(afar).iter().all(|at| at == link)
}

fn bake(server: &Server) -> Value {
    let text = fs::read(server.sandbox.app_root().join("state/bake.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn is_led(server: &Server) -> bool {
    server.sandbox.app_root().join("state/led").exists()
}

/// Visitors of a host, each from an address of their own; one who meets a failure ends the test.
fn visit(server: &Server, times: u8) {
    for n in 1..=times {
        let from = Ipv4Addr::new(127, 0, 2, n);
        let answer = get_from(from, server.sandbox.address(), HOST, "/whoami").unwrap();
        assert_eq!(answer.status, 200, "{} on {}", n, server.name);
    }
}

#[test]
fn a_canary_goes_on_in_step_with_whoever_leads_it() {
    let (afar, _ports) = two(&["5% 2s", "50% 1h"]);
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    let leader = start(&afar, &["deploy", "--canary"]);
    wait_until(PATIENCE, "the second step", || are_at(&afar, "blue-to-green-50"));
    for server in &afar.servers {
        wait_until(PATIENCE, "a led canary", || {
            let status = server.sandbox.bg(&["status"]).stdout;
            status.contains("; goes to all by itself in ") && server.sandbox.lock_is_free()
        });
    }
    leader.signal(Signal::SIGINT);
    let left = ended(leader);
    left.assert_code(130).assert_says("stopped leading");
    assert!(are_at(&afar, "blue-to-green-50"), "{left}");

    // Somebody has moved one of them alone.
    afar.servers[0].sandbox.bg(&["canary", "60%"]).assert_code(0);
    let apart = afar.everywhere(&["promote"]);
    apart
        .assert_code(1)
        .assert_says("the canary is at different steps: 60% on `web1`, 50% on `web2`");
    assert_eq!(links(&afar), ["blue-to-green-60", "blue-to-green-50"]);
    afar.everywhere(&["canary", "70%"]).assert_code(0);
    assert!(are_at(&afar, "blue-to-green-70"));

    // One that cannot follow takes the others back to where they were.
    let refused = nailed(&afar.servers[1], Color::Blue, || {
        afar.everywhere(&["canary", "80%"])
    });
    refused
        .assert_code(5)
        .assert_says("another host of the fleet did not switch");
    for server in &afar.servers {
        assert_eq!(server.sandbox.link(), "blue-to-green-70", "{refused}");
        assert!(server.sandbox.lock_is_free(), "{}", server.name);
    }
    afar.everywhere(&["abort"]).assert_code(0);
    assert!(are_at(&afar, "blue"));
}

#[test]
fn what_two_hosts_have_seen_together_is_enough_and_what_one_has_is_for_both() {
    let (afar, _ports) = two(&["5%"]);
    afar.servers[0].sandbox.commit_edit(
        "a release that fails now and then",
        "def whoami():\n",
        "def whoami(asked=[]):\n    asked.append(1)\n    assert len(asked) % 3\n",
    );
    let leader = start(&afar, &["deploy", "--wait-bake"]);
    wait_until(PATIENCE, "the switch", || {
        are_at(&afar, "green") && afar.servers.iter().all(is_led)
    });
    // Two failures are no verdict, and twice two are.
    for server in &afar.servers {
        visit(server, 6);
    }
    let taken_back = ended(leader);
    taken_back.assert_code(5).assert_says("was taken back");
    for server in &afar.servers {
        assert_eq!(server.sandbox.link(), "blue", "{}", server.name);
        assert!(server.sandbox.lock_is_free(), "{}", server.name);
        wait_until(PATIENCE, "the end of its bake", || {
            !bake(server)["verdict"].is_null()
        });
        let bake = bake(server);
        assert_eq!((&bake["caught"], &bake["met"]), (&2.into(), &0.into()), "{bake}");
        assert_eq!(bake["verdict"]["ended"], "superseded", "{bake}");
    }

    afar.everywhere(&["deploy"]).assert_code(0);
    let leader = start(&afar, &["bake"]);
    let began = std::time::SystemTime::now();
    wait_until(PATIENCE, "whoever leads", || {
        let led = |server: &Server| {
            let file = server.sandbox.app_root().join("state/led");
            fs::metadata(file).is_ok_and(|about| about.modified().unwrap() > began)
        };
        afar.servers.iter().all(led)
    });
    visit(&afar.servers[1], 12);
    let taken_back = ended(leader);
    taken_back.assert_code(5).assert_says("was taken back");
    assert!(are_at(&afar, "blue"), "{taken_back}");
    wait_until(PATIENCE, "the verdict", || {
        bake(&afar.servers[1])["verdict"]["ended"] == "taken_back"
    });
    let nothing = afar.everywhere(&["bake"]);
    nothing.assert_code(1).assert_says("no release is watched");
}
