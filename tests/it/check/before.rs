//! What a deploy begins with.

use std::fs;
use std::net::TcpListener;

use bluegreen::model::color::Color;

use super::authority::Wish;
use super::secure::Secure;
use crate::sandbox::{Sandbox, set};

fn releases(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.app_root().join("releases")).unwrap().count()
}

#[test]
fn what_is_wrong_stops_a_deploy_before_anything_is_made() {
    let sandbox = Sandbox::deployed();
    let taken = TcpListener::bind(sandbox.slot_address(Color::Green)).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "of green is taken by process", Color::Blue);
    refused.assert_says("traffic: unchanged, blue (");
    assert_eq!(releases(&sandbox), 1, "{refused}");
    drop(taken);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    // Its own old process is in nobody's way.
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn what_should_be_looked_at_is_told_and_kept_and_can_be_left_out() {
    let sandbox = Sandbox::deployed();
    let said = "app server: `--reload` is for writing code";
    sandbox.configure(|config| {
        let run = sandbox
            .configured("process", "run")
            .replace("app:app", "--reload app:app");
        set(config, "process", "run", run);
    });
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says(said);
    let run = sandbox.bg(&["history", "--json"]).result()["answer"][0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let story = sandbox.bg(&["history", &run]);
    assert!(story.stdout.contains(said), "{story}");
    let silent = sandbox.bg(&["deploy", "--checks", "none"]);
    silent.assert_code(0);
    assert!(!silent.stderr.contains(said), "{silent}");
}

#[test]
fn a_full_look_sees_what_a_quick_one_has_no_time_for() {
    let secure = Secure::new();
    secure.bg(&["setup"]).assert_code(0);
    secure.bg(&["deploy", "--checks", "full"]).assert_code(0);
    let (leaf, key) = secure.authority.issue(&Wish {
        from: -90,
        until: -2,
        ..Wish::default()
    });
    secure.serve(&(leaf + &secure.authority.intermediate()), &key);
    secure.sandbox.front.reload();
    let refused = secure.bg(&["deploy", "--checks", "full"]);
    secure
        .sandbox
        .assert_five(&refused, 1, "the certificate has expired on 20", Color::Blue);
    refused.assert_says("`certbot renew`");
    assert_eq!(releases(&secure.sandbox), 1);
    secure.bg(&["deploy"]).assert_code(0);
    assert_eq!(secure.sandbox.live_color(), Some(Color::Green));
}
