//! Every fault at every step, in both ways to move traffic: a command is watched once, to
//! learn which steps it takes; then it is typed again for each kind of fault at each step.

mod case;
mod part;

use part::{Part, TABLE_HAS_AT_LEAST};

/// A fixed share of the table, so that all checks together stay short; `BG_FAULTS=all` takes
/// the whole, as `ops/bench/faults` does.
const SHARE: usize = 24;

#[test]
fn the_table_is_not_small() {
    let least: usize = Part::ALL.iter().map(|part| part.least).sum();
    assert!(least >= TABLE_HAS_AT_LEAST, "{least} cases");
}

#[test]
fn a_deploy_the_live_way() {
    Part::ALL[0].play();
}

#[test]
fn a_switch_the_live_way() {
    Part::ALL[1].play();
}

#[test]
fn a_rollback_the_live_way() {
    Part::ALL[2].play();
}

#[test]
fn a_deploy_the_reload_way() {
    Part::ALL[3].play();
}

#[test]
fn a_switch_the_reload_way() {
    Part::ALL[4].play();
}

#[test]
fn a_rollback_the_reload_way() {
    Part::ALL[5].play();
}

#[test]
fn a_deploy_with_a_worker_a_migration_and_hooks() {
    Part::ALL[6].play();
}

#[test]
fn a_switch_with_a_worker_and_hooks() {
    Part::ALL[7].play();
}

#[test]
fn a_step_of_a_canary() {
    Part::ALL[8].play();
}

#[test]
fn the_last_step_of_a_canary() {
    Part::ALL[9].play();
}

#[test]
fn the_end_of_a_canary() {
    Part::ALL[10].play();
}
