//! When a migration runs, and what happens when it does not go well.

use std::fs;
use std::time::Duration;

use bluegreen::model::color::Color;

use super::{back_up_by, backups, deploy_change, events, migrate_by, migrating, pid_of, ran};
use crate::hooks::guard::wait_sleeping;
use crate::hooks::script;
use crate::recovery::scene::Told;
use crate::sandbox::{SECRET, Sandbox, set};

#[test]
fn the_backup_comes_first_then_the_migration_then_the_new_release() {
    let sandbox = migrating("[ \"$SHOP_SECRET\" ] && ls app.py && echo with $SHOP_SECRET");
    back_up_by(
        &sandbox,
        "[ \"$SHOP_SECRET\" ] && echo all of it > $BG_BACKUP_FILE",
    );
    let live = sandbox.live_release();
    sandbox.commit_edit("second", "Good day", "Hello");
    let deployed = sandbox.bg(&["deploy", "--json"]);
    deployed.assert_code(0);
    assert!(!deployed.stdout.contains(SECRET), "{deployed}");
    let all = events(&deployed);
    let order = [
        "release_made",
        "backed_up",
        "schema_ready",
        "started",
        "gate_passed",
    ];
    let places = order.map(|name| all.iter().position(|event| event == name));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {all:?}");
    let lines = deployed.json();
    let ready = lines.iter().find(|line| line["event"] == "schema_ready").unwrap();
    assert_eq!(
        (&ready["migrated"], &ready["contract"]),
        (&true.into(), &().into())
    );
    assert_eq!(ran(&sandbox), [sandbox.live_release()]);

    let [file] = backups(&sandbox).try_into().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "all of it\n");
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let short = live.split_once('-').unwrap().1;
    assert!(name.ends_with(&format!("-of-{short}.backup")), "{name}");
    let history = sandbox.bg(&["history"]);
    assert!(history.stdout.contains(&name), "{history}");
    assert!(history.stdout.contains(", migrated"), "{history}");
    let run = deployed.result()["answer"]["run"].as_str().unwrap().to_owned();
    let kept = sandbox.bg(&["history", &run]);
    assert!(
        kept.stdout
            .contains(&format!("database backed up, 10 bytes: {}", file.display())),
        "{kept}"
    );
    assert!(kept.stdout.contains("migrate: with [SHOP_SECRET]"), "{kept}");
}

#[test]
fn a_failing_migration_or_backup_stops_before_any_slot_is_touched() {
    let sandbox = migrating("exit 0");
    back_up_by(&sandbox, "echo all of it > $BG_BACKUP_FILE");
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    let warm = pid_of(&sandbox, Color::Blue);
    let check = |message: &str, backups_kept: usize, migrations: usize| {
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, message, Color::Green);
        assert_eq!(pid_of(&sandbox, Color::Blue), warm, "{refused}");
        assert_eq!(sandbox.status()["rollback"]["state"], "ready", "{refused}");
        assert_eq!(backups(&sandbox).len(), backups_kept, "{refused}");
        assert_eq!(ran(&sandbox).len(), migrations, "{refused}");
        refused
    };
    migrate_by(&sandbox, "echo the column is there already\nexit 4");
    let refused = check("`migrate` failed", 2, 2);
    refused.assert_says("the column is there already");
    let last = backups(&sandbox).pop().unwrap();
    refused.assert_says(&format!(
        "`{}` is the backup from before the migration",
        last.display()
    ));
    // Without a backup that looks whole nothing is migrated.
    back_up_by(&sandbox, "exit 5");
    check("`backup` failed", 2, 2);
    back_up_by(&sandbox, "exit 0");
    check("the backup has 0 bytes", 2, 2);
    sandbox.configure(|config| set(config, "migrate", "timeout", "500ms"));
    back_up_by(&sandbox, "echo all of it > $BG_BACKUP_FILE");
    migrate_by(&sandbox, "sleep 60");
    check("did not end within 0.5 s", 3, 3);
}

