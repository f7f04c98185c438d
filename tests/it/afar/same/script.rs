//! What is typed, in order. Each command is compared, so nothing here may depend on time.

use std::fs::{self, OpenOptions};
use std::io::Write;

use bluegreen::model::color::Color;

use super::Stage;

/// How many commands it has: a script that ends early compares nothing.
pub(super) const LENGTH: usize = 73;

/// Plays all of it.
pub(super) fn play(stage: &Stage<'_>) {
    before_anything(stage);
    setting_up(stage);
    releasing(stage);
    refused(stage);
    looking(stage);
    logs(stage);
    commands(stage);
    usage(stage);
    broken(stage);
    removing(stage);
}

fn before_anything(stage: &Stage<'_>) {
    for args in [
        &["status"][..],
        &["deploy"],
        &["logs"],
        &["history"],
        &["exec", "blue", "--", "true"],
        &["remove"],
    ] {
        stage.bg(args).assert_code(3);
    }
}

fn setting_up(stage: &Stage<'_>) {
    stage.bg(&["check"]);
    stage.bg(&["setup", "--plan"]).assert_code(0);
    stage.bg(&["setup"]).assert_code(0);
    stage.bg(&["setup"]).assert_code(0);
    stage.bg(&["check"]);
    stage.bg(&["status"]).assert_code(0);
    stage.bg(&["history"]).assert_code(0);
    stage.bg(&["releases"]).assert_code(0);
    stage.bg(&["logs"]).assert_code(1);
    stage.bg(&["rollback"]).assert_code(1);
    stage.bg(&["exec", "green", "--", "true"]).assert_code(1);
}

fn releasing(stage: &Stage<'_>) {
    stage.bg(&["deploy", "--plan"]).assert_code(0);
    stage.bg(&["deploy"]).assert_code(0);
    stage.bg(&["status"]).assert_code(0);
    stage.commit("a second greeting", "Good day", "Hello");
    stage.bg(&["deploy", "--no-switch"]).assert_code(0);
    stage.bg(&["switch"]).assert_code(0);
    stage.bg(&["rollback"]).assert_code(0);
    stage.bg(&["rollback"]).assert_code(1);
    stage.bg(&["switch", "green"]).assert_code(0);
    stage.bg(&["switch", "green"]).assert_code(0);
    assert_eq!(stage.host.live_color(), Some(Color::Green));
    stage.bg(&["maintenance", "on"]).assert_code(0);
    stage.bg(&["status"]).assert_code(0);
    stage.bg(&["maintenance", "off"]).assert_code(0);
}

fn refused(stage: &Stage<'_>) {
    let well = "return {\"status\": \"ok\"}";
    stage.commit("unwell", well, "return \"unwell\", 500");
    stage.bg(&["deploy"]).assert_code(1);
    stage.commit("well again", "return \"unwell\", 500", well);
    stage.bg(&["deploy", "mian"]).assert_code(1);
    stage.bg(&["switch", "--reconcile", "20200101T000000Z-abcdef0"]);
    let lock = fs::File::open(stage.host.app_root().join("state/lock")).unwrap();
    lock.lock().unwrap();
    stage.bg(&["switch", "blue"]).assert_code(4);
    drop(lock);
    assert_eq!(stage.host.live_color(), Some(Color::Green));
}

fn looking(stage: &Stage<'_>) {
    stage.bg(&["status"]).assert_code(0);
    // Two looks are whole when a third has begun; how many more there are is a matter of time.
    let begins = if stage.json {
        "{\"version\":1,\"answer\""
    } else {
        "shop · "
    };
    let third = |shown: &str| shown.match_indices(begins).nth(2).map(|(at, _)| at);
    let watch = stage.bg_until(
        &["status", "--watch"],
        |shown| third(shown).is_some(),
        |shown| shown[..third(&shown).unwrap()].to_owned(),
    );
    watch.assert_code(0);
    stage.bg(&["history"]).assert_code(0);
    stage.bg(&["history", "-n", "2"]).assert_code(0);
    stage.bg(&["releases"]).assert_code(0);
    for run in super::names::runs(stage.host) {
        stage.bg(&["history", &run]).assert_code(0);
    }
    stage.bg(&["history", "nonsense"]).assert_code(1);
    stage.bg(&["repair", "--plan"]).assert_code(0);
    stage.bg(&["repair"]).assert_code(0);
    stage.bg(&["check", "--strict"]);
}

