//! Going back past a release whose schema does not serve what was before.

use bluegreen::model::color::Color;

use super::{back_up_by, backups, deploy_change, migrate_by, migrating};
use crate::sandbox::Sandbox;
use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;

fn short(release: &str) -> &str {
    release.split_once('-').unwrap().1
}

/// Nothing changed, and the page says why.
fn assert_refused(sandbox: &Sandbox, args: &[&str], target: &str, why: &str) -> Outcome {
    let live = sandbox.live_color().unwrap();
    let refused = sandbox.bg(args);
    let what = format!("{} does not work with the database schema since", short(target));
    sandbox.assert_five(&refused, 1, &what, live);
    refused.assert_says(why);
    refused.assert_says("traffic: unchanged");
    refused.assert_says("`--force REASON` goes back anyway");
    refused
}

#[test]
fn each_way_back_past_a_contract_is_refused_until_it_is_forced() {
    let sandbox = Sandbox::deployed();
    let first = sandbox.live_release();
    let deployed = sandbox.bg(&["deploy", "--contract"]);
    deployed.assert_code(0);
    assert!(
        deployed.stdout.contains("`bluegreen rollback` refuses"),
        "{deployed}"
    );
    let second = sandbox.live_release();
    let ways: [&[&str]; 5] = [
        &["rollback"],
        &["rollback", "--to", &first],
        &["switch"],
        &["switch", "blue"],
        &["switch", "--reconcile", &first],
    ];
    for way in ways {
        assert_refused(&sandbox, way, &first, "it was deployed with `--contract`");
    }
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains(&format!(
            "rollback: none, {first} does not work with the database schema"
        )),
        "{status}"
    );

    // It stands between what is older and what is newer, also for later releases.
    let third = deploy_change(&sandbox, "readme", &[]);
    assert_refused(&sandbox, &["rollback", "--to", &first], &first, short(&second));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_release(), second);
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_release(), third);

    let reason = "the old code only reads";
    let forced = sandbox.bg(&["rollback", "--to", &first, "--force", reason]);
    forced.assert_code(0).assert_says(reason);
    assert_eq!(sandbox.live_release(), first);
    let history = sandbox.bg(&["history"]);
    assert!(
        history.stdout.contains(&format!(
            "past the contract {} by force: {reason}",
            short(&second)
        )),
        "{history}"
    );
    // And forward again, which nothing forbids.
    sandbox.bg(&["switch"]).assert_code(0);
}

#[test]
fn a_commit_or_the_migration_itself_can_say_it() {
    let sandbox = migrating("exit 0");
    back_up_by(&sandbox, "echo all of it > $BG_BACKUP_FILE");
    let first = sandbox.live_release();
    // Not the last commit of what is released.
    sandbox.commit("Drop totals\n\nBg-Contract: drops orders.total", |_| {});
    let second = deploy_change(&sandbox, "readme", &[]);
    let refused = assert_refused(
        &sandbox,
        &["rollback"],
        &first,
        "is a contract release: drops orders.total",
    );
    let backup = backups(&sandbox).pop().unwrap();
    refused.assert_says(&format!(
        "`{}` is the backup from just before it",
        backup.display()
    ));

    migrate_by(&sandbox, "echo \"renames $SHOP_SECRET\" > $BG_CONTRACT_FILE");
    let third = deploy_change(&sandbox, "readme", &[]);
    let refused = assert_refused(&sandbox, &["rollback"], &second, "renames [SHOP_SECRET]");
    refused.assert_says(&third);
    // What an earlier migration has left says nothing about this one.
    migrate_by(&sandbox, "exit 0");
    deploy_change(&sandbox, "readme", &[]);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_release(), third);
}

#[test]
fn a_refused_release_whose_migration_ran_is_a_contract_for_those_after_it() {
    let sandbox = migrating("echo drops a table > $BG_CONTRACT_FILE");
    let first = sandbox.live_release();
    sandbox.commit_edit("unwell", "return {\"status\": \"ok\"}", "return \"unwell\", 500");
    sandbox.configure(|config| crate::sandbox::set(config, "gate", "timeout", "4s"));
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "green did not pass the gate", Color::Blue);
    migrate_by(&sandbox, "exit 0");
    sandbox.commit_edit(
        "well again",
        "return \"unwell\", 500",
        "return {\"status\": \"ok\"}",
    );
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_refused(&sandbox, &["rollback"], &first, "drops a table");
}

#[test]
fn older_code_that_is_deployed_anew_is_warned_of() {
    let sandbox = Sandbox::deployed();
    let old = sandbox.commit("old", |_| {});
    sandbox.commit("new", |_| {});
    sandbox.bg(&["deploy", "--contract"]).assert_code(0);
    let deployed = sandbox.bg(&["deploy"]);
    assert!(!deployed.stderr.contains("may not work"), "{deployed}");
    let deployed = sandbox.bg(&["deploy", &old]);
    deployed
        .assert_code(0)
        .assert_says("may not work with the database schema since");
}

#[test]
fn the_same_over_ssh() {
    let afar = Afar::deployed(1);
    let sandbox = &afar.servers[0].sandbox;
    let first = sandbox.live_release();
    afar.everywhere(&["deploy", "--contract"]).assert_code(0);
    let refused = afar.everywhere(&["rollback"]);
    let what = format!("{} does not work with the database", short(&first));
    sandbox.assert_five(&refused, 1, &what, Color::Green);
    let forced = afar.everywhere(&["rollback", "--force", "it only reads"]);
    forced.assert_code(0).assert_says("it only reads");
    assert_eq!(sandbox.live_release(), first);
}
