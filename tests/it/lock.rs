//! One command at a time, and a dead one never blocks the next.

use std::fs;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::recovery::scene::{
    Held, LONG, Told, answering, commit_hanging_build, drop_last_commit, last_run, marked,
};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, processes};

#[test]
fn a_second_deploy_is_told_who_holds_the_lock_or_waits_for_it() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let gate = Held::gate(&sandbox);
    let mut first = Told::start(&sandbox, &["deploy"]);
    first.wait_for(&gate.mark);

    let second = sandbox.bg(&["deploy"]);
    second.assert_code(4);
    // The first cannot end before it is let go; this is far from any patience.
    assert!(second.took < Duration::from_secs(10), "{second}");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap();
    second.assert_says(&format!("`deploy` by {} (pid {}), for ", user.name, first.pid()));
    second.assert_says("unchanged, blue");
    for other in [
        &["switch", "green"][..],
        &["rollback"],
        &["maintenance", "on"],
        &["repair"],
    ] {
        sandbox.bg(other).assert_code(4);
    }
    let impatient = sandbox.bg(&["deploy", "--wait=300ms"]);
    impatient.assert_code(4);
    assert!(impatient.took >= Duration::from_millis(300), "{impatient}");

    let status = sandbox.bg(&["status", "--json"]);
    status.assert_code(0);
    let held_by = status.result().to_string();
    assert!(held_by.contains(&format!("(pid {})", first.pid())), "{status}");
    let shown = sandbox.bg(&["status"]);
    assert!(shown.stdout.contains("running now: `deploy` by "), "{shown}");
    assert!(!shown.stdout.contains("died"), "{shown}");
    let history = sandbox.bg(&["history"]);
    let newest = history.stdout.lines().next().unwrap_or_default();
    assert!(
        newest.contains(" UTC  deploy ") && newest.contains("goes on"),
        "{history}"
    );
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    let mut patient = Told::start(&sandbox, &["deploy", "--wait=60s"]);
    patient.wait_says(&format!(
        "waiting for `deploy` by {} (pid {})",
        user.name,
        first.pid()
    ));
    gate.let_go();
    let first = first.wait();
    first.assert_code(0);
    let patient = patient.wait();
    patient.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{first}{patient}");
    sandbox.bg(&["deploy", "--wait"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert!(sandbox.lock_is_free());
}

#[test]
fn a_killed_holder_frees_the_lock_and_its_build_ends_before_the_next_command_begins() {
    let sandbox = Sandbox::deployed();
    let mark = commit_hanging_build(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&mark);
    let run = last_run(&sandbox);
    deploy.kill();
    assert!(sandbox.lock_is_free(), "the kernel lets go at once");
    let left = marked(Some(&run));
    assert!(
        !left.is_empty(),
        "the build outlived its run, or this shows nothing"
    );
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains(&format!("{run} died while preparing")),
        "{status}"
    );
    assert!(!status.stdout.contains("running now"), "{status}");
    assert_eq!(marked(Some(&run)), left, "status touches nothing");

    drop_last_commit(&sandbox);
    let next = sandbox.bg(&["deploy"]);
    next.assert_code(0);
    let ended = next
        .stderr
        .find("left running")
        .unwrap_or_else(|| panic!("{next}"));
    assert!(ended < next.stderr.find("fetched").unwrap(), "{next}");
    next.assert_says(&format!("deploy {run} died while preparing"));
    assert_eq!(marked(Some(&run)), [] as [i32; 0], "{next}");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn neither_the_app_nor_pm2_holds_the_lock_or_carries_the_mark_of_a_run() {
    let sandbox = Sandbox::deployed();
    let lock = fs::canonicalize(sandbox.app_root().join("state/lock")).unwrap();
    let all = processes::of(sandbox.root());
    // NGINX's master, PM2's daemon and gunicorn at least.
    assert!(all.len() >= 3, "{all:?}");
    for (pid, command) in &all {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        for file in files {
            assert_ne!(fs::read_link(file.path()).unwrap_or_default(), lock, "{command}");
        }
    }
    let with_mark: Vec<_> = marked(None)
        .into_iter()
        .filter(|pid| all.iter().any(|(one, _)| one == pid))
        .collect();
    assert_eq!(with_mark, [] as [i32; 0], "{all:?}");
    wait_until(LONG, "the app answers", || {
        answering(&sandbox, Color::Blue).is_some()
    });
    assert!(sandbox.lock_is_free());
}
