//! `kill -9` of a real deploy wherever it can be, and the next command.

use std::net::TcpListener;

use bluegreen::model::color::Color;
use bluegreen::model::journal::Record;

use super::scene::{
    Held, LONG, Told, answering, commit_hanging_build, drop_last_commit, has_told, last_record, last_run,
    marked, slot, two_releases,
};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, set};

/// No process of the run is left, its end is in the journal, and `color` is live.
fn assert_over(sandbox: &Sandbox, run: &str, color: Color) {
    assert_eq!(marked(Some(run)), [] as [i32; 0]);
    assert_eq!(sandbox.live_color(), Some(color));
    assert_eq!(sandbox.link(), color.name());
    assert!(sandbox.lock_is_free());
}

#[test]
fn a_deploy_killed_anywhere_is_finished_or_undone_by_the_next_command_and_no_request_fails() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    let load = sandbox.load();

    // Fetching, from a server that takes the connection and says nothing.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let repository = sandbox.repo().display().to_string();
    sandbox.configure(|config| set(config, "source", "git", format!("http://{address}/shop.git")));
    let deploy = Told::start(&sandbox, &["deploy"]);
    let connection = server.accept().unwrap();
    let run = last_run(&sandbox);
    deploy.kill();
    sandbox.configure(|config| set(config, "source", "git", repository));
    let plan = sandbox.bg(&["repair", "--plan"]);
    plan.assert_code(0);
    assert!(
        plan.stdout.contains(&format!("{run} died while preparing")),
        "{plan}"
    );
    assert!(!marked(Some(&run)).is_empty(), "looking ends nothing: {plan}");
    let repair = sandbox.bg(&["repair"]);
    repair.assert_code(0);
    repair.assert_says("record that the run ended; traffic never moved");
    assert!(matches!(
        last_record(&sandbox),
        Record::Abort { refused: None, .. }
    ));
    assert_over(&sandbox, &run, Color::Green);
    drop(connection);
    assert!(
        sandbox.bg(&["repair", "--plan"]).stdout.contains("nothing"),
        "once is enough"
    );

    // Building; the next command is a rollback.
    let mark = commit_hanging_build(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&mark);
    let run = last_run(&sandbox);
    deploy.kill();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    rollback.assert_says(&format!("{run} died while preparing"));
    assert_over(&sandbox, &run, Color::Blue);
    drop_last_commit(&sandbox);

    // In the gate: green's old process is gone, the candidate runs in its place.
    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    let run = last_run(&sandbox);
    deploy.kill();
    gate.let_go();
    assert_ne!(slot(&sandbox, Color::Green), Some(second.clone()));
    let switch = sandbox.bg(&["switch", "green"]);
    switch.assert_code(0);
    switch.assert_says(&format!("{run} died while replacing the idle color"));
    switch.assert_says("restored the release that green held");
    assert_eq!(slot(&sandbox, Color::Green), Some(second.clone()), "{switch}");
    assert_eq!(
        answering(&sandbox, Color::Green),
        Some(second.to_string()),
        "{switch}"
    );
    assert_over(&sandbox, &run, Color::Green);

    // In its soak; the next is another deploy.
    sandbox.configure(|config| set(config, "gate", "soak", "60s"));
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_says("blue started on");
    wait_until(LONG, "the candidate answers", || {
        let answers = answering(&sandbox, Color::Blue);
        answers.is_some() && answers != Some(first.to_string())
    });
    let run = last_run(&sandbox);
    deploy.kill();
    let repair = sandbox.bg(&["repair"]);
    repair.assert_code(0);
    repair.assert_says("blue runs");
    assert_eq!(slot(&sandbox, Color::Blue), Some(first.clone()), "{repair}");
    assert_eq!(
        answering(&sandbox, Color::Blue),
        Some(first.to_string()),
        "{repair}"
    );
    assert_over(&sandbox, &run, Color::Green);

    // After the swap, while the prober still counts.
    sandbox.configure(|config| {
        set(config, "gate", "soak", "0s");
        set(config, "evidence", "window", "60s");
    });
    let deploy = Told::start(&sandbox, &["deploy"]);
    wait_until(LONG, "traffic moved", || sandbox.link() == "blue");
    let run = last_run(&sandbox);
    wait_until(LONG, "it is proven", || has_told(&sandbox, &run, "traffic_moved"));
    deploy.kill();
    let third = slot(&sandbox, Color::Blue).unwrap();
    assert_ne!(third, first);
    let status = sandbox.bg(&["status"]);
    assert!(status.stdout.contains("verify that blue is live"), "{status}");
    sandbox.configure(|config| set(config, "evidence", "window", "200ms"));
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    rollback.assert_says(&format!("{run} died while finishing up"));
    rollback.assert_says("verified that blue is live and recorded it");
    assert_over(&sandbox, &run, Color::Green);
    assert_eq!(slot(&sandbox, Color::Green), Some(second), "what served before");
    let finished = |record: &Record| matches!(record, Record::Commit { run: by, live, .. } if by.0 == run && live.release.as_ref() == Some(&third));
    assert!(super::scene::records(&sandbox).iter().any(finished));

    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert!(count.requests > 100, "{count:?}");
}
