//! Logs that nobody cuts, and those that are cut in vain.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::secure::Secure;
use super::{assert_found, bad_about};

#[test]
fn logs_that_nobody_cuts_are_found_and_the_proposal_cuts_them() {
    let secure = Secure::new();
    secure.bg(&["setup"]).assert_code(0);
    let bad = || bad_about(&secure.bg(&["check", "--json"]), "log rotation");
    let logs = secure.sandbox.app_root().join("logs");
    let found = bad();
    assert_found(
        &found,
        "warning",
        &format!("nothing cuts the logs in {}", logs.display()),
        "logrotate.d/bluegreen-shop:\n",
    );
    let (place, text) = found[0].fix.split_once(":\n").unwrap();
    let file = Path::new(place.rsplit(' ').next().unwrap());
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    assert!(bad().is_empty(), "{:#?}", bad());
    really_cuts(file, &logs, &secure.sandbox.root().join("logrotate.state"));
    fs::write(file, text.replace("copytruncate", "nocopytruncate")).unwrap();
    assert_found(
        &bad(),
        "warning",
        "PM2 goes on writing to the old ones",
        "`copytruncate`",
    );
    fs::write(file, text.replace("/logs/", "/log/")).unwrap();
    assert_found(&bad(), "warning", "nothing cuts the logs", "");
}

/// By the real logrotate, where it is installed.
fn really_cuts(file: &Path, logs: &Path, state: &Path) {
    let programs = ["/usr/sbin/logrotate", "/usr/bin/logrotate"];
    let Some(program) = programs.iter().find(|program| Path::new(program).exists()) else {
        eprintln!("not tried: logrotate is not installed");
        return;
    };
    fs::create_dir_all(logs).unwrap();
    let log = logs.join("blue.log");
    fs::write(&log, "a line\n").unwrap();
    let output = Command::new(program)
        .args(["--force", "--verbose", "--state"])
        .args([state, file])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "", "{said}");
    assert!(logs.join("blue.log.1").exists(), "{said}");
}

#[test]
fn pm2s_own_module_counts() {
    let secure = Secure::new();
    secure.bg(&["setup"]).assert_code(0);
    let bad = || bad_about(&secure.bg(&["check", "--json"]), "log rotation");
    assert_eq!(bad().len(), 1);
    // As `pm2 install pm2-logrotate` has it, which would need the network.
    let file = secure.sandbox.root().join("module.json");
    let text = r#"{"name":"pm2-logrotate","script":"/usr/bin/tail","args":"-f /dev/null","interpreter":"none",
        "env":{"pmx_module":true}}"#;
    fs::write(&file, text).unwrap();
    secure
        .sandbox
        .pm2(&["start", file.to_str().unwrap()])
        .assert_code(0);
    assert!(bad().is_empty(), "{:#?}", bad());
}
