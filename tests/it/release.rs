//! The main job: deploy, switch, rollback, on the real parts.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, set};

#[test]
fn a_good_release_goes_live_and_back_under_load_without_a_failed_request() {
    let sandbox = Sandbox::deployed();
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let load = sandbox.load();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{deploy}");
    assert!(sandbox.get("/").body.contains("Hello"));
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert!(count.requests > 100, "{count:?}");
    eprintln!("{deploy}{rollback}");
}

#[test]
fn what_is_live_is_released_once_more_only_where_that_is_asked_for() {
    let sandbox = Sandbox::deployed();
    let typed = |words: &[&str]| {
        let output = sandbox.bg_as_typed(words).output().unwrap();
        Outcome::new(words, &output, Duration::ZERO)
    };
    let commit = sandbox.commit_edit("another greeting", "Good day", "Hello");
    typed(&["deploy"]).assert_code(0);
    for words in [
        &["deploy"][..],
        &["deploy", &commit[..9]],
        &["deploy", "--no-switch"],
        &["deploy", "--plan"],
    ] {
        let outcome = typed(words);
        let says = format!(
            "{} is live already, with the same configuration and environment",
            &commit[..7]
        );
        sandbox.assert_five(&outcome, 1, &says, Color::Green);
        outcome.assert_says("hint: `bluegreen deploy --again`");
    }
    // The way back is what it was, and from there that commit is another one.
    sandbox.bg(&["rollback"]).assert_code(0);
    assert!(sandbox.get("/").body.contains("Good day"));
    typed(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    let secrets = sandbox.app_root().join("shared/app.env");
    let mut secrets = OpenOptions::new().append(true).open(secrets).unwrap();
    writeln!(secrets, "MORE=1").unwrap();
    typed(&["deploy", "--plan"]).assert_code(0);
    typed(&["deploy"]).assert_code(0);
    typed(&["deploy"]).assert_code(1);
    sandbox.configure(|config| set(config, "gate", "timeout", "19s"));
    typed(&["deploy"]).assert_code(0);
    typed(&["deploy"]).assert_code(1);
    typed(&["deploy", "--plan", "--again"]).assert_code(0);
    typed(&["deploy", "--again"]).assert_code(0);
}
