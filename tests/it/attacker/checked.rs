//! `bg check` sees who owns what.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use super::reloading::released_twice;
use super::sudo;
use crate::sandbox::shared::Shared;

/// What is made bad, how, and what the finding must name.
enum Bad {
    Open(PathBuf),
    Foreign(PathBuf, u32),
    Gone(PathBuf),
    Other(PathBuf),
}

fn findings(shared: &Shared) -> Vec<String> {
    let outcome = shared.bg_as("root", &["check", "--json"]);
    let report = outcome.result()["answer"]["report"].take();
    let all = report["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("{outcome}"))
        .clone();
    all.iter()
        .filter(|finding| finding["level"] != "fine")
        .map(|finding| {
            assert!(finding["fix"].is_string(), "{finding}");
            finding.to_string()
        })
        .collect()
}

/// Bad in exactly this way, found, and good again.
fn found(shared: &Shared, usual: &[String], bad: &Bad) {
    let (Bad::Open(path) | Bad::Foreign(path, _) | Bad::Gone(path) | Bad::Other(path)) = bad;
    let about = fs::symlink_metadata(path).unwrap();
    let (uid, mode) = (std::os::unix::fs::MetadataExt::uid(&about), about.permissions());
    let aside = shared.sandbox.root().join("aside");
    match bad {
        Bad::Open(_) => fs::set_permissions(path, fs::Permissions::from_mode(mode.mode() | 0o022)).unwrap(),
        Bad::Foreign(_, other) => chown(path, Some(*other), None).unwrap(),
        Bad::Gone(_) => fs::rename(path, &aside).unwrap(),
        Bad::Other(_) => {
            fs::copy(path, &aside).unwrap();
            let mut text = fs::read(path).unwrap();
            text.extend(b"# more\n");
            fs::write(path, text).unwrap();
        }
    }
    let now = findings(shared);
    let named = path.display().to_string();
    let new = now
        .iter()
        .any(|line| !usual.contains(line) && line.contains(&named));
    assert!(new, "{named} is not named: {now:?}");
    match bad {
        Bad::Open(_) => fs::set_permissions(path, mode).unwrap(),
        Bad::Foreign(..) => chown(path, Some(uid), None).unwrap(),
        Bad::Gone(_) => fs::rename(&aside, path).unwrap(),
        Bad::Other(_) => {
            fs::write(path, fs::read(&aside).unwrap()).unwrap();
        }
    }
}

fn tried(shared: &Shared, all: &[Bad]) -> usize {
    let usual = findings(shared);
    let wrong: Vec<_> = usual.iter().filter(|line| line.contains("\"error\"")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    all.iter().for_each(|bad| found(shared, &usual, bad));
    assert_eq!(findings(shared), usual);
    all.len()
}

#[test]
fn in_the_live_way() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let bg = sandbox.front.conf().with_file_name("bg/shop");
    let (root, link, owner) = (
        sandbox.app_root(),
        sandbox.link_folder(),
        shared.owner.uid.as_raw(),
    );
    let all = [
        Bad::Open(bg.join("route.conf")),
        Bad::Open(bg.join("upstreams.conf")),
        Bad::Foreign(bg.join("proxy.conf"), owner),
        Bad::Foreign(bg.clone(), owner),
        Bad::Open(sandbox.front.sites().join("bg-shop.conf")),
        Bad::Foreign(sandbox.front.sites().join("shop.conf"), owner),
        Bad::Open(sandbox.registry().join("shop.toml")),
        Bad::Open(root.clone()),
        Bad::Foreign(root.clone(), 0),
        Bad::Open(root.join("state")),
        Bad::Foreign(root.join("shared/app.env"), 0),
        Bad::Foreign(link.clone(), 0),
        Bad::Foreign(link.join("maintenance-blue"), 0),
        Bad::Gone(link.join("answers")),
        Bad::Open(root.join("state/proof-secret")),
        Bad::Gone(root.join("state/proof-secret")),
        Bad::Open(root.join("bg.toml")),
        Bad::Open(root.join("state/lock")),
        Bad::Open(root.join("repo.git")),
        Bad::Open(root.join("envs")),
        Bad::Open(root.join("releases")),
    ];
    assert_eq!(tried(&shared, &all), 21);
}

#[test]
fn in_the_reload_way() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    let (link, owner) = (sandbox.link_folder(), shared.owner.uid.as_raw());
    let all = [
        Bad::Foreign(link.clone(), owner),
        Bad::Open(link.join("blue")),
        Bad::Open(link.join("blue/color.conf")),
        Bad::Foreign(link.join("maintenance-green/color.conf"), owner),
        Bad::Foreign(link.join("answers"), 0),
        Bad::Foreign(sudo::program(&shared), owner),
        Bad::Open(sudo::program(&shared)),
        Bad::Gone(sudo::program(&shared)),
        Bad::Other(sudo::permit(&shared)),
        Bad::Gone(sudo::permit(&shared)),
    ];
    assert_eq!(tried(&shared, &all), 10);
}

/// Folders that an earlier version made under a loose umask: `check` names each, and setup,
/// which made them, closes them.
#[test]
fn what_was_left_open_is_told_and_setup_closes_its_own() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let bg = sandbox.front.conf().with_file_name("bg");
    let registry = sandbox.registry();
    let own = [
        bg.clone(),
        bg.join("shop"),
        registry.clone(),
        registry.with_file_name(""),
    ];
    let open = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for folder in &own {
        open(folder, 0o777);
        let told = findings(&shared);
        let named = folder.display().to_string();
        let named = named.trim_end_matches('/');
        assert!(
            told.iter()
                .any(|line| line.contains(named) && line.contains("chmod go-w")),
            "{named}: {told:?}"
        );
        // Nobody's deploy goes by what anybody could have written; setup is asked for.
        shared.bg_as("root", &["setup"]).assert_code(0);
        assert_eq!(
            fs::metadata(folder).unwrap().permissions().mode() & 0o7777,
            0o755,
            "{named}"
        );
    }
    open(&registry, 0o777);
    shared
        .bg_as("root", &["status"])
        .assert_code(3)
        .assert_says("chmod go-w");
    open(&registry, 0o755);
    assert_eq!(own.len(), 4);
}
