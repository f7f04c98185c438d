//! Python environments: shared while the requirements are the same, made anew beside the
//! live color's when they change, never changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::Signal;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, python, repo, set};

#[test]
fn an_environment_is_built_for_new_requirements_only_and_never_touched_again() {
    let sandbox = Sandbox::deployed();
    let first = only(&venvs(&sandbox));
    let before = prints(&first);
    assert!(
        before.len() > 100,
        "an environment has many files: {}",
        before.len()
    );
    sandbox.commit("another page", |repo| {
        fs::write(repo.join("page.txt"), "x").unwrap()
    });
    let outcome = sandbox.bg(&["deploy", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(true));
    assert_eq!(venvs(&sandbox), vec![first.clone()]);
    assert_eq!(
        prints(&first),
        before,
        "nothing of a shared environment is written"
    );

    sandbox.commit("another package", |repo| {
        append(&repo.join("requirements.txt"), "itsdangerous\n")
    });
    let outcome = sandbox.bg(&["deploy", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(false));
    let both = venvs(&sandbox);
    assert_eq!(both.len(), 2, "one beside the other");
    assert_eq!(
        prints(&first),
        before,
        "the live color's environment stays as it is"
    );
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    // Back to the old one, and the requirements of the first commit need no build either.
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let outcome = sandbox.bg(&["deploy", "main~1", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(true));
    assert_eq!(prints(&first), before);
}

#[test]
fn what_a_killed_build_left_is_never_used() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "python", "installer", "pip"));
    let first = only(&venvs(&sandbox));
    let before = prints(&first);
    sandbox.commit("another package", |repo| {
        append(&repo.join("requirements.txt"), "itsdangerous\n")
    });
    let running = sandbox.bg_start(&["deploy"]);
    let mut half = PathBuf::new();
    wait_until(
        Duration::from_secs(60),
        "pip is at work in a second environment",
        || {
            let found = venvs(&sandbox).into_iter().find(|folder| *folder != first);
            half = found.unwrap_or_default();
            half.join("bin/python").exists() && half.join("pyvenv.cfg").exists()
        },
    );
    running.signal(Signal::SIGKILL);
    drop(running);
    assert!(!half.join(".complete").exists(), "it was killed too late");
    let stray = half.join("stray-of-a-killed-build");
    fs::write(&stray, "").unwrap();
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert!(sandbox.lock_is_free());

    let outcome = sandbox.bg(&["deploy", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(false), "{outcome}");
    assert!(!stray.exists(), "it was built from nothing");
    assert!(half.join(".complete").is_file());
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert_eq!(prints(&first), before);
}

#[test]
fn a_project_is_deployed_by_its_lock_and_one_that_nothing_here_reads_is_refused_first() {
    let sandbox = Sandbox::deployed();
    let wheels = python::wheels().display();
    let wanted = fs::read_to_string(repo::sample_app().join("requirements.txt")).unwrap();
    let wanted: Vec<&str> = wanted.lines().collect();
    let asked = Command::new(python::interpreter())
        .args(["-c", "import sys; print('==%d.%d.*' % sys.version_info[:2])"])
        .output()
        .unwrap();
    // No other Python's wheels are here to be locked.
    let version = String::from_utf8(asked.stdout).unwrap();
    let version = version.trim();
    let project = format!(
        "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \"{version}\"\ndependencies = {wanted:?}\n\
         [tool.uv]\nno-index = true\nfind-links = [\"{wheels}\"]\n"
    );
    sandbox.commit("a project", |repo| {
        fs::remove_file(repo.join("requirements.txt")).unwrap();
        fs::write(repo.join("pyproject.toml"), project).unwrap();
        fs::write(repo.join("poetry.lock"), "# @generated\n").unwrap();
    });
    let before = venvs(&sandbox);
    let way_on =
        "hint: `poetry self add poetry-plugin-export && poetry export -o requirements.txt` in the checkout";
    let alone = "`poetry.lock` is read by Poetry alone";
    for command in [&["deploy", "--plan"][..], &["deploy"]] {
        let outcome = sandbox.bg(command);
        sandbox.assert_five(
            &outcome,
            1,
            "error: the python environment was not built",
            Color::Blue,
        );
        outcome.assert_says(alone).assert_says(way_on);
    }
    assert_eq!(venvs(&sandbox), before);
    let releases = fs::read_dir(sandbox.app_root().join("releases")).unwrap().count();
    assert_eq!(releases, 1, "nothing was made of it");
    let outcome = sandbox.bg(&["check"]);
    outcome.assert_code(1);
    assert!(outcome.stdout.contains(alone), "{outcome}");

    let has_uv = sandbox.command("uv").arg("--version").output().is_ok();
    sandbox.commit("locked", |repo| {
        fs::remove_file(repo.join("poetry.lock")).unwrap();
        if has_uv {
            let mut lock = sandbox.command("uv");
            let locked = lock
                .args(["lock", "--quiet", "--offline", "--python"])
                .arg(python::interpreter());
            assert!(locked.current_dir(repo).status().unwrap().success());
        }
    });
    if !has_uv {
        eprintln!("a lock was not tried: there is no uv here");
        return;
    }
    sandbox.configure(|config| set(config, "python", "installer", "pip"));
    let outcome = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &outcome,
        1,
        "error: the python environment was not built",
        Color::Blue,
    );
    outcome.assert_says("`uv.lock` is read by uv, and `python.installer` is \"pip\" here");
    sandbox.configure(|config| set(config, "python", "installer", "auto"));
    let outcome = sandbox.bg(&["check"]);
    let said = "installed as pyproject.toml, uv.lock says";
    assert!(outcome.stdout.contains(said), "{outcome}");
    let outcome = sandbox.bg(&["deploy", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(false), "{outcome}");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert!(sandbox.get("/").body.contains("Good day"));
    sandbox.commit("another page", |repo| {
        fs::write(repo.join("page.txt"), "x").unwrap()
    });
    let outcome = sandbox.bg(&["deploy", "--json"]);
    outcome.assert_code(0);
    assert_eq!(reused(&outcome), Some(true), "{outcome}");
}

/// Whether the environment was there already, as the events say.
fn reused(outcome: &Outcome) -> Option<bool> {
    let events = outcome.json();
    let ready = events.iter().find(|event| event["event"] == "environment_ready");
    ready.and_then(|event| event["reused"].as_bool())
}

fn venvs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(sandbox.app_root().join("venvs"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders
}

fn only(folders: &[PathBuf]) -> PathBuf {
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

/// Inode and time of change of everything in a folder.
fn prints(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let about = fs::symlink_metadata(entry.path()).unwrap();
            if about.is_dir() {
                folders.push(entry.path());
            }
            all.insert(entry.path(), (about.ino(), about.mtime(), about.mtime_nsec()));
        }
    }
    all
}

fn append(file: &Path, line: &str) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text + line).unwrap();
}
