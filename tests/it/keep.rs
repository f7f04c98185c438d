//! What is kept and for how long: releases, the old color, its last requests.

use std::fs;
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;
use bluegreen::model::release::ReleaseId;

use crate::recovery::scene::{LONG, Told, answering, answering_pid, slot, two_releases};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, set};

fn kept(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(sandbox.app_root().join("releases"))
        .unwrap()
        .flatten();
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[test]
fn no_release_is_deleted_that_a_color_a_rollback_or_pm2_needs() {
    let sandbox = Sandbox::deployed_with(|config| {
        set(config, "keep", "releases", 2);
        // Blue is in its slot and not in PM2's dump, the worker the other way round.
        set(config, "keep", "warm", "never");
    });
    let staged = |what: &str| -> ReleaseId {
        sandbox.commit(what, |_| {});
        sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
        slot(&sandbox, Color::Green).unwrap()
    };
    let first = slot(&sandbox, Color::Blue).unwrap();
    let second = staged("the second");
    // Somebody's own worker runs from it, and PM2 brings it back there after a reboot.
    let folder = sandbox.app_root().join("releases").join(&second);
    let worker = [
        "start",
        "/bin/sleep",
        "--interpreter",
        "none",
        "--name",
        "worker",
        "--cwd",
    ];
    let worker = [&worker[..], &[folder.to_str().unwrap(), "--", "600"]].concat();
    sandbox.pm2(&worker).assert_code(0);
    let third = staged("the third");
    let fourth = staged("the fourth");
    let all = [&first, &second, &third, &fourth].map(ToString::to_string);
    assert_eq!(kept(&sandbox), all, "only a switch deletes");

    let switch = sandbox.bg(&["deploy"]);
    switch.assert_code(0);
    let fifth = slot(&sandbox, Color::Green).unwrap();
    // By age alone the first and the second would be the first to go.
    let wanted = [&first, &second, &fifth].map(ToString::to_string);
    assert_eq!(kept(&sandbox), wanted, "{switch}");
    switch.assert_says("2 old releases");
    assert!(
        !sandbox
            .app_root()
            .join(format!("manifests/{third}.json"))
            .exists()
    );
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // What is kept can still be started.
    let load = sandbox.load();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert_eq!(slot(&sandbox, Color::Blue), Some(first), "{rollback}");
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    sandbox
        .bg(&["rollback", "--to", &second.to_string()])
        .assert_code(0);
    assert_eq!(answering(&sandbox, Color::Green), Some(second.to_string()));
    let gone = sandbox.bg(&["rollback", "--to", &third.to_string()]);
    sandbox.assert_five(&gone, 1, "there is no release", Color::Green);
    assert_eq!(load.stop().failed, 0);
}

#[test]
fn a_refused_release_takes_no_place_of_one_that_served() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "keep", "releases", 4));
    let (first, second) = two_releases(&sandbox);
    sandbox.commit("the third", |_| {});
    sandbox.bg(&["deploy"]).assert_code(0);
    let third = slot(&sandbox, Color::Blue).unwrap();
    let hook = |run: &str| sandbox.configure(|config| set(config, "hooks", "before_switch", vec![run]));
    hook("/bin/false");
    for what in ["bad", "worse"] {
        sandbox.commit(what, |_| {});
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, "before_switch", Color::Blue);
    }
    assert_eq!(kept(&sandbox).len(), 5);
    hook("/bin/true");
    sandbox.commit("mended", |_| {});
    sandbox.bg(&["deploy"]).assert_code(0);
    let fourth = slot(&sandbox, Color::Green).unwrap();
    // By age alone the first would have gone.
    assert_eq!(
        kept(&sandbox),
        [first, second, third, fourth].map(|id| id.to_string())
    );
}

