//! Handed over by a deploy, a switch, a rollback; stopped as it wants; kept for a reboot.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scene::{
    LONG, add, assert_never_two, assert_runs, beats, commit_mode, deployed, entries, last, longest_gap,
    set_up, status_of, told, wait_beats, worker,
};
use crate::sandbox::wait::wait_until;

#[test]
fn a_singleton_follows_every_move_of_traffic_and_is_never_two() {
    let sandbox = set_up("");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0).assert_says("worker sync handed over");
    let first = sandbox.live_release();
    assert_runs(&sandbox, &first);

    commit_mode(&sandbox, "work");
    let deploy = sandbox.bg(&["deploy", "--json"]);
    deploy.assert_code(0);
    let second = sandbox.live_release();
    assert_runs(&sandbox, &second);
    let events = told(&deploy);
    assert_eq!(events.len(), 1, "{deploy}");
    assert_eq!(events[0]["event"], "worker_handed_over");
    assert_eq!(events[0]["release"], second.as_str());
    assert!(
        events[0]["gap_ms"].as_u64().is_some_and(|gap| gap < 5_000),
        "{deploy}"
    );
    let answer = &deploy.result()["answer"];
    assert_eq!(answer["workers"][0]["name"], "sync", "{answer}");
    assert_eq!(answer["workers"][0]["release"], second.as_str(), "{answer}");
    let names: Vec<String> = deploy
        .json()
        .iter()
        .filter_map(|line| line["event"].as_str().map(str::to_owned))
        .collect();
    let at = |name: &str| names.iter().position(|one| one == name).unwrap();
    assert!(at("traffic_moved") < at("worker_handed_over") && at("worker_handed_over") < at("saved"));

    sandbox.bg(&["rollback"]).assert_code(0);
    assert_runs(&sandbox, &first);
    sandbox.bg(&["switch", "green"]).assert_code(0);
    assert_runs(&sandbox, &second);

    let (longest, changes) = longest_gap(&sandbox);
    assert_eq!(changes, 3, "one worker after the other");
    assert!(longest < 5.0, "{longest} s without a worker");
    println!("longest gap {:.0} ms in {changes} handovers", longest * 1000.0);
    let ended = beats(&sandbox)
        .iter()
        .filter(|beat| beat.what == "SIGTERM")
        .count();
    assert_eq!(ended, 3, "each was asked to end");
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync".to_owned(), "online".to_owned())]
    );
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains(&format!("● worker sync {second}, up ")),
        "{status}"
    );
    let log = sandbox.bg(&["logs", "--worker", "sync"]);
    log.assert_code(0);
}

#[test]
fn each_is_asked_to_end_in_its_own_way_and_the_deaf_are_killed() {
    let sandbox = deployed("stop_signal = \"USR1\"\nstop_timeout = \"1s\"");
    wait_beats(&sandbox, &sandbox.live_release());
    commit_mode(&sandbox, "deaf");
    sandbox.bg(&["deploy"]).assert_code(0);
    let deaf = wait_beats(&sandbox, &sandbox.live_release());
    assert!(beats(&sandbox).iter().any(|beat| beat.what == "SIGUSR1"));
    commit_mode(&sandbox, "work");
    let deploy = sandbox.bg(&["deploy", "--json"]);
    deploy.assert_code(0);
    assert_runs(&sandbox, &sandbox.live_release());
    assert_ne!(last(&sandbox).pid, deaf);
    let took = told(&deploy)[0]["took_ms"].as_u64().unwrap();
    assert!((1_000..10_000).contains(&took), "{deploy}");
}

#[test]
fn one_that_comes_is_started_and_one_that_goes_is_stopped() {
    let sandbox = deployed("");
    let first = sandbox.live_release();
    sandbox.configure(|config| {
        config.remove("worker");
        add(config, worker("mail", ""));
    });
    sandbox.commit("mail instead", |_| ());
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("worker sync stopped");
    deploy.assert_says("worker mail handed over");
    assert_eq!(
        status_of(&sandbox, "mail")["release"],
        sandbox.live_release().as_str()
    );
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-mail".to_owned(), "online".to_owned())]
    );
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_runs(&sandbox, &first);
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync".to_owned(), "online".to_owned())]
    );
    let plan = sandbox.bg(&["remove"]);
    assert!(plan.stdout.contains("stop flask-worker-sync"), "{plan}");
    sandbox.bg(&["remove", "--yes"]).assert_code(0);
    assert!(entries(&sandbox).is_empty(), "{:?}", entries(&sandbox));
    let process = format!("/proc/{}", last(&sandbox).pid);
    assert!(!std::path::Path::new(&process).exists(), "it works on");
}

#[test]
fn pm2_brings_back_the_right_one_after_a_crash_and_after_a_reboot() {
    let sandbox = deployed("");
    let children = || sleeping(&sandbox);
    // Its child holds its lock too, or does not: both go on with its work when it is killed.
    for mode in ["parent", "forker"] {
        commit_mode(&sandbox, mode);
        sandbox.bg(&["deploy"]).assert_code(0);
        let live = sandbox.live_release();
        let old = wait_beats(&sandbox, &live);
        wait_until(LONG, "it has its own child", || children().len() == 1);
        let child = children()[0];
        kill(Pid::from_raw(i32::try_from(old).unwrap()), Signal::SIGKILL).unwrap();
        wait_until(LONG, "PM2 starts it again", || last(&sandbox).pid != old);
        assert_runs(&sandbox, &live);
        assert!(
            !children().contains(&child),
            "{mode}: what is left is ended first"
        );
    }
    let live = sandbox.live_release();

    sandbox.pm2(&["kill"]).assert_code(0);
    wait_until(LONG, "all is down", || {
        sandbox.live_color().is_none() && children().is_empty()
    });
    sandbox.pm2(&["resurrect"]).assert_code(0);
    wait_until(LONG, "it works again", || last(&sandbox).what == "beat");
    assert_runs(&sandbox, &live);

    // A rollback moves no entry of PM2, and is kept all the same.
    sandbox.bg(&["rollback"]).assert_code(0);
    let first = sandbox.live_release();
    sandbox.pm2(&["kill"]).assert_code(0);
    sandbox.pm2(&["resurrect"]).assert_code(0);
    assert_runs(&sandbox, &first);
}

fn sleeping(sandbox: &crate::sandbox::Sandbox) -> Vec<i32> {
    crate::sandbox::processes::of(sandbox.root())
        .into_iter()
        .filter(|(_, command)| command.starts_with("sleep 301"))
        .map(|(pid, _)| pid)
        .collect()
}

#[test]
fn a_release_that_a_worker_runs_is_never_deleted() {
    let sandbox = deployed("");
    let first = sandbox.live_release();
    // The worker stays where it is, while traffic goes on.
    let mut made = Vec::new();
    sandbox.configure(|config| crate::sandbox::set(config, "keep", "releases", 2));
    for _ in 0..4 {
        commit_mode(&sandbox, "die");
        sandbox.bg(&["deploy"]).assert_code(6);
        made.push(sandbox.live_release());
    }
    let is_kept = |release: &str| sandbox.app_root().join("releases").join(release).exists();
    assert!(!is_kept(&made[0]), "nothing was deleted at all");
    assert!(is_kept(&first));
    wait_beats(&sandbox, &first);
    assert_never_two(&sandbox);
}
