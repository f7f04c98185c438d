//! Data in the work tree: listed, moved only on a yes, and never left behind unnoticed.

use std::fs;
use std::path::Path;

use super::scene::{Site, by_hand};

fn site() -> Site {
    let site = Site::with(by_hand, |config| {
        let shared = ["instance", ".env", "uploads"].map(|name| toml::Value::String(name.to_owned()));
        config.insert("shared".into(), toml::Value::Array(shared.to_vec()));
    });
    let tree = site.checkout();
    for folder in ["instance", "uploads/2026", "__pycache__", "node_modules/x"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::write(tree.join("instance/app.db"), b"SQLite format 3\0rows").unwrap();
    fs::write(tree.join("uploads/2026/a.png"), "png").unwrap();
    fs::write(tree.join("node_modules/x/y.js"), "js").unwrap();
    fs::write(tree.join(".env"), "A=1\n").unwrap();
    site
}

fn is_moved(site: &Site, name: &str) -> bool {
    let link = site.checkout().join(name);
    fs::read_link(link).is_ok_and(|target| target == site.sandbox.app_root().join("shared").join(name))
}

#[test]
fn no_release_starts_without_the_data_and_moving_it_is_asked_for() {
    let site = site();
    let before = site.vhost_text();
    let plan = site.sandbox.bg(&["adopt"]);
    for said in [
        "data in the work tree: instance (folder with 1 file, a SQLite database among them)",
        "data in the work tree: .env (environment file)",
        "data in the work tree: uploads (folder with 1 file)",
    ] {
        assert!(plan.stdout.contains(said), "no {said:?} in {plan}");
    }
    assert!(
        !plan.stdout.contains("node_modules") && !plan.stdout.contains("__pycache__"),
        "{plan}"
    );

    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert!(!is_moved(&site, "instance"));
    let refused = site.sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    refused.assert_says("a new release would start without it: .env, instance, uploads");
    assert!(
        site.sandbox
            .bg(&["adopt", "--move-data"])
            .stdout
            .contains("would move instance")
    );
    assert!(!is_moved(&site, "instance"));
    site.sandbox.bg(&["adopt", "--move-data", "--yes"]).assert_code(0);
    for name in ["instance", ".env", "uploads"] {
        assert!(is_moved(&site, name), "{name}");
    }
    assert_eq!(fs::read_to_string(site.checkout().join(".env")).unwrap(), "A=1\n");
    assert!(!site.sandbox.status()["notes"].to_string().contains("still lies"));

    // Undone it lies where it lay.
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    site.assert_untouched(&before);
    assert!(!site.checkout().join("instance").is_symlink());
    assert!(site.checkout().join("instance/app.db").exists());

    // In one go; and the release finds it.
    site.sandbox.bg(&["adopt", "--yes", "--move-data"]).assert_code(0);
    site.sandbox.bg(&["deploy"]).assert_code(0);
    let release = site.sandbox.app_root().join("slots/green");
    assert!(Path::new(&release).join("instance/app.db").exists());
}

#[test]
fn what_nobody_needs_can_be_left() {
    let site = site();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    site.sandbox
        .bg(&["adopt", "--leave-data", "--yes"])
        .assert_code(0);
    assert!(!is_moved(&site, "instance"));
    site.sandbox.configure(|config| {
        config.remove("shared");
    });
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert!(site.checkout().join("instance/app.db").exists());
}
