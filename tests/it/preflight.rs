//! What does not start is refused before the color that a rollback goes to is stopped.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;

use crate::migrate::migrate_by;
use crate::recovery::scene::{LONG, Told, answering_pid, last_run, marked};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{SECRET, Sandbox, processes, repo, set};

/// Two releases, the first warm on blue, whose quiet time is much longer than any test.
fn warm_and_live() -> Sandbox {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.configure(|config| {
        set(config, "gate", "preflight", "start");
        set(config, "drain", "quiet", "10m");
    });
    sandbox
}

/// Puts `code` in front of the app.
fn begin_with(sandbox: &Sandbox, code: &str) {
    let original = fs::read_to_string(repo::sample_app().join("app.py")).unwrap();
    sandbox.commit("a change", |repo| {
        fs::write(repo.join("app.py"), format!("{code}\n{original}")).unwrap();
    });
}

fn run_by(sandbox: &Sandbox, line: &str) {
    sandbox.configure(|config| set(config, "process", "run", line));
}

/// Refused at once, for `why`, and blue's process is the one that it was.
fn assert_refused(sandbox: &Sandbox, why: &str) -> Outcome {
    let warm = answering_pid(sandbox, Color::Blue).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, why, Color::Green);
    assert!(refused.took < Duration::from_secs(60), "{refused}");
    assert_eq!(answering_pid(sandbox, Color::Blue), Some(warm), "{refused}");
    let left = processes::of(sandbox.root());
    let tried = left.iter().filter(|(pid, _)| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains("-preflight-")
    });
    assert_eq!(tried.count(), 0, "{left:?}");
    refused
}

const GUNICORN: &str = "{{ venv }}/bin/python -m gunicorn --bind 127.0.0.1:{{ port }}";

#[test]
fn what_does_not_start_is_refused_at_once_and_the_way_back_stays_warm() {
    let sandbox = warm_and_live();
    begin_with(
        &sandbox,
        "import os\nraise ImportError('No module named redis for ' + os.environ['SHOP_SECRET'])",
    );
    let refused = assert_refused(&sandbox, "does not start: its process ended");
    refused.assert_says("with exit code 3");
    refused.assert_says("flask-blue | ImportError: No module named redis for [SHOP_SECRET]");
    refused.assert_says("hint: `redis` is neither installed nor in the release: add the package");
    refused.assert_says("traffic: unchanged, green");
    assert!(!refused.stderr.contains(SECRET), "{refused}");

    begin_with(&sandbox, "");
    let usual = sandbox.configured("process", "run");
    let missing = [
        (
            "{{ venv }}/bin/hypercorn -b 127.0.0.1:{{ port }} app:app",
            "is not installed",
        ),
        (
            "{{ venv }}/bin/python -m hypercorn -b 127.0.0.1:{{ port }} app:app",
            "No module named hypercorn",
        ),
    ];
    for (run, why) in missing {
        run_by(&sandbox, run);
        assert_refused(&sandbox, "does not start: ").assert_says(why);
    }
    // Two of one color may clash, so this one is imported only.
    run_by(
        &sandbox,
        &format!("{GUNICORN} --name shop-{{{{ color }}}} shop:app"),
    );
    assert_refused(&sandbox, "does not import: its process ended").assert_says("No module named 'shop'");
    run_by(
        &sandbox,
        "{{ venv }}/bin/python -m flask --app shop run --no-reload --port {{ port }}",
    );
    sandbox.configure(|config| set(config, "gate", "preflight", "import"));
    assert_refused(&sandbox, "does not import: its process ended").assert_says("No module named 'shop'");

    run_by(&sandbox, &usual);
    sandbox.configure(|config| {
        set(config, "gate", "preflight", "start");
        set(config, "drain", "quiet", "0s");
    });
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert!(sandbox.get("/").body.contains("Good day"), "{rollback}");
    sandbox
        .bg(&["deploy"])
        .assert_code(0)
        .assert_says(" starts, tried in ");
}

/// One that lets no second process of its color start, as with a file that it locks: it is tried
/// in vain, and starts in its slot.
#[test]
fn a_reason_goes_past_what_does_not_start_when_tried_and_is_on_record() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "preflight", "start"));
    begin_with(
        &sandbox,
        "import os\nif '-preflight-' in os.environ['BG_NONCE']:\n    raise OSError('one at a time')",
    );
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "does not start: its process ended", Color::Blue);
    refused.assert_says("`bluegreen deploy --force-gate REASON`");
    let forced = sandbox.bg(&["deploy", "--force-gate", "the lock is one of the host"]);
    forced
        .assert_code(0)
        .assert_says("green did not pass the gate, forced (the lock is one of the host): ");
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{forced}");
    let history = sandbox.bg(&["history", "-n", "1"]);
    assert!(
        history
            .stdout
            .contains("gate forced: the lock is one of the host"),
        "{history}"
    );

    begin_with(&sandbox, "raise OSError('never')");
    let refused = sandbox.bg(&["deploy", "--force-gate", "never mind"]);
    sandbox.assert_five(
        &refused,
        1,
        "blue did not pass the gate: its process ended",
        Color::Green,
    );
}

/// An app that does not start without what its migration makes.
#[test]
fn an_app_that_needs_its_migration_first_is_tried_again_after_it() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "preflight", "start"));
    let table = sandbox.root().join("table");
    begin_with(&sandbox, &format!("open({:?})", table.display().to_string()));
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "does not start: its process ended", Color::Blue);
    migrate_by(&sandbox, &format!("touch {}", table.display()));
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    begin_with(&sandbox, "raise SystemExit(4)");
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "with exit code 4", Color::Green);
    refused.assert_says("does not start");
}

/// The one that is tried hangs at its start; all others start.
fn hang_when_tried(sandbox: &Sandbox, mark: &Path) {
    let code = format!(
        "import os, time\nif '-preflight-' in os.environ.get('BG_NONCE', ''):\n    open({:?}, 'w').close()\n    time.sleep(600)",
        mark.display().to_string()
    );
    begin_with(sandbox, &code);
}

#[test]
fn one_that_is_tried_does_not_outlive_its_run_or_is_ended_by_the_next() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "preflight", "start"));
    let mark = sandbox.root().join("tried");
    hang_when_tried(&sandbox, &mark);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&mark);
    let run = last_run(&sandbox);
    deploy.kill();
    assert_ne!(marked(Some(&run)), [] as [i32; 0]);
    sandbox.bg(&["repair"]).assert_code(0);
    assert_eq!(marked(Some(&run)), [] as [i32; 0]);

    fs::remove_file(&mark).unwrap();
    let deploy = sandbox.bg_start(&["deploy"]);
    wait_until(LONG, "it is tried", || mark.exists());
    let run = last_run(&sandbox);
    deploy.signal(Signal::SIGINT);
    let interrupted = deploy.wait();
    sandbox.assert_five(&interrupted, 130, "interrupted", Color::Blue);
    assert_eq!(marked(Some(&run)), [] as [i32; 0]);

    // It starts in its slot, so it is no worse off for that.
    sandbox
        .bg(&["deploy"])
        .assert_code(0)
        .assert_says("neither answered nor ended: the gate decides");
    assert_eq!(marked(Some(&last_run(&sandbox))), [] as [i32; 0]);
}
