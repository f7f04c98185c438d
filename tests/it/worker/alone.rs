//! A singleton is alone on its host, whoever starts a second one.

use nix::sys::signal::Signal;

use super::scene::{
    LONG, assert_never_two, assert_runs, beats, commit_mode, deployed, last, status_of, wait_beats,
};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, processes};

#[test]
fn a_second_one_by_hand_is_refused_and_told_who_does_the_work() {
    let sandbox = deployed("");
    let live = sandbox.live_release();
    let pid = wait_beats(&sandbox, &live);
    let by_hand = sandbox.bg(&["worker", "run", "sync"]);
    sandbox.assert_five(
        &by_hand,
        4,
        &format!("worker `sync` runs already, as process {pid} of"),
        bluegreen::model::color::Color::Blue,
    );
    by_hand.assert_says(" s");
    assert_runs(&sandbox, &live);
    let unknown = sandbox.bg(&["worker", "run", "mail"]);
    unknown
        .assert_code(3)
        .assert_says("has no worker `mail` on this host, but `sync`");
}

#[test]
fn one_that_runs_by_hand_keeps_pm2_waiting_and_is_handed_over_too() {
    let sandbox = deployed("");
    let live = sandbox.live_release();
    wait_beats(&sandbox, &live);
    sandbox.pm2(&["stop", "flask-worker-sync"]).assert_code(0);
    let status = status_of(&sandbox, "sync");
    assert_eq!(status["problem"], "does not run", "{status}");
    let mut by_hand = sandbox.bg_start(&["worker", "run", "sync"]);
    let pid = wait_beats(&sandbox, &live);
    assert_eq!(i64::from(by_hand.pid()), pid, "it became the worker");
    let status = status_of(&sandbox, "sync");
    assert!(
        status["problem"].as_str().unwrap().contains("not managed by PM2"),
        "{status}"
    );

    // PM2 starts its own again: that waits for the lock, and does not end in a loop.
    sandbox.pm2(&["restart", "flask-worker-sync"]).assert_code(0);
    launcher_waits(&sandbox);
    assert_eq!(last(&sandbox).pid, pid);
    assert_never_two(&sandbox);

    // A deploy ends the one at the terminal, and PM2's takes its place.
    commit_mode(&sandbox, "work");
    sandbox.bg(&["deploy"]).assert_code(0);
    wait_until(LONG, "the one at the terminal ends", || by_hand.has_ended());
    by_hand.wait().assert_code(0);
    assert_runs(&sandbox, &sandbox.live_release());
}

#[test]
fn pm2_takes_over_from_one_by_hand_that_ends() {
    let sandbox = deployed("");
    let live = sandbox.live_release();
    wait_beats(&sandbox, &live);
    sandbox.pm2(&["stop", "flask-worker-sync"]).assert_code(0);
    let by_hand = sandbox.bg_start(&["worker", "run", "sync"]);
    let pid = wait_beats(&sandbox, &live);
    sandbox.pm2(&["restart", "flask-worker-sync"]).assert_code(0);
    launcher_waits(&sandbox);
    assert_eq!(last(&sandbox).pid, pid);
    by_hand.signal(Signal::SIGINT);
    by_hand.wait().assert_code(0);
    wait_until(LONG, "PM2's works", || {
        last(&sandbox).what == "beat" && last(&sandbox).pid != pid
    });
    assert_runs(&sandbox, &live);
}

/// PM2 has started its launcher, and half a second of beats later it still waits.
fn launcher_waits(sandbox: &Sandbox) {
    let waits = || {
        processes::of(sandbox.root())
            .iter()
            .any(|(_, command)| command.contains(" work --root "))
    };
    wait_until(LONG, "PM2's launcher waits", waits);
    let before = beats(sandbox).len();
    wait_until(LONG, "some more beats", || beats(sandbox).len() > before + 5);
    assert!(waits(), "it did not wait");
    assert_never_two(sandbox);
}
