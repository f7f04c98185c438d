//! A canary: a share of the visitors gets the new release first.

use std::fs;

use bluegreen::model::color::Color;
use toml::Table;

use crate::sandbox::http::get_with;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, set};

/// A host with what a canary needs, with one release on blue.
fn ready() -> (Sandbox, Port) {
    let port = Port::free();
    let sandbox = Sandbox::deployed_with(|config| give(config, &port));
    (sandbox, port)
}

fn give(config: &mut Table, port: &Port) {
    set(config, "nginx", "loopback_port", i64::from(port.number()));
}

/// What a visitor gets who asked to be in the canary, or out of it.
fn shown(sandbox: &Sandbox, group: &str) -> Color {
    let cookie = format!("bg_shop_canary={group}");
    let answer = get_with(sandbox.address(), HOST, "/whoami", &[("Cookie", &cookie)]).unwrap();
    answer.header("x-app-color").unwrap().parse().unwrap()
}

fn both(sandbox: &Sandbox) -> [Color; 2] {
    [shown(sandbox, "in"), shown(sandbox, "out")]
}

/// The targets of a canary that lie in the link's folder.
fn targets(sandbox: &Sandbox) -> Vec<String> {
    let all = fs::read_dir(sandbox.link_folder()).unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<String> = names.filter(|name| name.contains("-to-")).collect();
    steps.sort();
    steps
}

const SPLIT: [Color; 2] = [Color::Green, Color::Blue];

#[test]
fn a_release_gets_some_of_the_visitors_then_more_and_then_all() {
    let (sandbox, _port) = ready();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let load = sandbox.load();
    let begun = sandbox.bg(&["deploy", "--canary"]);
    begun
        .assert_code(0)
        .assert_says("5% of the visitors on green, proven on 1 path and 1 listener");
    assert!(begun.stdout.contains("5% of the visitors get green ("), "{begun}");
    assert_eq!(
        (sandbox.link().as_str(), both(&sandbox)),
        ("blue-to-green-5", SPLIT)
    );
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains("  canary: 5% of the visitors get green ("),
        "{status}"
    );
    assert!(status.stdout.contains(" promote` goes to 25%"), "{status}");
    assert_eq!(sandbox.status()["canary"]["share"], "5%");
    assert_eq!(sandbox.status()["live"]["color"], "blue");

    // Nothing is idle now.
    let refused = sandbox.bg(&["deploy"]);
    refused
        .assert_code(1)
        .assert_says("a canary is under way: 5% of the visitors get green");
    assert_eq!(sandbox.link(), "blue-to-green-5");

    sandbox.bg(&["promote"]).assert_code(0);
    assert_eq!(sandbox.link(), "blue-to-green-25");
    sandbox
        .bg(&["canary", "10%"])
        .assert_code(0)
        .assert_says("10% of the visitors on green");
    assert_eq!(
        (sandbox.link().as_str(), both(&sandbox)),
        ("blue-to-green-10", SPLIT)
    );
    assert_eq!(sandbox.bg(&["canary", "10%"]).code, Some(0));
    let counted = load.stop();
    assert_eq!((counted.failed, counted.wrong), (0, 0), "{counted:?}");

    let preview = sandbox.bg(&["preview", "--json"]).result()["answer"]["opened"]["header"].take();
    let previewed = || {
        let header = [("X-Bg-Preview", preview.as_str().unwrap())];
        get_with(sandbox.address(), HOST, "/whoami", &header)
            .unwrap()
            .status
    };
    assert_eq!(previewed(), 200);
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    assert_eq!(sandbox.link(), "maintenance-blue-to-green-10");
    assert_eq!((sandbox.get("/").status, previewed()), (503, 503));
    // Also where the step is taken behind the page.
    sandbox.bg(&["canary", "12%"]).assert_code(0);
    assert_eq!(
        (sandbox.link().as_str(), previewed()),
        ("maintenance-blue-to-green-12", 503)
    );
    sandbox.bg(&["canary", "10%"]).assert_code(0);
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(
        (sandbox.link().as_str(), both(&sandbox)),
        ("blue-to-green-10", SPLIT)
    );

    let load = sandbox.load();
    for share in ["25%", "50%"] {
        let next = sandbox.bg(&["promote", "--json"]);
        assert_eq!(next.assert_code(0).result()["answer"]["share"], share);
    }
    let all = sandbox.bg(&["promote"]);
    all.assert_code(0).assert_says("traffic moved blue → green");
    assert_eq!(
        (sandbox.link().as_str(), both(&sandbox)),
        ("green", [Color::Green; 2])
    );
    assert_eq!(targets(&sandbox), Vec::<String>::new());
    assert_eq!(sandbox.status().get("canary"), None);
    sandbox
        .bg(&["promote"])
        .assert_code(1)
        .assert_says("no canary is under way");
    let counted = load.stop();
    assert_eq!((counted.failed, counted.wrong), (0, 0), "{counted:?}");
    let history = sandbox.bg(&["history"]);
    assert!(
        history
            .stdout
            .contains("canary      25% of the visitors to green ("),
        "{history}"
    );
}

