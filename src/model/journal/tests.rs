use super::*;
use crate::color::Color;

fn release(second: u8) -> ReleaseId {
    format!("20261123T1815{second:02}Z-aaaaaaa").parse().unwrap()
}

fn commit(verb: Verb, live: u8, was: Option<u8>) -> Record {
    Record::Commit {
        run: RunId("r".into()),
        at: Timestamp::UNIX_EPOCH,
        verb,
        live: Deployment {
            color: Color::Blue,
            release: Some(release(live)),
        },
        maintenance: false,
        share: None,
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
        needless: false,
    }
}

#[test]
fn a_rollback_goes_to_what_served_before() {
    let state = JournalState::of(&[commit(Verb::Deploy, 1, None), commit(Verb::Deploy, 2, Some(1))]);
    assert_eq!(state.rollback_target(&release(2)), Ok(&release(1)));
    assert_eq!(
        state.rollback_target(&release(1)),
        Err(NoRollback::NothingBefore(release(1)))
    );
}

#[test]
fn a_rollback_typed_twice_does_not_swing_back() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
    ]);
    assert_eq!(
        state.rollback_target(&release(1)),
        Err(NoRollback::NothingBefore(release(1)))
    );
    assert!(state.is_unfit(&release(2)));
}

#[test]
fn a_doubt_is_ended_by_what_settles_it_and_by_nothing_else() {
    let mut doubted = commit(Verb::Deploy, 2, Some(1));
    if let Record::Commit { doubt, .. } = &mut doubted {
        *doubt = true;
    }
    let after = |verb, live, was| {
        let records = [
            commit(Verb::Deploy, 1, None),
            doubted.clone(),
            commit(verb, live, was),
        ];
        JournalState::of(&records).doubt.is_some()
    };
    assert!(after(Verb::Maintenance, 2, Some(2)));
    assert!(after(Verb::Deploy, 2, Some(2)), "a candidate was only made ready");
    assert!(!after(Verb::Switch, 2, Some(2)), "all hosts were brought to it");
    assert!(!after(Verb::Rollback, 1, Some(2)));
    assert!(!after(Verb::Deploy, 3, Some(2)));
}

#[test]
fn a_refused_release_is_never_a_target() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        refused(3),
    ]);
    assert_eq!(state.rollback_target(&release(2)), Ok(&release(1)));
    assert!(state.is_unfit(&release(3)));
}

#[test]
fn a_deploy_after_a_rollback_goes_back_to_the_release_in_between() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 1, None),
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
        commit(Verb::Deploy, 4, Some(1)),
    ]);
    assert_eq!(state.rollback_target(&release(4)), Ok(&release(1)));
}

#[test]
fn switching_to_an_unfit_release_by_hand_forgives_it() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Rollback, 1, Some(2)),
        commit(Verb::Switch, 2, Some(1)),
    ]);
    assert!(!state.is_unfit(&release(2)));
    assert_eq!(state.rollback_target(&release(2)), Ok(&release(1)));
}

#[test]
fn a_maintenance_commit_changes_no_target() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Maintenance, 2, Some(2)),
    ]);
    assert_eq!(state.rollback_target(&release(2)), Ok(&release(1)));
}

#[test]
fn of_releases_that_are_gone_only_what_a_rollback_asks_for_is_kept() {
    let state = JournalState::of(&[
        commit(Verb::Deploy, 2, Some(1)),
        commit(Verb::Deploy, 3, Some(2)),
        commit(Verb::Rollback, 2, Some(3)),
        refused(4),
        refused(5),
        commit(Verb::Deploy, 6, Some(2)),
        commit(Verb::Rollback, 2, Some(6)),
        commit(Verb::Deploy, 7, Some(2)),
    ]);
    let left = state.only(|id| [release(7), release(5), release(3)].contains(id));
    for stands in [7, 3] {
        assert_eq!(
            left.rollback_target(&release(stands)),
            state.rollback_target(&release(stands))
        );
    }
    for stands in [7, 5, 3] {
        assert_eq!(left.is_unfit(&release(stands)), state.is_unfit(&release(stands)));
    }
    // Nobody asks for them any more.
    assert!(state.is_unfit(&release(4)) && !left.is_unfit(&release(4)));
    assert!(state.rollback_target(&release(6)).is_ok() && left.rollback_target(&release(6)).is_err());
    // What served before one that stands is known to be unfit although it is gone.
    let state = JournalState::of(&[commit(Verb::Deploy, 2, Some(1)), refused(1)]);
    let left = state.only(|id| *id == release(2));
    assert_eq!(
        left.rollback_target(&release(2)),
        Err(NoRollback::Unfit(release(1)))
    );
}

#[test]
fn a_clock_that_jumps_back_makes_no_run_older_than_the_one_before() {
    let at = |text: &str| text.parse().unwrap();
    let first = RunId::new(at("2026-11-26T10:00:00.999Z"), 7, None);
    assert_eq!(first.0, "20261126T100000999Z-7");
    let back = RunId::new(at("2020-01-01T00:00:00Z"), 8, Some(&first));
    assert_eq!(back.0, "20261126T100001000Z-8");
    let same = RunId::new(at("2026-11-26T10:00:00.999Z"), 9, Some(&first));
    assert!(same > first);
    let strange = RunId("no time at all".to_owned());
    assert!(
        RunId::new(at("2026-11-26T10:00:00Z"), 1, Some(&strange))
            .0
            .ends_with("-1")
    );
}
