//! What a later version has left, or nobody can read: refused by name, and left as it is.

use std::fs;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;

use crate::sandbox::Sandbox;

/// A file of the host with another text in it, until this is dropped.
struct Instead {
    path: PathBuf,
    before: Option<Vec<u8>>,
    now: Vec<u8>,
}

impl Instead {
    fn of(path: PathBuf, change: impl FnOnce(&str) -> String) -> Instead {
        let before = fs::read(&path).ok();
        let text = String::from_utf8(before.clone().unwrap_or_default()).unwrap();
        let now = change(&text).into_bytes();
        fs::write(&path, &now).unwrap();
        Instead { path, before, now }
    }

    fn stands(&self) -> bool {
        fs::read(&self.path).is_ok_and(|text| text == self.now)
    }
}

impl Drop for Instead {
    fn drop(&mut self) {
        match &self.before {
            Some(before) => fs::write(&self.path, before).unwrap(),
            None => drop(fs::remove_file(&self.path)),
        }
    }
}

fn with_format(text: &str, now: &str, later: &str) -> String {
    assert!(text.contains(now), "no {now} in {text}");
    text.replacen(now, later, 1)
}

#[test]
fn what_a_later_version_has_left_or_makes_no_sense_is_refused_and_left_alone() {
    let sandbox = Sandbox::deployed();
    of_a_later_version(&sandbox);
    links_to_nowhere(&sandbox);
}

fn of_a_later_version(sandbox: &Sandbox) {
    let root = sandbox.app_root();
    let live = sandbox.live_release();
    let commands: &[&[&str]] = &[&["deploy"], &["switch"], &["rollback"], &["maintenance", "on"]];

    let entry = sandbox.registry().join("shop.toml");
    let later = Instead::of(entry, |text| {
        with_format(text, "format = 2", "format = 3\nsharding = true")
    });
    for args in commands
        .iter()
        .chain([&["status"][..], &["setup"], &["remove", "--yes"]].iter())
    {
        let refused = sandbox.bg(args);
        sandbox.assert_five(&refused, 3, "was written by a newer bluegreen", Color::Blue);
        refused.assert_says("use the `bluegreen` that wrote it, or a later one");
    }
    assert!(later.stands());
    drop(later);

    let journal = root.join("state/journal.jsonl");
    for line in [
        r#"{"record":"promote","run":"x"}"#,
        r#"{"record":"begin","run":"20991123T181500000Z-7","at":"2099-11-23T18:15:00Z","verb":"promote"}"#,
        r#"{"record":"enter","run":"20991123T181500000Z-7","at":"2099-11-23T18:15:00Z","phase":"mirroring"}"#,
    ] {
        let later = Instead::of(journal.clone(), |text| format!("{text}{line}\n"));
        for args in commands {
            let refused = sandbox.bg(args);
            assert_ne!(refused.code, Some(0), "{refused}");
            sandbox.assert_five(
                &refused,
                refused.code.unwrap(),
                "was written by a newer bluegreen",
                Color::Blue,
            );
        }
        assert!(later.stands(), "{line}");
    }

    let applied = Instead::of(root.join("bg.toml"), |text| {
        format!("{text}\n[sharding]\nby = \"region\"\n")
    });
    let refused = sandbox.bg(&["--app", "shop", "deploy"]);
    sandbox.assert_five(&refused, 3, "unknown key `sharding`", Color::Blue);
    drop(applied);

    let manifest = root.join(format!("manifests/{live}.json"));
    let later = Instead::of(manifest, |text| {
        with_format(text, "\"format\": 1", "\"format\": 7")
    });
    let refused = sandbox.bg(&["rollback", "--to", &live]);
    assert!(refused.stderr.contains("has format 7"), "{refused}");
    assert!(later.stands());
    drop(later);

    let died = r#"{"record":"begin","run":"20991123T181500000Z-7","at":"2099-11-23T18:15:00Z","verb":"deploy","by":"x","from":{"color":"blue","maintenance":false},"was":null}"#;
    let half_done = Instead::of(journal, |text| format!("{text}{died}\n"));
    fs::write(root.join("state/migration.json"), "{\"stage\":\"expand\"}").unwrap();
    let repaired = sandbox.bg(&["repair"]);
    repaired.assert_code(0).assert_says("a migration was cut short");
    drop(half_done);
}

/// A link that names no release, and one that names no color.
fn links_to_nowhere(sandbox: &Sandbox) {
    let live = sandbox.link_folder().join("live");
    for target in ["canary", "../blue", "/etc", "maintenance-red"] {
        relink(target, &live);
        for args in [&["deploy"][..], &["rollback"], &["maintenance", "on"]] {
            let refused = sandbox.bg(args);
            refused.assert_code(7).assert_says("which is not a color");
            assert_eq!(fs::read_link(&live).unwrap(), Path::new(target), "{refused}");
        }
    }
    relink("blue", &live);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let slot = sandbox.app_root().join("slots/blue");
    let release = fs::read_link(&slot).unwrap();
    for target in ["../releases/v2", "../../../etc", "/"] {
        relink(target, &slot);
        let refused = sandbox.bg(&["rollback"]);
        assert_ne!(refused.code, Some(0), "{refused}");
        assert_eq!(fs::read_link(&slot).unwrap(), Path::new(target), "{refused}");
        assert_eq!(sandbox.live_color(), Some(Color::Blue), "{refused}");
        sandbox.bg(&["status"]).assert_code(0);
    }
    relink(release.to_str().unwrap(), &slot);
    sandbox.bg(&["deploy"]).assert_code(0);
}

fn relink(target: &str, link: &Path) {
    fs::remove_file(link).ok();
    std::os::unix::fs::symlink(target, link).unwrap();
}
