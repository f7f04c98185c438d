//! `status`, `history`, `releases`, `logs`, `exec`: they look and change nothing.

use std::io::Write;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;

use crate::sandbox::wait::wait_until;
use crate::sandbox::{SECRET, Sandbox};

#[test]
fn history_releases_and_status_tell_what_happened() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["deploy", "mian"]).assert_code(1);
    sandbox.bg(&["rollback"]).assert_code(0);
    let history = sandbox.bg(&["history"]);
    history.assert_code(0);
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{history}");
    assert!(
        lines[0].starts_with("✓ ") && lines[0].contains("rollback"),
        "{history}"
    );
    assert!(
        lines[1].starts_with("✗ ") && lines[1].contains("`mian` cannot be deployed"),
        "{history}"
    );
    assert_eq!(sandbox.bg(&["history", "-n", "1"]).stdout.lines().count(), 1);

    let runs = sandbox.bg(&["history", "--json"]).result();
    let run = runs["answer"][2]["run"].as_str().unwrap().to_owned();
    let story = sandbox.bg(&["history", &run]);
    story.assert_code(0);
    for text in [
        "another greeting",
        "green passed the gate",
        "traffic moved blue → green",
    ] {
        assert!(story.stdout.contains(text), "no {text:?} in {story}");
    }
    for unknown in ["nonsense", "../journal", "../../../../etc/passwd"] {
        let outcome = sandbox.bg(&["history", unknown]);
        sandbox.assert_five(
            &outcome,
            1,
            &format!("the history has no run `{unknown}`"),
            Color::Blue,
        );
        outcome.assert_says("hint: `bluegreen history` lists the runs");
    }

    let releases = sandbox.bg(&["releases"]);
    releases.assert_code(0);
    let lines: Vec<&str> = releases.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{releases}");
    assert!(
        lines[0].contains("green") && lines[0].contains("another greeting"),
        "{releases}"
    );
    assert!(lines[0].contains("(refused or rolled back)"), "{releases}");
    assert!(
        lines[1].contains("blue") && lines[1].contains("the shop opens"),
        "{releases}"
    );

    let list = sandbox.bg(&["list"]);
    list.assert_code(0);
    let root = sandbox.app_root();
    assert!(
        list.stdout.starts_with("shop  blue (") && list.stdout.contains(") is live  ("),
        "{list}"
    );
    assert!(list.stdout.contains(root.to_str().unwrap()), "{list}");
    let list = sandbox.bg(&["list", "--json"]).result();
    assert_eq!(list["answer"][0]["app"], "shop");
    assert_eq!(list["answer"][0]["live"]["color"], "blue");

    let status = sandbox.bg(&["status"]);
    status.assert_code(0);
    assert!(
        status.stdout.contains("● blue") && status.stdout.contains("○ green"),
        "{status}"
    );
    let now = sandbox.bg(&["status", "--json"]).result();
    assert_eq!(now["exit_code"], 0);
    let now = &now["answer"];
    assert_eq!(now["app"], "shop");
    assert_eq!(now["live"]["color"], "blue");
    assert_eq!(now["slots"].as_array().unwrap().len(), 2);
    for slot in now["slots"].as_array().unwrap() {
        assert!(slot["pid"].is_u64() && slot["port"].is_u64(), "{slot}");
        assert!(
            slot["release"].is_string() && slot["health"]["state"] == "healthy",
            "{slot}"
        );
    }
    assert_eq!(now["switch"], "live");
    assert_eq!(now["maintenance"], false);
    assert!(
        now["rollback"].is_object() || now["rollback"].is_string(),
        "{now}"
    );
}

#[test]
fn logs_show_a_colors_lines_follow_it_and_end_on_ctrl_c() {
    let sandbox = Sandbox::deployed();
    let outcome = sandbox.bg(&["logs"]);
    outcome.assert_code(0);
    assert!(outcome.stdout.contains("Listening at"), "{outcome}");
    assert_eq!(sandbox.bg(&["logs", "blue", "-n", "1"]).stdout.lines().count(), 1);
    let outcome = sandbox.bg(&["logs", "green"]);
    sandbox.assert_five(&outcome, 1, "green has no log", Color::Blue);
    outcome.assert_says("hint: the first deploy creates it");
    let json = sandbox.bg(&["logs", "-n", "2", "--json"]).json();
    assert_eq!(json.len(), 3, "{json:?}");
    assert!(json[0]["line"].is_string());

    let path = sandbox.app_root().join("logs/blue.log");
    let append = |text: &str| {
        let mut log = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    };
    let shown = sandbox.root().join("shown");
    let mut command = sandbox.bg_command(&["logs", "-f", "-n", "0"]);
    command.stdout(std::fs::File::create(&shown).unwrap());
    let mut child = command.spawn().unwrap();
    let seen = |text: &str| {
        wait_until(Duration::from_secs(20), text, || {
            std::fs::read_to_string(&shown).unwrap().contains(text)
        });
    };
    let ready = std::time::Instant::now();
    while !std::fs::read_to_string(&shown).unwrap().contains("marker-") {
        assert!(ready.elapsed() < Duration::from_secs(20), "it follows");
        append("marker-\n");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A secret that is written in two pieces is one all the same.
    append(&SECRET[..12]);
    // The time for it to look twice: there is nothing to see if all is well.
    std::thread::sleep(Duration::from_millis(500));
    append(&format!("{}\nafter the secret\n", &SECRET[12..]));
    seen("after the secret");
    let text = std::fs::read_to_string(&shown).unwrap();
    assert!(text.contains("[SHOP_SECRET]\n"), "{text}");
    assert!(!text.contains(&SECRET[..12]), "half a secret in {text}");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let mut status = None;
    wait_until(Duration::from_secs(20), "it ends on Ctrl-C", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn exec_runs_in_a_colors_release_with_its_environment_and_passes_its_exit_code_on() {
    let sandbox = Sandbox::deployed();
    let code = "import os, sys, flask; print(os.getcwd(), os.environ['BG_COLOR'], os.environ['BG_RELEASE'], \
                len(os.environ['SHOP_SECRET']), sys.prefix, sys.argv[1:]); sys.exit(17)";
    let outcome = sandbox.bg(&["exec", "blue", "--", "python", "-c", code, "a b", "$HOME"]);
    outcome.assert_code(17);
    let release = std::fs::read_link(sandbox.app_root().join("slots/blue")).unwrap();
    let release = release.file_name().unwrap().to_str().unwrap().to_owned();
    let root = sandbox.app_root().display().to_string();
    let expected = format!(
        "{root}/releases/{release} blue {release} {} {root}/venvs/",
        SECRET.len()
    );
    assert!(
        outcome.stdout.starts_with(&expected),
        "{expected} is not the begin of {outcome}"
    );
    assert!(outcome.stdout.contains("['a b', '$HOME']"), "{outcome}");
    let outcome = sandbox.bg(&["exec", "green", "--", "true"]);
    sandbox.assert_five(&outcome, 1, "green is empty", Color::Blue);
    let outcome = sandbox.bg(&["exec", "blue", "--", "nonesuch", "x"]);
    sandbox.assert_five(&outcome, 1, "`nonesuch x` was not run on blue", Color::Blue);
}
