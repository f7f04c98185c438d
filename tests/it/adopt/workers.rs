//! A worker that PM2 kept before gives way to a release's, and comes back with the adopted
//! process.

use std::fs;

use toml::{Table, Value};

use super::scene::{Site, by_hand};

const OLD: &str = "podfactory-sync";

/// What PM2 says of its entries: name and state.
fn states(site: &Site) -> Vec<(String, String)> {
    let list = site.sandbox.pm2(&["jlist"]);
    let json = &list.stdout[list.stdout.find('[').unwrap()..];
    let list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    list.iter()
        .map(|one| (word(&one["name"]), word(&one["pm2_env"]["status"])))
        .collect()
}

fn state(site: &Site, name: &str) -> Option<String> {
    let found = states(site).into_iter().find(|(found, _)| found == name);
    found.map(|(_, state)| state)
}

#[test]
fn the_old_worker_gives_way_and_comes_back_on_a_rollback() {
    let mut site = Site::without_process(by_hand, |config| {
        let mut worker = Table::new();
        for (key, value) in [
            ("name", "sync"),
            ("run", "{{ venv }}/bin/python sync.py"),
            ("handover", "singleton"),
            ("replaces", OLD),
        ] {
            worker.insert(key.into(), value.into());
        }
        worker.insert("ready".into(), "200ms".into());
        config.insert("worker".into(), Value::Array(vec![Value::Table(worker)]));
    });
    site.sandbox.commit("a worker", |repo| {
        fs::write(
            repo.join("sync.py"),
            "import time\nwhile True:\n    time.sleep(0.1)\n",
        )
        .unwrap();
    });
    fs::copy(
        site.sandbox.repo().join("sync.py"),
        site.checkout().join("sync.py"),
    )
    .unwrap();
    site.start(&site.gunicorn());
    let started = site
        .pm2()
        .args(["start", "sync.py", "--name", OLD, "--interpreter", "python3"])
        .output();
    assert!(started.unwrap().status.success());

    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_eq!(state(&site, OLD).as_deref(), Some("online"));
    let status = site.sandbox.status();
    assert_eq!(status["workers"].as_array().map_or(0, Vec::len), 0, "{status}");

    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(state(&site, OLD).as_deref(), Some("stopped"));
    assert_eq!(site.sandbox.status()["workers"][0]["name"], "sync");

    site.sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(
        state(&site, OLD).as_deref(),
        Some("online"),
        "{:?}",
        states(&site)
    );
    let others: Vec<_> = states(&site)
        .into_iter()
        .filter(|(name, state)| name.contains("sync") && name != OLD && state == "online")
        .collect();
    assert!(others.is_empty(), "{others:?}");
}
