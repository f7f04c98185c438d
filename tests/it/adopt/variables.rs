//! What PM2's own file gives a process: named and never shown, and no release starts without.

use std::fs;

use super::scene::{PROCESS, Site, by_hand, venv};
use crate::sandbox::set;

const VALUE: &str = "postgresql://shop:p4ssw0rd@127.0.0.1/shop";

/// The usual process, kept by an ecosystem file with variables in it.
fn site() -> Site {
    let site = Site::without_process(by_hand, |_| {});
    let apps = serde_json::json!({"apps": [{
        "name": PROCESS,
        "script": venv().join("bin/python"),
        "interpreter": "none",
        "args": site.gunicorn(),
        "env": {"DATABASE_URL": VALUE, "APP_DEBUG": 0, "feature_x": "on", "PORT": site.port(), "LS_COLORS": "x"},
    }]});
    fs::write(site.checkout().join("ecosystem.json"), apps.to_string()).unwrap();
    // The daemon has what the app was always given.
    let started = site.pm2().args(["start", "ecosystem.json"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    site.wait_until_it_answers();
    site
}

#[test]
fn no_release_starts_without_the_variables_that_pm2_gave_the_process() {
    let site = site();
    let sandbox = &site.sandbox;
    let plan = sandbox.bg(&["adopt"]);
    plan.assert_code(0);
    let named =
        "variables from PM2 that a release does not get: APP_DEBUG, DATABASE_URL, feature_x (values hidden)";
    assert!(plan.stdout.contains(named), "{plan}");
    let adopted = sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    for told in [&plan, &adopted] {
        assert!(
            !told.stdout.contains(VALUE) && !told.stderr.contains(VALUE),
            "{told}"
        );
    }

    let pid = site.answering_pid();
    let refused = sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    refused.assert_says("a new release would start without: APP_DEBUG, DATABASE_URL, feature_x");
    refused.assert_says("--leave-env` does without them");
    assert_eq!(site.answering_pid(), pid, "{refused}");
    assert_eq!(sandbox.link(), "blue");
    assert!(sandbox.lock_is_free());
    let check = sandbox.bg(&["check"]);
    assert!(
        check.stdout.contains("(APP_DEBUG, DATABASE_URL, feature_x)"),
        "{check}"
    );

    // One by bg.toml, one by the environment file, and a word for the last.
    let file = sandbox.app_root().join("shared/app.env");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\nDATABASE_URL={VALUE}\n")).unwrap();
    sandbox.configure(|config| {
        let mut table = toml::Table::new();
        table.insert("APP_DEBUG".into(), "0".into());
        set(config, "env", "set", table);
    });
    let refused = sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    refused.assert_says("would start without: feature_x");
    let plan = sandbox.bg(&["adopt", "--leave-env"]);
    assert!(
        plan.stdout
            .contains("leave feature_x out of the next release's environment"),
        "{plan}"
    );
    sandbox.bg(&["deploy"]).assert_code(1);
    sandbox.bg(&["adopt", "--leave-env", "--yes"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let green = fs::read(format!("/proc/{}/environ", site.answering_pid())).unwrap();
    let green = String::from_utf8_lossy(&green).into_owned();
    assert!(green.contains(&format!("DATABASE_URL={VALUE}\0")) && !green.contains("feature_x"));
}
