//! The live link in other hands: gone, pointing elsewhere, moved under a run.

use std::fs;

use bluegreen::model::attempt::Phase;
use bluegreen::model::color::{Color, Route};
use bluegreen::model::journal::{Record, RunId, Verb};
use jiff::Timestamp;

use super::scene::{
    Held, Told, answering_pid, commit_hanging_build, journal, last_record, let_build_end, point_link, slot,
    two_releases,
};
use crate::sandbox::{Sandbox, set};

#[test]
fn without_its_link_everything_is_refused_and_naming_the_color_mends_it() {
    let sandbox = Sandbox::deployed();
    two_releases(&sandbox);
    let live = sandbox.link_folder().join("live");
    let breaks: [(&str, &dyn Fn()); 2] = [
        ("there is no link", &|| fs::remove_file(&live).unwrap()),
        ("which is not a color", &|| point_link(&sandbox, "/tmp")),
    ];
    for (words, break_it) in breaks {
        break_it();
        let before = Color::BOTH.map(|color| answering_pid(&sandbox, color));
        let status = sandbox.bg(&["status"]);
        status.assert_code(7);
        assert!(status.stdout.contains(words), "{status}");
        assert!(status.stdout.contains("repairs the link"), "{status}");
        for command in [
            &["deploy"][..],
            &["rollback"],
            &["switch"],
            &["maintenance", "on"],
            &["repair"],
        ] {
            let refused = sandbox.bg(command);
            refused.assert_code(7);
            refused.assert_says(words);
            refused.assert_says("switch COLOR` points the link at a color again");
            assert!(sandbox.lock_is_free());
        }
        assert_eq!(Color::BOTH.map(|color| answering_pid(&sandbox, color)), before);
        let switch = sandbox.bg(&["switch", "green"]);
        switch.assert_code(0);
        switch.assert_says("the live link was missing");
        assert_eq!(sandbox.link(), "green", "{switch}");
        assert_eq!(sandbox.live_color(), Some(Color::Green), "{switch}");
        assert_eq!(Color::BOTH.map(|color| answering_pid(&sandbox, color)), before);
    }
}

#[test]
fn a_link_is_not_mended_under_a_run_that_holds_the_lock() {
    let sandbox = Sandbox::deployed();
    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    fs::remove_file(sandbox.link_folder().join("live")).unwrap();
    let second = sandbox.bg(&["switch", "blue"]);
    second.assert_code(7);
    second.assert_says("another run is in progress");
    assert!(fs::read_link(sandbox.link_folder().join("live")).is_err());
    gate.let_go();
    let deploy = deploy.wait();
    deploy.assert_code(7);
    deploy.assert_says("there is no link");
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(sandbox.link(), "blue");
}

#[test]
fn a_link_moved_by_hand_under_a_run_is_not_moved_again_and_no_serving_color_is_stopped() {
    let sandbox = Sandbox::deployed();
    let (first, _) = two_releases(&sandbox);

    // Moved before the swap, to where the run does not expect it: compare and swap.
    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    point_link(&sandbox, "maintenance-green");
    gate.let_go();
    let deploy = deploy.wait();
    deploy.assert_code(1);
    deploy.assert_says("the link pointed at");
    assert_eq!(sandbox.link(), "maintenance-green", "{deploy}");
    assert!(sandbox.lock_is_free());
    point_link(&sandbox, "green");
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // Moved to the candidate, which then fails its gate: it serves now, and stays up.
    let gate = Held::gate(&sandbox);
    sandbox.configure(|config| set(config, "timeouts", "smoke", "3s"));
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    point_link(&sandbox, "blue");
    let candidate = slot(&sandbox, Color::Blue).unwrap();
    assert_ne!(candidate, first);
    let serving = answering_pid(&sandbox, Color::Blue);
    let deploy = deploy.wait();
    sandbox.assert_five(&deploy, 1, "did not pass the gate", Color::Blue);
    deploy.assert_says("traffic: unchanged, blue");
    assert_eq!(answering_pid(&sandbox, Color::Blue), serving, "{deploy}");
    gate.let_go();

    // Moved while a release was built: what serves now is not taken for idle.
    let mark = commit_hanging_build(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&mark);
    point_link(&sandbox, "green");
    let serving = Color::BOTH.map(|color| answering_pid(&sandbox, color));
    let_build_end(&sandbox);
    let deploy = deploy.wait();
    sandbox.assert_five(&deploy, 1, "somebody else has moved it to green", Color::Green);
    assert_eq!(
        Color::BOTH.map(|color| answering_pid(&sandbox, color)),
        serving,
        "{deploy}"
    );
}

#[test]
fn naming_the_color_is_the_way_out_where_the_recovery_table_refuses() {
    let sandbox = Sandbox::deployed();
    two_releases(&sandbox);
    let run = RunId("20261123T181500000Z-1".into());
    let mut text = fs::read_to_string(journal(&sandbox)).unwrap();
    let begin = Record::Begin {
        run: run.clone(),
        at: Timestamp::now(),
        verb: Verb::Deploy,
        by: "ada".into(),
        from: Route::to(Color::Blue),
        was: slot(&sandbox, Color::Blue),
        fleet: false,
        request_id: None,
    };
    let enter = Record::Enter {
        run: run.clone(),
        at: Timestamp::now(),
        phase: Phase::Replacing,
        to: Route::to(Color::Green),
        release: slot(&sandbox, Color::Green),
        replaces: None,
    };
    for record in [begin, enter] {
        text += &format!("{}\n", serde_json::to_string(&record).unwrap());
    }
    // It never came to a swap, and yet green is live: somebody moved the link.
    fs::write(journal(&sandbox), text).unwrap();
    let before = Color::BOTH.map(|color| answering_pid(&sandbox, color));
    for command in [&["deploy"][..], &["rollback"], &["switch"], &["repair"]] {
        let refused = sandbox.bg(command);
        sandbox.assert_five(
            &refused,
            7,
            "bg cannot repair that safely on its own",
            Color::Green,
        );
        refused.assert_says("switch COLOR` makes that color live");
    }
    let switch = sandbox.bg(&["switch", "blue"]);
    switch.assert_code(0);
    switch.assert_says(&format!("{run} died while replacing"));
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{switch}");
    assert_eq!(Color::BOTH.map(|color| answering_pid(&sandbox, color)), before);
    sandbox.bg(&["switch", "green"]).assert_code(0);
    assert!(matches!(last_record(&sandbox), Record::Commit { .. }));
}
