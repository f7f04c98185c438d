//! The environment file: what is wrong with it is said without saying what is in it, and
//! each release keeps the one that it was made with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::wait::wait_until;
use crate::sandbox::{SECRET, Sandbox};

#[test]
fn an_environment_file_that_cannot_be_used_is_refused_without_its_values() {
    let sandbox = Sandbox::deployed();
    let file = sandbox.app_root().join("shared/app.env");
    let good = fs::read_to_string(&file).unwrap();
    let refused = |says: &[&str]| {
        let outcome = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&outcome, 1, "the environment file cannot be used", Color::Blue);
        for text in says {
            outcome.assert_says(text);
        }
        outcome.assert_says("traffic: unchanged, blue (");
        assert!(!outcome.stderr.contains(SECRET), "a secret in {outcome}");
        assert!(!outcome.stderr.contains("hunter2"), "a secret in {outcome}");
    };
    let path = file.to_str().unwrap().to_owned();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&[&path, "holds secrets and has mode 0644: run `chmod 600 "]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, format!("{good}# a comment\nPASSWORD: hunter2-{SECRET}\n")).unwrap();
    refused(&[&path, "line 3: expected `NAME=value`"]);
    fs::write(&file, format!("{good}\nPASSWORD=\"hunter2-{SECRET}\n")).unwrap();
    refused(&["line 3: the quote that begins here is never closed"]);
    fs::remove_file(&file).unwrap();
    refused(&[&path]);
    let kept = fs::read_dir(sandbox.app_root().join("releases")).unwrap().count();
    assert_eq!(kept, 1, "nothing is left of a refused deploy");
    fs::write(&file, good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.bg(&["deploy"]).assert_code(0);
    for entry in fs::read_dir(sandbox.app_root().join("envs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn the_same_commit_again_takes_the_new_environment_and_a_rollback_the_old_one() {
    let sandbox = Sandbox::new();
    sandbox.commit_edit(
        "say the greeting",
        "\"pid\": os.getpid()",
        "\"pid\": os.getpid(), \"greeting\": os.environ[\"GREETING\"]",
    );
    let file = sandbox.app_root().join("shared/app.env");
    let usual = fs::read_to_string(&file).unwrap();
    let greet = |word: &str| fs::write(&file, format!("{usual}GREETING={word}\n")).unwrap();
    let said = || -> serde_json::Value { serde_json::from_str(&sandbox.get("/whoami").body).unwrap() };
    greet("one-greeting");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    greet("two-greetings");
    assert_eq!(
        said()["greeting"],
        "one-greeting",
        "a release does not change under its app"
    );
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(said()["greeting"], "two-greetings");
    assert_eq!(sandbox.bg(&["releases"]).stdout.lines().count(), 2);
    sandbox.bg(&["rollback"]).assert_code(0);
    let old = said();
    assert_eq!(old["greeting"], "one-greeting");
    // Its next start too: PM2 brings it back from the release, not from today's file.
    kill(
        Pid::from_raw(i32::try_from(old["pid"].as_i64().unwrap()).unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    let master = blues_master(&sandbox).unwrap();
    kill(Pid::from_raw(master), Signal::SIGKILL).unwrap();
    let again = std::cell::RefCell::new(serde_json::Value::Null);
    wait_until(Duration::from_secs(60), "PM2 started blue again", || {
        // On the way there the front door answers 502: nothing stands behind it.
        *again.borrow_mut() = serde_json::from_str(&sandbox.get("/whoami").body).unwrap_or_default();
        let by_another = again.borrow()["pid"].is_i64() && again.borrow()["pid"] != old["pid"];
        by_another && blues_master(&sandbox).is_some_and(|now| now != master)
    });
    assert_eq!(again.borrow()["greeting"], "one-greeting");
}

/// The process that PM2 keeps for blue, once there is one.
fn blues_master(sandbox: &Sandbox) -> Option<i32> {
    let list = sandbox.pm2(&["jlist"]);
    let list: serde_json::Value = serde_json::from_str(list.stdout.lines().last()?).ok()?;
    let blue = list.as_array()?.iter().find(|app| app["name"] == "flask-blue")?;
    i32::try_from(blue["pid"].as_i64()?).ok()
}