#[test]
fn an_old_color_that_is_not_kept_warm_is_stopped_and_a_rollback_starts_it_again() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "keep", "warm", "never"));
    let (first, second) = two_releases(&sandbox);
    assert_eq!(answering(&sandbox, Color::Blue), None);
    assert!(!sandbox.pm2(&["jlist"]).stdout.contains("flask-blue"));
    let dump = fs::read_to_string(sandbox.pm2_home().join("dump.pm2")).unwrap();
    assert!(!dump.contains("flask-blue"), "a reboot does not start it either");
    let status = sandbox.bg(&["status"]);
    assert!(
        status
            .stdout
            .contains(&format!("rollback: {first} would be started first")),
        "{status}"
    );
    let load = sandbox.load();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    rollback.assert_says("blue is not warm");
    assert!(
        rollback
            .stdout
            .contains("was stopped: `bluegreen switch green` starts it again"),
        "{rollback}"
    );
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    assert_eq!(answering(&sandbox, Color::Blue), Some(first.to_string()));
    assert_eq!(answering(&sandbox, Color::Green), None, "{rollback}");
    // As it says.
    let live = sandbox.bg(&["switch", "blue"]);
    live.assert_code(0);
    assert!(
        live.stdout.contains("`bluegreen switch` moves traffic to"),
        "{live}"
    );
    sandbox.bg(&["switch", "green"]).assert_code(0);
    assert_eq!(answering(&sandbox, Color::Green), Some(second.to_string()));
    let again = sandbox.bg(&["rollback"]);
    assert_eq!(again.code, Some(0), "{again}");

    // For a time: stopped when that is over, by itself.
    sandbox.configure(|config| set(config, "keep", "warm", "2s"));
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    assert_ne!(slot(&sandbox, Color::Green), Some(second));
    assert_eq!(
        answering(&sandbox, Color::Blue),
        Some(first.to_string()),
        "still warm: {deploy}"
    );
    wait_until(LONG, "blue is stopped", || {
        answering(&sandbox, Color::Blue).is_none()
    });
    wait_until(LONG, "the lock is free", || sandbox.lock_is_free());
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    // The color that was warm and is live again by then stays.
    let pid = answering_pid(&sandbox, Color::Blue);
    wait_until(LONG, "green is stopped", || {
        answering(&sandbox, Color::Green).is_none()
    });
    assert_eq!(answering_pid(&sandbox, Color::Blue), pid);
    assert_eq!(load.stop().failed, 0);
}

#[test]
fn the_old_color_is_left_alone_for_its_quiet_time() {
    const QUIET: Duration = Duration::from_secs(6);
    let sandbox = Sandbox::deployed_with(|config| set(config, "drain", "quiet", "6s"));
    two_releases(&sandbox);
    let old = answering_pid(&sandbox, Color::Blue).unwrap();
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_says("blue may still be answering requests from before the last switch");
    let live = sandbox.link_folder().join("live");
    let moved = fs::symlink_metadata(live).unwrap().modified().unwrap();
    let began = Instant::now();
    // Nothing tells it to end before: gunicorn says so in its log.
    let log = sandbox.app_root().join("logs/blue.log");
    let told = format!("[{}] [INFO] Handling signal: term", master_of(old));
    wait_until(LONG, "blue is let go", || {
        fs::read_to_string(&log).unwrap().contains(&told)
    });
    let age = moved.elapsed().unwrap();
    assert!(age >= QUIET, "let go after {age:?}, waited {:?}", began.elapsed());
    deploy.wait().assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

/// The parent of a gunicorn worker.
fn master_of(worker: i64) -> String {
    let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
    let after = stat.rsplit(')').next().unwrap();
    after.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn what_is_made_ready_while_the_old_color_is_warm_is_not_stopped_with_it() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "keep", "warm", "3s"));
    two_releases(&sandbox);
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
    let ready = slot(&sandbox, Color::Blue).unwrap();
    wait_until(LONG, "nobody waits to stop blue", || !somebody_cools(&sandbox));
    assert_eq!(answering(&sandbox, Color::Blue), Some(ready.to_string()));
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

/// Whether a program of this sandbox waits for the end of a warm time.
fn somebody_cools(sandbox: &Sandbox) -> bool {
    let program = sandbox.app_root().join("bin/bluegreen").display().to_string();
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).starts_with(&format!("{program}\0cool\0"))
    })
}
