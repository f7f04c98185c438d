//! A worker that does not start on a new release goes back to the old one, and the deploy says
//! what became of traffic.

use bluegreen::model::color::Color;

use super::scene::{
    LONG, add, assert_runs, commit_mode, deployed, entries, set_up, status_of, wait_beats, worker,
};
use crate::load::{Kind, Load};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, SECRET, set};

#[test]
fn traffic_stays_and_the_worker_goes_back() {
    let sandbox = deployed("");
    let first = sandbox.live_release();
    wait_beats(&sandbox, &first);
    commit_mode(&sandbox, "die");
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 6, "worker `sync` did not start on", Color::Green);
    deploy.assert_says("it runs");
    deploy.assert_says("with exit code 3");
    deploy.assert_says("sync | the queue is on fire, says");
    deploy.assert_says("traffic: moved, green");
    deploy.assert_says("logs --worker sync");
    assert!(!deploy.stderr.contains(SECRET), "{deploy}");
    wait_beats(&sandbox, &first);
    let status = status_of(&sandbox, "sync");
    assert_eq!(status["release"], first.as_str(), "{status}");
    assert!(
        status["problem"].as_str().unwrap().contains("which is not live"),
        "{status}"
    );
    let history = sandbox.bg(&["history"]);
    assert!(
        history.stdout.contains("worker `sync` did not start"),
        "{history}"
    );
    let log = sandbox.bg(&["logs", "--worker", "sync"]);
    assert!(
        log.stdout.contains("the queue is on fire") && !log.stdout.contains(SECRET),
        "{log}"
    );

    // Its own release is live again after a rollback, and the worker is where it was.
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_runs(&sandbox, &first);
}

#[test]
fn a_policy_takes_traffic_back_with_the_worker() {
    let sandbox = deployed("on_failure = \"rollback\"");
    let first = sandbox.live_release();
    wait_beats(&sandbox, &first);
    sandbox.configure(|config| add(config, worker("mail", "")));
    commit_mode(&sandbox, "die");
    sandbox.configure(|config| {
        let mail = &mut config["worker"].as_array_mut().unwrap()[1];
        mail.as_table_mut()
            .unwrap()
            .insert("run".into(), "sleep 300".into());
    });
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 5, "worker `sync` did not start on", Color::Blue);
    deploy.assert_says("sync | the queue is on fire");
    deploy.assert_says("traffic: put back, blue");
    assert_runs(&sandbox, &first);
    assert_eq!(
        entries(&sandbox),
        [("flask-worker-sync".to_owned(), "online".to_owned())],
        "the other worker went back too"
    );
    // The release is not gone to again by mistake.
    let releases = sandbox.bg(&["releases"]);
    assert!(releases.stdout.contains("refused or rolled back"), "{releases}");
    commit_mode(&sandbox, "work");
    sandbox.configure(|config| {
        config["worker"].as_array_mut().unwrap().truncate(1);
    });
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_runs(&sandbox, &sandbox.live_release());
}

/// Its body is whole, and comes to the app, only when traffic is back.
#[test]
fn an_upload_that_began_before_traffic_went_back_is_answered() {
    let sandbox = deployed("on_failure = \"rollback\"");
    sandbox.configure(|config| set(config, "drain", "quiet", "10s"));
    commit_mode(&sandbox, "die");
    let deploy = sandbox.bg_start(&["deploy"]);
    wait_until(LONG, "green is live", || {
        sandbox.live_color() == Some(Color::Green)
    });
    let load = Load::start(sandbox.address(), HOST, &[(Kind::Upload(6), 4)]);
    let deploy = deploy.wait();
    sandbox.assert_five(&deploy, 5, "worker `sync` did not start on", Color::Blue);
    deploy.assert_says("green may still be answering requests");
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}\n{deploy}");
    assert!(count.by_color.contains_key("green"), "{count:?}");
}

#[test]
fn the_first_release_of_all_has_nowhere_to_go_back_to() {
    let sandbox = set_up("");
    commit_mode(&sandbox, "die");
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 6, "it does not run at all", Color::Blue);
    assert!(entries(&sandbox).is_empty(), "{:?}", entries(&sandbox));
    assert_eq!(status_of(&sandbox, "sync")["problem"], "does not run");
    commit_mode(&sandbox, "work");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_runs(&sandbox, &sandbox.live_release());
}

#[test]
fn a_command_can_say_that_it_is_not_ready() {
    let mark =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ready-{}", std::process::id()));
    std::fs::write(&mark, "").unwrap();
    let sandbox = deployed(&format!(
        "ready_command = \"test -e {}\"\nready_timeout = \"2s\"",
        mark.display()
    ));
    let first = sandbox.live_release();
    std::fs::remove_file(&mark).unwrap();
    commit_mode(&sandbox, "work");
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &deploy,
        6,
        "its `ready_command` did not pass within 2s",
        Color::Green,
    );
    // The old one is not ready either, and says so rather than that it runs.
    deploy.assert_says("it does not run at all");
    std::fs::write(&mark, "").unwrap();
    let repair = sandbox.bg(&["repair"]);
    repair.assert_code(0);
    assert_runs(&sandbox, &sandbox.live_release());
    assert_ne!(sandbox.live_release(), first);
    std::fs::remove_file(&mark).ok();
}