#[test]
fn it_runs_when_its_files_changed_or_something_is_pending() {
    let sandbox = migrating("exit 0");
    back_up_by(&sandbox, "echo all of it > $BG_BACKUP_FILE");
    sandbox.configure(|config| {
        set(config, "keep", "releases", 2);
        set(config, "migrate", "paths", vec!["migrations/**"]);
    });
    let plan = || sandbox.bg(&["deploy", "--plan"]).assert_code(0).stdout.clone();
    deploy_change(&sandbox, "readme", &[]);
    assert_eq!(ran(&sandbox).len(), 0);
    assert!(plan().contains("migrate nothing"), "{}", plan());
    deploy_change(&sandbox, "migrations/versions/1.py", &[]);
    assert_eq!(ran(&sandbox).len(), 1);
    deploy_change(&sandbox, "readme", &[]);
    assert_eq!((ran(&sandbox).len(), backups(&sandbox).len()), (1, 1));
    // What was rolled back is still to come.
    sandbox.commit("more", |repo| {
        fs::write(repo.join("migrations/versions/3.py"), "").unwrap()
    });
    assert!(
        plan().contains("back the database up, then migrate with"),
        "{}",
        plan()
    );
    deploy_change(&sandbox, "migrations/versions/2.py", &[]);
    sandbox.bg(&["rollback"]).assert_code(0);
    deploy_change(&sandbox, "readme", &[]);
    assert_eq!(ran(&sandbox).len(), 3);
    // A backup by itself.
    deploy_change(&sandbox, "readme", &["--backup"]);
    assert_eq!((ran(&sandbox).len(), backups(&sandbox).len()), (3, 4));

    let answer = |code: u8| {
        let asks = script(&sandbox, "pending", &format!("echo looking\nexit {code}"));
        sandbox.configure(|config| set(config, "migrate", "pending", asks));
    };
    answer(0);
    deploy_change(&sandbox, "readme", &[]);
    assert_eq!(ran(&sandbox).len(), 3);
    answer(1);
    deploy_change(&sandbox, "readme", &[]);
    assert_eq!(ran(&sandbox).len(), 4);
    answer(2);
    let color = sandbox.live_color().unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "cannot tell whether a migration is pending", color);
    assert_eq!(ran(&sandbox).len(), 4);
}

#[test]
fn without_a_section_there_is_no_backup_to_ask_for() {
    let sandbox = Sandbox::deployed();
    let refused = sandbox.bg(&["deploy", "--backup"]);
    sandbox.assert_five(&refused, 3, "`--backup` needs a section `[backup]`", Color::Blue);
}

#[test]
fn a_migration_that_is_cut_short_is_ended_and_told_once() {
    let sandbox = migrating("sleep 60 & touch $BG_ROOT/hangs\nwait");
    back_up_by(&sandbox, "echo all of it > $BG_BACKUP_FILE");
    let hangs = sandbox.app_root().join("hangs");
    let mut told = Told::start(&sandbox, &["deploy"]);
    told.wait_for(&hangs);
    told.kill();
    wait_sleeping(&sandbox, 1);
    let backup = backups(&sandbox).pop().unwrap();
    let repaired = sandbox.bg(&["repair"]);
    repaired.assert_code(0);
    let said = [
        "was cut short while it migrated the database".to_owned(),
        format!("`{}` is the backup from before the migration", backup.display()),
    ];
    for text in &said {
        repaired.assert_says(text);
    }
    wait_sleeping(&sandbox, 0);
    assert!(repaired.took < Duration::from_secs(30), "{repaired}");
    let again = sandbox.bg(&["repair"]);
    assert!(!again.stderr.contains("cut short"), "{again}");

    // Ctrl-C is no different.
    fs::remove_file(&hangs).unwrap();
    let mut told = Told::start(&sandbox, &["deploy"]);
    told.wait_for(&hangs);
    told.signal(nix::sys::signal::Signal::SIGINT);
    let ended = told.wait();
    sandbox.assert_five(&ended, 130, &said[0], Color::Blue);
    wait_sleeping(&sandbox, 0);
}