fn logs(stage: &Stage<'_>) {
    let path = stage.host.app_root().join("logs/green.log");
    let write = |text: &str| {
        let mut log = OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    };
    write("one\ntwo\nthe last\n");
    stage.bg(&["logs", "-n", "3"]).assert_code(0);
    stage.bg(&["logs", "blue", "-n", "0"]).assert_code(0);
    let mut written = 0;
    let more = |shown: &str| {
        if !shown.contains("the last") {
            return false;
        }
        // Each line is written when the one before it has arrived.
        if shown.matches("line ").count() == written && written < 40 {
            written += 1;
            write(&format!("line {written} of many, näher\n"));
        }
        shown.contains("line 40 of many")
    };
    let follow = stage.bg_until(&["logs", "-f", "-n", "2"], more, |shown| shown);
    follow.assert_code(0);
    assert_eq!(follow.stdout.matches("line ").count(), 40, "{follow}");
}

fn commands(stage: &Stage<'_>) {
    let code = "import os, sys; sys.stdout.write(sys.stdin.read().upper()); \
                sys.stderr.write('aside ' + os.environ['BG_COLOR'] + '\\n'); sys.exit(17)";
    let line = ["exec", "green", "--", "python", "-c", code];
    let outcome = stage.bg_with(&line, Some("from here\nto there\n"));
    outcome.assert_code(17);
    assert_eq!(outcome.stdout, "FROM HERE\nTO THERE\n");
    assert_eq!(outcome.stderr, "aside green\n");
    stage.bg(&["exec", "green", "--", "pwd"]).assert_code(0);
    stage.bg(&["exec", "green", "--", "nonesuch", "x"]).assert_code(1);
}

fn usage(stage: &Stage<'_>) {
    for args in [
        &["switch", "purple"][..],
        &["nonsense"],
        &["deploy", "--force-gate"],
        &["exec", "green"],
    ] {
        stage.bg(args).assert_code(2);
    }
}

fn broken(stage: &Stage<'_>) {
    let file = stage.desk.join("bg.toml");
    let good = fs::read_to_string(&file).unwrap();
    // `hosts` stands above a mistake on one stage, so something must on the other.
    let line = if good.contains("hosts =") { "" } else { "\n" };
    fs::write(&file, format!("keep = \"all of them\"\n{good}")).unwrap();
    stage.bg(&["deploy"]).assert_code(3);
    fs::write(
        &file,
        line.to_owned() + &good.replace("[gate]", "[gate]\nsmoke = 3"),
    )
    .unwrap();
    stage.bg(&["check"]).assert_code(3);
    fs::write(
        &file,
        good.replace(
            "server_names = [\"shop.test\"]",
            "server_names = [\"www.shop.test\"]",
        ),
    )
    .unwrap();
    stage.bg(&["deploy"]).assert_code(3);
    fs::write(&file, good).unwrap();
    let live = stage.host.link_folder().join("live");
    let target = fs::read_link(&live).unwrap();
    fs::remove_file(&live).unwrap();
    stage.bg(&["status"]).assert_code(7);
    stage.bg(&["deploy"]).assert_code(7);
    std::os::unix::fs::symlink(target, &live).unwrap();
}

fn removing(stage: &Stage<'_>) {
    stage.bg(&["remove"]).assert_code(0);
    stage.bg(&["remove", "--yes", "--purge"]).assert_code(0);
    stage.bg(&["status"]).assert_code(3);
}
