use super::*;
use crate::model::color::Color;

fn release(second: u8) -> ReleaseId {
    format!("20261123T1815{second:02}Z-aaaaaaa").parse().unwrap()
}

fn commit(verb: Verb, live: u8, was: Option<u8>) -> Record {
    Record::Commit {
        run: RunId("r".into()),
        at: Timestamp::UNIX_EPOCH,
        verb,
        live: Standing {
            color: Color::Blue,
            release: Some(release(live)),
        },
        maintenance: false,
        was: was.map(release),
        summary: String::new(),
        doubt: false,
    }
}

fn refused(unfit: u8) -> Record {
    Record::Abort {
        run: RunId("r".into()),
        at: Timestamp::UNIX_EPOCH,
        verb: Verb::Deploy,
        reason: "gate".into(),
        refused: Some(release(unfit)),
    }
}

#[test]
fn a_rollback_goes_to_what_served_before() {
    let story = Story::of(&[commit(Verb::Deploy, 1, None), commit(Verb::Deploy, 2, Some(1))]);
    assert_eq!(story.rollback_target(&release(2)), Ok(&release(1)));
    assert_eq!(
        story.rollback_target(&release(1)),
        Err(NoRollback::NothingBefore(release(1)))
    );
}

#[test]
fn a_rollback_typed_twice_does_not_swing_back() {
    let story = Story::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
    ]);
    assert_eq!(
        story.rollback_target(&release(1)),
        Err(NoRollback::NothingBefore(release(1)))
    );
    assert!(story.is_unfit(&release(2)));
}

#[test]
fn a_refused_release_is_never_a_target() {
    let story = Story::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        refused(3),
    ]);
    assert_eq!(story.rollback_target(&release(2)), Ok(&release(1)));
    assert!(story.is_unfit(&release(3)));
}

#[test]
fn a_deploy_after_a_rollback_goes_back_to_the_release_in_between() {
    let story = Story::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
        commit(Verb::Deploy, 4, Some(1)),
    ]);
    assert_eq!(story.rollback_target(&release(4)), Ok(&release(1)));
}

#[test]
fn switching_to_an_unfit_release_by_hand_forgives_it() {
    let story = Story::of(&[
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
        commit(Verb::Switch, 2, Some(1)),
    ]);
    assert!(!story.is_unfit(&release(2)));
    assert_eq!(story.rollback_target(&release(2)), Ok(&release(1)));
}

#[test]
fn a_maintenance_commit_changes_no_target() {
    let story = Story::of(&[
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Maintenance, 2, Some(2)),
    ]);
    assert_eq!(story.rollback_target(&release(2)), Ok(&release(1)));
}
