//! A journal that is gone, torn, damaged, or a later version's.

use std::fs;
use std::io::Write;

use bluegreen::model::color::Color;

use super::scene::{journal, records, two_releases};
use crate::sandbox::Sandbox;

#[test]
fn without_its_journal_an_app_can_still_be_switched_and_rolled_back() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    let file = journal(&sandbox);

    fs::remove_file(&file).unwrap();
    let rollback = sandbox.bg(&["rollback"]);
    sandbox.assert_five(&rollback, 1, "cannot tell what to roll back to", Color::Green);
    rollback.assert_says("--to RELEASE");
    fs::remove_file(&file).unwrap();
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    fs::remove_file(&file).unwrap();
    sandbox
        .bg(&["rollback", "--to", &second.to_string()])
        .assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // A last line that was torn: told, cut off, and the rest still counts.
    let whole = records(&sandbox);
    let mut open = fs::OpenOptions::new().append(true).open(&file).unwrap();
    open.write_all(b"{\"record\":\"commit\",\"run\":\"2026").unwrap();
    assert!(sandbox.bg(&["status"]).stdout.contains("green ("));
    let switch = sandbox.bg(&["switch", "blue"]);
    switch.assert_code(0);
    switch.assert_says("the last line is incomplete");
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let now = records(&sandbox);
    assert_eq!(now[..whole.len()], whole, "{switch}");
    assert!(now.len() > whole.len(), "{switch}");

    // Damage in the middle: told, set aside, and what comes after it counts.
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1] = "\0\0\0 not what was written";
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    rollback.assert_says("line 2 cannot be parsed and is ignored");
    let aside = fs::read_to_string(file.with_extension("damaged")).unwrap();
    assert_eq!(aside, "\0\0\0 not what was written\n");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert_eq!(super::scene::slot(&sandbox, Color::Blue), Some(first));
}

#[test]
fn a_journal_of_years_is_folded_and_the_way_back_stays_known() {
    let sandbox = Sandbox::deployed();
    let (first, second) = two_releases(&sandbox);
    let file = journal(&sandbox);
    let fold = file.with_extension("fold");
    assert!(!fold.exists());

    // What was refused in the years before: more than 64 kB of it.
    let refused = "{\"record\":\"abort\",\"run\":\"20200101T000000000Z-1\",\"at\":\"2020-01-01T00:00:00Z\",\
                   \"verb\":\"deploy\",\"reason\":\"the gate\",\"refused\":\"20200101T000000Z-3f6f782\"}\n";
    let text = refused.repeat(500) + &fs::read_to_string(&file).unwrap();
    fs::write(&file, &text).unwrap();
    sandbox.bg(&["switch"]).assert_code(0);
    assert!(fold.exists());

    // Whoever reads the older part now stumbles.
    let kept = text.len();
    let mut now = fs::read(&file).unwrap();
    now[..kept].fill(b'x');
    fs::write(&file, now).unwrap();
    let back_to = || sandbox.status()["rollback"]["to"].as_str().map(str::to_owned);
    assert_eq!(back_to(), Some(second.to_string()));
    let switch = sandbox.bg(&["switch"]);
    switch.assert_code(0);
    assert!(!switch.stderr.contains("makes no sense"), "{switch}");
    assert_eq!(back_to(), Some(first.to_string()));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_release(), first.to_string());

    // The folded part is gone with the file, and nothing is believed that is not there.
    fs::remove_file(&file).unwrap();
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_release(), second.to_string());
}

#[test]
fn a_record_of_a_later_version_is_refused_and_nothing_is_touched() {
    let sandbox = Sandbox::deployed();
    let (first, _) = two_releases(&sandbox);
    let file = journal(&sandbox);
    let mut open = fs::OpenOptions::new().append(true).open(&file).unwrap();
    writeln!(
        open,
        "{{\"record\":\"teleport\",\"run\":\"20261123T181500000Z-1\"}}"
    )
    .unwrap();
    let before = fs::read(&file).unwrap();
    let mut tried = 0;
    for command in [
        &["deploy"][..],
        &["switch", "blue"],
        &["rollback"],
        &["rollback", "--to", &first.to_string()],
        &["maintenance", "on"],
        &["repair"],
    ] {
        let outcome = sandbox.bg(command);
        sandbox.assert_five(&outcome, 1, "was written by a newer bluegreen", Color::Green);
        outcome.assert_says("traffic: unchanged, green");
        outcome.assert_says("hint: a newer version of this program");
        assert_eq!(fs::read(&file).unwrap(), before, "{outcome}");
        tried += 1;
    }
    assert_eq!(tried, 6);
}
