//! Ctrl-C, SIGTERM and a lost terminal: before the cutover the deploy is undone, after it
//! has begun it is finished.

use bluegreen::model::color::Color;
use bluegreen::model::journal::Record;
use nix::sys::signal::Signal;

use super::scene::{
    Held, LONG, Told, answering, answering_pid, commit_hanging_build, drop_last_commit, has_told,
    last_record, last_run, marked, slot, two_releases,
};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, set};

#[test]
fn a_signal_before_the_cutover_undoes_the_deploy_and_leaves_nothing_running() {
    let sandbox = Sandbox::deployed();
    let (first, _) = two_releases(&sandbox);
    let assert_undone = |deploy: Told, signal: Signal, words: &str| {
        let run = last_run(&sandbox);
        deploy.signal(signal);
        let deploy = deploy.wait();
        sandbox.assert_five(&deploy, 130, words, Color::Green);
        deploy.assert_says("traffic: unchanged, green");
        assert_eq!(marked(Some(&run)), [] as [i32; 0], "{deploy}");
        assert_eq!(slot(&sandbox, Color::Blue), Some(first.clone()), "{deploy}");
        assert_eq!(
            answering(&sandbox, Color::Blue),
            Some(first.to_string()),
            "{deploy}"
        );
        assert!(matches!(last_record(&sandbox), Record::Abort { .. }), "{deploy}");
        let status = sandbox.bg(&["status"]);
        assert!(
            status.stdout.contains(&format!("rollback: ready, to {first}")),
            "{status}"
        );
    };

    let warm = answering_pid(&sandbox, Color::Blue);
    let mark = commit_hanging_build(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&mark);
    assert_undone(
        deploy,
        Signal::SIGINT,
        "interrupted by Ctrl-C before traffic moved",
    );
    drop_last_commit(&sandbox);

    // While blue may still finish requests from before, it must not be touched.
    sandbox.configure(|config| set(config, "drain", "quiet", "1h"));
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_says("may still be answering requests");
    assert_undone(deploy, Signal::SIGTERM, "interrupted by SIGTERM");
    assert_eq!(
        answering_pid(&sandbox, Color::Blue),
        warm,
        "it ran through all of this"
    );
    sandbox.configure(|config| set(config, "drain", "quiet", "0s"));

    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    assert_undone(deploy, Signal::SIGTERM, "interrupted by SIGTERM");
    gate.let_go();

    sandbox.configure(|config| set(config, "gate", "soak", "60s"));
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_says("blue started on");
    wait_until(LONG, "the candidate answers", || {
        let answers = answering(&sandbox, Color::Blue);
        answers.is_some() && answers != Some(first.to_string())
    });
    assert_undone(deploy, Signal::SIGHUP, "interrupted by a lost terminal");
}

#[test]
fn no_signal_stops_a_cutover_that_has_begun() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "evidence", "window", "3s"));
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let load = sandbox.load();
    let deploy = Told::start(&sandbox, &["deploy"]);
    wait_until(LONG, "traffic moved", || sandbox.link() == "green");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        deploy.signal(signal);
    }
    let run = last_run(&sandbox);
    assert!(!has_told(&sandbox, &run, "saved"), "it still counts");
    let deploy = deploy.wait();
    deploy.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{deploy}");
    assert!(matches!(last_record(&sandbox), Record::Commit { .. }), "{deploy}");
    assert!(sandbox.lock_is_free());
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
}
