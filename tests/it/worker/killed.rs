//! `kill -9` of `bg` while workers change places, and the next command.

use std::fs;

use super::scene::{LONG, assert_never_two, assert_runs, beats, commit_mode, deployed, last, wait_beats};
use crate::recovery::scene::{Held, Told};
use crate::sandbox::wait::wait_until;

/// Traffic is on green, the old worker was asked to end and does not, and `bg` is killed.
#[test]
fn while_the_old_one_ends() {
    let sandbox = deployed("stop_timeout = \"5s\"");
    commit_mode(&sandbox, "deaf");
    sandbox.bg(&["deploy"]).assert_code(0);
    let deaf = wait_beats(&sandbox, &sandbox.live_release());
    commit_mode(&sandbox, "work");
    let deploy = Told::start(&sandbox, &["deploy"]);
    wait_until(LONG, "traffic moved", || sandbox.link() == "blue");
    wait_until(LONG, "the link names the new one", || {
        let link = fs::read_link(sandbox.app_root().join("state/workers/sync")).unwrap();
        link.file_name().unwrap().to_str().unwrap() != last(&sandbox).release
    });
    deploy.kill();
    assert_eq!(last(&sandbox).pid, deaf, "the old one works on");
    let plan = sandbox.bg(&["repair", "--plan"]);
    assert!(plan.stdout.contains("verify that blue is live"), "{plan}");
    let next = sandbox.bg(&["switch", "blue"]);
    next.assert_code(0).assert_says("worker sync handed over");
    next.assert_says("is live already");
    assert_runs(&sandbox, &sandbox.live_release());
    assert_eq!(sandbox.link(), "blue");
    assert!(
        sandbox.bg(&["repair", "--plan"]).stdout.contains("nothing"),
        "once is enough"
    );
}

/// The new worker has started and is not ready yet; the next command is a rollback.
#[test]
fn while_the_new_one_gets_ready() {
    let mark = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hold-{}", std::process::id()));
    fs::remove_file(&mark).ok();
    let sandbox = deployed(&format!(
        "ready_command = \"test ! -e {}\"\nready_timeout = \"1m\"",
        mark.display()
    ));
    let first = sandbox.live_release();
    wait_beats(&sandbox, &first);
    fs::write(&mark, "").unwrap();
    commit_mode(&sandbox, "work");
    let deploy = Told::start(&sandbox, &["deploy"]);
    wait_until(LONG, "the new one works", || last(&sandbox).release != first);
    deploy.kill();
    fs::remove_file(&mark).unwrap();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0).assert_says("died while finishing up");
    assert_eq!(sandbox.live_release(), first);
    assert_runs(&sandbox, &first);
}

/// Before traffic moves no worker is touched, and none afterwards either.
#[test]
fn before_traffic_moves() {
    let sandbox = deployed("");
    let first = sandbox.live_release();
    let pid = wait_beats(&sandbox, &first);
    commit_mode(&sandbox, "work");
    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    deploy.kill();
    gate.let_go();
    sandbox.bg(&["repair"]).assert_code(0);
    assert_runs(&sandbox, &first);
    assert_eq!(last(&sandbox).pid, pid, "it was not touched");
    assert_eq!(
        beats(&sandbox).iter().filter(|beat| beat.what != "beat").count(),
        0
    );
}

/// A worker that does not start there wants traffic back, and `bg` dies before it knows.
#[test]
fn before_it_is_known_that_the_new_one_dies() {
    let sandbox = deployed("on_failure = \"rollback\"\nstop_timeout = \"2s\"");
    commit_mode(&sandbox, "deaf");
    sandbox.bg(&["deploy"]).assert_code(0);
    let second = sandbox.live_release();
    wait_beats(&sandbox, &second);
    commit_mode(&sandbox, "die");
    let deploy = Told::start(&sandbox, &["deploy"]);
    wait_until(LONG, "traffic moved", || sandbox.link() == "blue");
    deploy.kill();
    let repair = sandbox.bg(&["repair"]);
    repair.assert_code(0).assert_says("traffic put back to green");
    assert_eq!(sandbox.live_release(), second);
    wait_beats(&sandbox, &second);
    assert_never_two(&sandbox);
}