#[test]
fn every_way_out_of_a_canary_leaves_all_visitors_on_one_color() {
    let (sandbox, _port) = ready();
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
    let back: [&[&str]; 3] = [&["abort"], &["rollback"], &["switch", "blue"]];
    for way in back {
        sandbox.bg(&["canary", "50%"]).assert_code(0);
        assert_eq!(
            (sandbox.link().as_str(), both(&sandbox)),
            ("blue-to-green-50", SPLIT)
        );
        sandbox
            .bg(way)
            .assert_code(0)
            .assert_says("no visitor on green any more");
        assert_eq!(
            (sandbox.link().as_str(), both(&sandbox)),
            ("blue", [Color::Blue; 2]),
            "{way:?}"
        );
        assert_eq!(targets(&sandbox), Vec::<String>::new());
    }
    sandbox.bg(&["abort"]).assert_code(0).assert_says("blue");
    let over: [&[&str]; 3] = [&["switch"], &["promote", "--all"], &["switch", "green"]];
    for (way, to) in over.iter().zip([Color::Green, Color::Blue, Color::Green]) {
        sandbox.bg(&["canary", "1%"]).assert_code(0);
        assert_eq!(both(&sandbox), [to, to.other()]);
        sandbox.bg(way).assert_code(0);
        assert_eq!(
            (sandbox.link().as_str(), both(&sandbox)),
            (to.name(), [to; 2]),
            "{way:?}"
        );
        assert_eq!(targets(&sandbox), Vec::<String>::new());
    }
    // Fewer and none, although what they leave is down.
    sandbox.bg(&["canary", "25%"]).assert_code(0);
    let elsewhere = sandbox.bg(&["rollback", "--to", &sandbox.live_release()]);
    elsewhere
        .assert_code(0)
        .assert_says("no visitor on blue any more");
    sandbox.bg(&["canary", "25%"]).assert_code(0);
    sandbox.pm2(&["stop", "flask-blue"]).assert_code(0);
    sandbox
        .bg(&["canary", "1%"])
        .assert_code(0)
        .assert_says("1% of the visitors on blue");
    sandbox.bg(&["abort"]).assert_code(0);
    assert_eq!(
        (sandbox.link().as_str(), both(&sandbox)),
        ("green", [Color::Green; 2])
    );
    // What nobody can be sent to.
    sandbox.pm2(&["delete", "flask-blue"]).assert_code(0);
    let dead = sandbox.bg(&["canary", "5%"]);
    sandbox.assert_five(&dead, 1, "blue does not run", Color::Green);
    let plain = Sandbox::deployed();
    let none = plain.bg(&["canary", "5%"]);
    plain.assert_five(&none, 1, "NGINX is not set up for a canary", Color::Blue);
    plain.bg(&["canary", "0%"]).assert_code(2);
    let port = Port::free();
    let new = Sandbox::with(|config| give(config, &port));
    new.bg(&["setup"]).assert_code(0);
    let first = new.bg(&["deploy", "--canary"]);
    first.assert_code(1).assert_says("nothing is live yet");
}

/// Each fault at each step that a step of a canary takes: it is taken or not, and the next command
/// ends it.
#[cfg(feature = "faults")]
#[test]
fn a_step_that_fails_half_way_is_finished_or_undone() {
    let (sandbox, _port) = ready();
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
    let mut points = sandbox.steps_of(&["canary", "25%"]);
    sandbox.bg(&["abort"]).assert_code(0);
    points.retain(|point| {
        ["journal", "swap", "lay out", "bake.json"]
            .iter()
            .any(|part| point.contains(part))
    });
    let load = sandbox.load();
    let mut played = 0;
    for point in points {
        for kind in ["die", "cut", "eio", "enospc"] {
            let mut command = sandbox.bg_command(&["canary", "25%"]);
            let output = command
                .env("BG_FAULT", format!("{point}:{kind}"))
                .output()
                .unwrap();
            let outcome = Outcome::new(&["canary"], &output, std::time::Duration::ZERO);
            let case = format!("{point}:{kind} {outcome}");
            assert_eq!(shown(&sandbox, "out"), Color::Blue, "{case}");
            let link = sandbox.link();
            assert!(
                ["blue", "blue-to-green-25"].contains(&link.as_str()),
                "{link} after {case}"
            );
            assert!(sandbox.lock_is_free(), "{case}");
            sandbox.bg(&["repair"]).assert_code(0);
            let now = sandbox.status();
            let share = now.get("canary").map(|canary| canary["share"].clone());
            assert_eq!(share.is_some(), sandbox.link() != "blue", "{case}");
            assert_eq!(now["drift"].as_array().unwrap().len(), 0, "{now} after {case}");
            sandbox.bg(&["abort"]).assert_code(0);
            assert_eq!(
                (sandbox.link().as_str(), both(&sandbox)),
                ("blue", [Color::Blue; 2]),
                "{case}"
            );
            played += 1;
        }
    }
    assert!(played >= 20, "{played}");
    let counted = load.stop();
    assert_eq!((counted.failed, counted.wrong), (0, 0), "{counted:?}");
}
