//! Workers that may overlap, and what they replace.

use std::fs;

use serde_json::{Value, json};

use super::scene::{
    LONG, add, assert_never_two, assert_runs, beats, commit_mode, entries, last, set_up, status_of, told,
    wait_beats, worker,
};
use crate::sandbox::Sandbox;
use crate::sandbox::wait::wait_until;

#[test]
fn one_that_overlaps_is_never_away() {
    let sandbox = set_up("handover = \"overlap\"");
    sandbox.bg(&["deploy"]).assert_code(0);
    let first = sandbox.live_release();
    wait_beats(&sandbox, &first);
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync-blue".to_owned(), "online".to_owned())]
    );
    commit_mode(&sandbox, "work");
    let deploy = sandbox.bg(&["deploy", "--json"]);
    deploy.assert_code(0);
    let second = sandbox.live_release();
    wait_beats(&sandbox, &second);
    let all = beats(&sandbox);
    let began = all.iter().position(|beat| beat.release == second).unwrap();
    let ended = all.iter().position(|beat| beat.what == "SIGTERM").unwrap();
    assert!(
        began < ended,
        "the new one works before the old one is asked to end"
    );
    assert_eq!(all[ended].release, first);
    assert_eq!(told(&deploy)[0]["gap_ms"], Value::Null, "{deploy}");
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync-green".to_owned(), "online".to_owned())]
    );
    assert_eq!(status_of(&sandbox, "sync")["problem"], Value::Null);

    // One that dies there leaves the old one as it was.
    let pid = last(&sandbox).pid;
    commit_mode(&sandbox, "die");
    sandbox
        .bg(&["deploy"])
        .assert_code(6)
        .assert_says("sync | the queue is on fire");
    wait_beats(&sandbox, &second);
    assert_eq!(last(&sandbox).pid, pid, "it was not even stopped");
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync-green".to_owned(), "online".to_owned())]
    );
    sandbox.pm2(&["kill"]).assert_code(0);
    sandbox.pm2(&["resurrect"]).assert_code(0);
    wait_beats(&sandbox, &second);
}

/// What PM2 keeps before there is a worker: the same script from a checkout.
fn start_by_itself(sandbox: &Sandbox) {
    let file = sandbox.root().join("old.json");
    let checkout = sandbox.root().join("checkout");
    fs::create_dir(&checkout).unwrap();
    fs::write(checkout.join("work.py"), include_str!("work.py")).unwrap();
    let app = json!({ "apps": [{
        "name": "podfactory-sync",
        "script": checkout.join("work.py"),
        "interpreter": crate::sandbox::python::interpreter(),
        "cwd": checkout,
        "env": { "BEATS": sandbox.root().join("beats"), "BG_RELEASE": "by itself" },
    }]});
    fs::write(&file, app.to_string()).unwrap();
    sandbox.pm2(&["start", file.to_str().unwrap()]).assert_code(0);
    wait_beats(sandbox, "by itself");
}

fn entry(sandbox: &Sandbox) -> String {
    let entries = entries(sandbox);
    let found = entries.iter().find(|(name, _)| name == "podfactory-sync");
    found.unwrap_or_else(|| panic!("{entries:?}")).1.clone()
}

#[test]
fn what_did_the_job_before_is_stopped_and_comes_back_where_there_is_no_worker() {
    let sandbox = set_up("replaces = \"podfactory-sync\"");
    sandbox.configure(|config| drop(config.remove("worker")));
    sandbox.bg(&["deploy"]).assert_code(0);
    let first = sandbox.live_release();
    start_by_itself(&sandbox);

    // A worker that does not start gives the job back.
    sandbox.configure(|config| add(config, worker("sync", "replaces = \"podfactory-sync\"")));
    commit_mode(&sandbox, "die");
    sandbox.bg(&["deploy"]).assert_code(6);
    assert_eq!(entry(&sandbox), "online");
    assert_never_two(&sandbox);

    commit_mode(&sandbox, "work");
    sandbox.bg(&["deploy"]).assert_code(0);
    let second = sandbox.live_release();
    assert_runs(&sandbox, &second);
    assert_eq!(
        entry(&sandbox),
        "stopped",
        "it is its owner's, and is not deleted"
    );
    sandbox.pm2(&["kill"]).assert_code(0);
    wait_until(LONG, "all is down", || sandbox.live_color().is_none());
    sandbox.pm2(&["resurrect"]).assert_code(0);
    assert_runs(&sandbox, &second);
    assert_eq!(entry(&sandbox), "stopped", "after a reboot too");

    // Somebody starts it again: that is seen.
    sandbox.bg(&["rollback", "--to", &first]).assert_code(0);
    wait_beats(&sandbox, "by itself");
    assert_eq!(
        entries(&sandbox),
        [("podfactory-sync".to_owned(), "online".to_owned())]
    );
    assert_never_two(&sandbox);
}

#[test]
fn several_move_at_the_same_time() {
    let sandbox = set_up("stop_timeout = \"1s\"");
    for name in ["one", "two", "three"] {
        let deaf = "stop_timeout = \"3s\"";
        sandbox.configure(|config| {
            let mut worker = worker(name, deaf);
            let run = "sh -c 'trap \\\"\\\" TERM; while sleep 0.1; do true; done'".replace("\\", "");
            worker.as_table_mut().unwrap().insert("run".into(), run.into());
            add(config, worker);
        });
    }
    sandbox.bg(&["deploy"]).assert_code(0);
    let deploy = sandbox.bg(&["deploy", "--json"]);
    deploy.assert_code(0);
    let events = told(&deploy);
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["worker"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["sync", "one", "two", "three"], "in the order of bg.toml");
    let took: Vec<u64> = events
        .iter()
        .map(|event| event["took_ms"].as_u64().unwrap())
        .collect();
    assert!(took[1..].iter().all(|took| *took >= 3_000), "{took:?}");
    let run = deploy.result()["answer"]["run"].as_str().unwrap().to_owned();
    let story = sandbox.bg(&["history", &run, "--json"]).result()["answer"].take();
    let at = |name: &str| {
        let lines = story.as_array().unwrap();
        let line = lines.iter().find(|line| line["event"]["event"] == name);
        line.unwrap_or_else(|| panic!("no {name} in {story}"))["ms"]
            .as_u64()
            .unwrap()
    };
    let whole = at("saved") - at("traffic_moved");
    assert!(whole < 8_500, "one after the other: {whole} ms, {took:?}");
    assert_runs(&sandbox, &sandbox.live_release());
}
