//! gunicorn's own log, where its settings name a file for it.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use bluegreen::model::color::Color;

use crate::sandbox::{SECRET, Sandbox, set};

/// The settings file names the log, and the folder for it comes with the code.
fn log_to(sandbox: &Sandbox, file: &str) {
    sandbox.commit("a log of its own", |repo| {
        let settings = format!("errorlog = \"{file}\"\ncapture_output = True\n");
        fs::write(repo.join("gunicorn.conf.py"), settings).unwrap();
        fs::create_dir_all(repo.join("logs")).unwrap();
        fs::write(repo.join("logs/.gitkeep"), "").unwrap();
    });
}

fn break_app(sandbox: &Sandbox) {
    sandbox.commit("broken", |repo| {
        let app = repo.join("app.py");
        let text = fs::read_to_string(&app).unwrap();
        let code = "import os\nraise ImportError('no redis for ' + os.environ['SHOP_SECRET'])";
        fs::write(app, format!("{code}\n{text}")).unwrap();
    });
}

const LAST: &str = "ImportError: no redis for [SHOP_SECRET]";

#[test]
fn a_release_that_logs_to_a_file_is_refused_with_its_last_lines_and_logs_show_it() {
    let sandbox = Sandbox::with(|config| set(config, "gate", "preflight", "start"));
    log_to(&sandbox, "logs/error.log");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let shown = sandbox.bg(&["logs", "blue"]);
    shown.assert_code(0);
    let first = sandbox.live_release();
    let header = format!("/releases/{first}/logs/error.log <==\n");
    assert!(
        shown.stdout.contains(&header) && shown.stdout.contains("Listening at"),
        "{shown}"
    );

    // The log is no data that a release would start without.
    break_app(&sandbox);
    for (preflight, what) in [("start", "does not start: "), ("off", "did not pass the gate: ")] {
        sandbox.configure(|config| set(config, "gate", "preflight", preflight));
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, what, Color::Blue);
        refused.assert_says(&format!("logs/error.log | {LAST}"));
        assert!(!refused.stderr.contains(SECRET), "{refused}");
        let shown = sandbox.bg(&["logs", "green"]);
        shown.assert_code(0);
        assert!(
            shown.stdout.contains("/logs/error.log <==\n") && shown.stdout.contains(LAST),
            "{shown}"
        );
        assert!(!shown.stdout.contains(&first), "{shown}");
        assert!(!shown.stdout.contains(SECRET), "{shown}");
    }
}

/// The app may have put a link in the place of its log, which leads to what root alone can read.
#[test]
fn root_reads_no_log_that_others_can_lead_elsewhere() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("not tried: this is not root");
        return;
    }
    let sandbox = Sandbox::deployed();
    let (theirs, key) = (sandbox.root().join("theirs"), sandbox.root().join("key"));
    fs::create_dir(&theirs).unwrap();
    fs::write(&key, "root's own words\n").unwrap();
    log_to(&sandbox, theirs.join("error.log").to_str().unwrap());
    break_app(&sandbox);
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, LAST, Color::Blue);

    chown(&theirs, Some(65534), None).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "error.log | (not read: `", Color::Blue);
    assert!(!refused.stderr.contains(LAST), "{refused}");

    // A link is followed nowhere.
    chown(&theirs, Some(0), None).unwrap();
    fs::remove_file(theirs.join("error.log")).unwrap();
    symlink(&key, theirs.join("error.log")).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "did not pass the gate: ", Color::Blue);
    let shown = sandbox.bg(&["logs", "green"]);
    let said = format!("{refused}{shown}");
    assert!(!said.contains("root's own words"), "{said}");
}
