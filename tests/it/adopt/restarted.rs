//! An adopted process is not ours: PM2 may start it again, and its code may change.

use std::fs;

use super::scene::{LONG, PROCESS, Site};
use crate::sandbox::wait::wait_until;

fn notes(site: &Site) -> String {
    site.sandbox.status()["notes"].to_string()
}

#[test]
fn a_process_that_pm2_starts_again_is_told_and_is_still_the_way_back() {
    let site = Site::new();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert!(!notes(&site).contains("started `flask-backend` again"));
    site.sandbox.commit_edit("the second", "Good day", "Second");
    site.sandbox.bg(&["deploy"]).assert_code(0);
    let restarted = site.pm2().args(["restart", PROCESS]).output().unwrap();
    assert!(restarted.status.success());
    site.wait_until_it_answers();
    assert!(
        notes(&site).contains("PM2 has started `flask-backend` again"),
        "{}",
        notes(&site)
    );
    site.sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(site.sandbox.link(), "blue");
    site.sandbox.bg(&["switch", "green"]).assert_code(0);

    // Gone for now: nobody here can start it, and what to type is said.
    site.pm2().args(["stop", PROCESS]).output().unwrap();
    let refused = site.sandbox.bg(&["switch", "blue"]);
    refused.assert_code(1);
    refused.assert_says("does not answer as it should");
    refused.assert_says("pm2 restart flask-backend");
    assert_eq!(site.sandbox.link(), "green");
    site.pm2().args(["restart", PROCESS]).output().unwrap();
    site.wait_until_it_answers();
    site.sandbox.bg(&["switch", "blue"]).assert_code(0);
}

#[test]
fn a_work_tree_that_changes_under_it_is_told() {
    let site = Site::new();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    let said = |site: &Site| {
        let check = site.sandbox.bg(&["check"]);
        check.assert_code(0);
        (notes(site), check.stdout)
    };
    let (status, check) = said(&site);
    assert!(
        !status.contains("work tree") || !status.contains("changed since"),
        "{status}"
    );
    assert!(!check.contains("changed since"), "{check}");
    let app = site.checkout().join("app.py");
    let text = fs::read_to_string(&app).unwrap();
    fs::write(&app, text.clone() + "# a quick fix\n").unwrap();
    let (status, check) = said(&site);
    assert!(status.contains("changed since it was adopted"), "{status}");
    assert!(check.contains("changed since it was adopted"), "{check}");
    // More of the same is more of a change.
    fs::write(&app, text).unwrap();
    assert!(!notes(&site).contains("changed since"));
    site.sandbox.commit_edit("pulled", "Good day", "Pulled");
    let pulled = site.pm2().args(["--version"]).output();
    drop(pulled);
    crate::sandbox::repo::git(&site.checkout(), &["pull", "--quiet"]);
    assert!(
        notes(&site).contains("when it was adopted and is at"),
        "{}",
        notes(&site)
    );
}

#[test]
fn a_process_that_crashes_comes_back_by_pm2() {
    let site = Site::new();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    let all = crate::sandbox::processes::of(site.sandbox.root());
    let app: Vec<i32> = all
        .into_iter()
        .filter(|(_, line)| line.contains("gunicorn"))
        .map(|(pid, _)| pid)
        .collect();
    assert!(!app.is_empty());
    for pid in app {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).ok();
    }
    wait_until(LONG, "PM2 starts it again", || notes(&site).contains("again"));
    site.wait_until_it_answers();
    assert_eq!(site.sandbox.status()["slots"][0]["health"]["state"], "healthy");
}

#[test]
fn what_makes_pm2_start_it_again_is_told_with_what_takes_it_off() {
    let site = Site::without_process(super::scene::by_hand, |_| {});
    let apps = serde_json::json!({"apps": [{
        "name": PROCESS,
        "script": super::scene::venv().join("bin/python"),
        "interpreter": "none",
        "args": site.gunicorn(),
        "watch": ["static"],
        "cron_restart": "0 3 1 1 *",
        "max_memory_restart": "1G",
    }]});
    fs::write(site.checkout().join("ecosystem.json"), apps.to_string()).unwrap();
    let started = site.pm2().args(["start", "ecosystem.json"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    site.wait_until_it_answers();
    let named = "PM2 restarts `flask-backend` while visitors use it, because of its `watch`, `cron_restart`, `max_memory_restart`";
    let off = "pm2 restart flask-backend --watch --cron-restart 0 --max-memory-restart 1000G";
    let adopted = site.sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    let check = site.sandbox.bg(&["check"]);
    for told in [&adopted, &check] {
        let text = told.stdout.clone() + &told.stderr;
        assert!(text.contains(named) && text.contains(off), "{told}");
    }
    let words: Vec<&str> = off.split(' ').skip(1).collect();
    let done = site.pm2().args(words).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    site.wait_until_it_answers();
    assert!(
        !notes(&site).contains("while visitors use it"),
        "{}",
        notes(&site)
    );
}
