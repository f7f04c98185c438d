//! `bg deploy --from`: a folder or a tarball, without a git server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bluegreen::model::color::Color;
use toml::Table;

use super::scene::{manifest, released};
use crate::sandbox::afar::Afar;
use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{Sandbox, repo, set};

fn no_repository(config: &mut Table) {
    config.remove("source");
    set(config, "keep", "releases", 2);
}

/// The app in a folder of its own, without git.
pub fn folder(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.root().join("app");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(sandbox.repo())
        .arg(&folder)
        .status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(folder.join(".git")).unwrap();
    folder
}

fn greet(folder: &Path, from: &str, to: &str) {
    repo::replace(&folder.join("app.py"), from, to);
}

fn refs(sandbox: &Sandbox) -> Vec<String> {
    let refs = repo::git(
        &sandbox.app_root().join("repo.git"),
        &["for-each-ref", "--format=%(refname)", "refs/bg"],
    );
    refs.lines().map(str::to_owned).collect()
}

#[test]
fn a_folder_becomes_a_release_and_the_same_content_the_same_commit() {
    let sandbox = Sandbox::with(no_repository);
    sandbox.bg(&["setup"]).assert_code(0);
    let folder = folder(&sandbox);
    for junk in [
        ".venv/bin/python",
        "__pycache__/app.pyc",
        "web/node_modules/x.js",
        ".git/config",
    ] {
        fs::create_dir_all(folder.join(junk).parent().unwrap()).unwrap();
        fs::write(folder.join(junk), "junk").unwrap();
    }
    fs::write(folder.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();

    let nothing = sandbox.bg(&["deploy"]);
    nothing
        .assert_code(3)
        .assert_says("`source.git` is not set, so there is nothing to fetch");
    nothing.assert_says("hint: `bluegreen deploy --from PATH`");

    let from = ["deploy", "--from", folder.to_str().unwrap()];
    let plan = sandbox.bg(&[&from[..], &["--plan"]].concat());
    plan.assert_code(0);
    assert!(plan.stdout.contains("from app"), "{plan}");
    assert_eq!(sandbox.live_color(), None, "a plan changes nothing");
    let deploy = sandbox.bg(&from);
    deploy.assert_code(0).assert_says("\"from app\"");
    let first = manifest(&sandbox)["commit"].as_str().unwrap().to_owned();
    assert!(sandbox.live_release().ends_with(&first[..7]));
    for junk in [".venv", "__pycache__/app.pyc", "web", ".git"] {
        assert_eq!(released(&sandbox, junk), None, "{junk}");
    }
    let release = sandbox.app_root().join("slots/blue");
    assert_ne!(
        fs::metadata(release.join("run.sh")).unwrap().permissions().mode() & 0o100,
        0
    );
    assert!(!release.join(".venv").exists() && !release.join("web").exists());

    // Touched, and packed from another place: the same.
    let elsewhere = sandbox.root().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    let again = Command::new("touch").arg(elsewhere.join("app.py")).status();
    assert!(again.unwrap().success());
    let from = ["deploy", "--from", elsewhere.to_str().unwrap(), "-m", "Once more"];
    sandbox.bg(&from).assert_code(0).assert_says("\"Once more\"");
    assert_eq!(manifest(&sandbox)["commit"], first);
    assert_eq!(manifest(&sandbox)["subject"], "Once more");
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    greet(&elsewhere, "Good day", "Hello");
    sandbox.bg(&from).assert_code(0);
    let second = manifest(&sandbox)["commit"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    assert!(sandbox.get("/").body.contains("Hello"));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert!(sandbox.get("/").body.contains("Good day"));

    // What was brought earlier is there by its hash, until its releases are deleted.
    sandbox.bg(&["deploy", &second[..9]]).assert_code(0);
    assert_eq!(manifest(&sandbox)["commit"], second);
    assert_eq!(refs(&sandbox).len(), 2);
    for greeting in ["Good morning", "Good night", "Farewell"] {
        let now = fs::read_to_string(elsewhere.join("app.py")).unwrap();
        let word = ["Hello", "Good morning", "Good night"]
            .into_iter()
            .find(|word| now.contains(word));
        greet(&elsewhere, word.unwrap(), greeting);
        sandbox.bg(&from).assert_code(0);
    }
    let kept = refs(&sandbox);
    assert!(!kept.iter().any(|name| name.contains(&first)), "{kept:?}");
    let incoming = fs::read_dir(sandbox.app_root().join("state/uploads")).unwrap();
    assert_eq!(incoming.count(), 0, "what was taken is not kept twice");
}

#[test]
fn a_work_tree_is_taken_as_it_is_without_what_it_ignores() {
    let sandbox = Sandbox::with(no_repository);
    sandbox.bg(&["setup"]).assert_code(0);
    let tree = sandbox.repo();
    fs::write(tree.join(".gitignore"), "*.log\n/dist\n").unwrap();
    fs::write(tree.join("debug.log"), "noise").unwrap();
    fs::write(tree.join("not-committed.txt"), "here").unwrap();
    fs::write(tree.join(".env"), "A=b").unwrap();
    fs::remove_file(tree.join("static/shop.css")).unwrap();
    fs::write(tree.join("static/new.css"), "x").unwrap();
    let deploy = sandbox.bg(&["deploy", "--from", tree.to_str().unwrap()]);
    deploy
        .assert_code(0)
        .assert_says("`.env` is uploaded, and its name looks like a secret");
    assert_eq!(released(&sandbox, "not-committed.txt").as_deref(), Some("here"));
    assert_eq!(released(&sandbox, "debug.log"), None);
    assert_eq!(released(&sandbox, "static/shop.css"), None);
    // A folder that is ignored as a whole, as what was built, is taken as a whole.
    let built = tree.join("dist");
    fs::create_dir(&built).unwrap();
    for name in ["app.py", "requirements.txt"] {
        fs::copy(tree.join(name), built.join(name)).unwrap();
    }
    fs::write(built.join("build.log"), "kept").unwrap();
    fs::create_dir(built.join("static")).unwrap();
    fs::write(built.join("static/new.css"), "y").unwrap();
    sandbox
        .bg(&["deploy", "--from", built.to_str().unwrap()])
        .assert_code(0);
    assert_eq!(released(&sandbox, "build.log").as_deref(), Some("kept"));
}

#[test]
fn tarballs_of_all_kinds_are_the_folder_they_were_made_of() {
    let sandbox = Sandbox::with(no_repository);
    sandbox.bg(&["setup"]).assert_code(0);
    let folder = folder(&sandbox);
    fs::hard_link(folder.join("app.py"), folder.join("same.py")).unwrap();
    std::os::unix::fs::symlink("shop.css", folder.join("static/today.css")).unwrap();
    let plan = |path: &Path| {
        let outcome = sandbox.bg(&["deploy", "--plan", "--json", "--from", path.to_str().unwrap()]);
        outcome.assert_code(0);
        outcome.result()["answer"]["commit"].as_str().unwrap().to_owned()
    };
    let commit = plan(&folder);
    let has_zstd = Command::new("zstd").arg("--version").output().is_ok();
    if !has_zstd {
        eprintln!("not tried: there is no zstd here");
    }
    let kinds: [(&str, &[&str]); 4] = [
        ("inside.tar", &["-C", folder.to_str().unwrap(), "."]),
        ("around.tar", &["-C", sandbox.root().to_str().unwrap(), "app"]),
        (
            "around.tar.gz",
            &["--gzip", "-C", sandbox.root().to_str().unwrap(), "app"],
        ),
        (
            "around.tar.zst",
            &["--zstd", "-C", sandbox.root().to_str().unwrap(), "app"],
        ),
    ];
    let mut tried = 0;
    for (name, words) in kinds
        .iter()
        .filter(|(name, _)| has_zstd || !name.ends_with("zst"))
    {
        let tarball = sandbox.root().join(name);
        let made = Command::new("tar").arg("-cf").arg(&tarball).args(*words).status();
        assert!(made.unwrap().success());
        assert_eq!(plan(&tarball), commit, "{name}");
        tried += 1;
    }
    assert!(tried >= 3);
    // The folder of the app is looked for by its name, and is no wrapping then.
    sandbox.configure(|config| {
        set(config, "source", "folder", "app");
        config["nginx"]["static"][0]["folder"] = "app/static".into();
    });
    sandbox.bg(&["setup"]).assert_code(0);
    let tarball = sandbox.root().join("around.tar.gz");
    let deploy = sandbox.bg(&["deploy", "--from", tarball.to_str().unwrap()]);
    deploy.assert_code(0).assert_says("\"from around.tar.gz\"");
    assert!(released(&sandbox, "app/app.py").is_some());
}

#[test]
fn every_host_gets_the_same_release_over_ssh() {
    let afar = Afar::with(2, |_, config| no_repository(config));
    let client = afar.desk().join("app");
    let sandbox = &afar.servers[0].sandbox;
    fs::rename(folder(sandbox), &client).unwrap();
    // More than fits into one piece or one window.
    let noise: Vec<u8> = (0..5_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(client.join("noise.bin"), &noise).unwrap();
    for server in &afar.servers {
        server.sandbox.bg(&["setup"]).assert_code(0);
    }
    let one = afar.bg(&["deploy", "--from", "app", "--app", "shop", "--hosts", "web2"]);
    one.assert_code(0);
    let all = afar.everywhere(&["deploy", "--from", "app", "-m", "Everywhere"]);
    all.assert_code(0);
    let releases: Vec<String> = afar
        .servers
        .iter()
        .map(|server| server.sandbox.live_release())
        .collect();
    assert_eq!(releases[0], releases[1], "{all}");
    for server in &afar.servers {
        assert_eq!(manifest(&server.sandbox)["subject"], "Everywhere");
        let release = server.sandbox.app_root().join("releases").join(&releases[0]);
        assert!(fs::read(release.join("noise.bin")).unwrap() == noise);
    }
    assert_eq!(afar.servers[0].sandbox.live_color(), Some(Color::Blue));
    assert_eq!(afar.servers[1].sandbox.live_color(), Some(Color::Green));
    let broken = afar.everywhere(&["deploy", "--from", "nowhere"]);
    broken.assert_code(1).assert_says("`nowhere` cannot be deployed");
}

#[test]
fn root_may_bring_what_the_apps_owner_cannot_read() {
    let Some(shared) = Shared::with(no_repository) else {
        return;
    };
    let sandbox = &shared.sandbox;
    shared.bg_as("root", &["setup"]).assert_code(0);
    let folder = folder(sandbox);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    for path in crate::sandbox::shared::everything(&folder) {
        std::os::unix::fs::lchown(path, Some(0), Some(0)).unwrap();
    }
    let from = ["deploy", "--from", folder.to_str().unwrap()];
    let own = shared.bg_as(OWNER, &from);
    own.assert_code(1).assert_says("cannot be deployed");
    // Packed with root's rights, the rest is done with the owner's.
    let plan = shared.bg_as("root", &[&from[..], &["--plan", "--json"]].concat());
    plan.assert_code(0);
    let answer = plan.result()["answer"].take();
    let commit = answer["commit"].as_str().unwrap();
    shared.bg_as(OWNER, &["deploy", commit]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(manifest(sandbox)["commit"], commit);
    // A work tree of theirs may name programs, which are theirs and run as theirs.
    let (theirs, ran) = (sandbox.repo(), sandbox.root().join("home/ran-as"));
    let monitor = sandbox.root().join("home/monitor");
    fs::write(&monitor, format!("#!/bin/sh\nid -u >> '{}'\n", ran.display())).unwrap();
    fs::set_permissions(&monitor, fs::Permissions::from_mode(0o755)).unwrap();
    let at = theirs.to_str().unwrap();
    let named = [
        "git",
        "-C",
        at,
        "config",
        "core.fsmonitor",
        monitor.to_str().unwrap(),
    ];
    assert!(shared.command_as(OWNER, &named).status().unwrap().success());
    let theirs_by_root = ["deploy", "--plan", "--from", at];
    shared.bg_as("root", &theirs_by_root).assert_code(0);
    let ran = fs::read_to_string(ran).unwrap();
    let owner = shared.owner.uid.to_string();
    assert!(
        ran.lines().count() > 0 && ran.lines().all(|uid| uid == owner),
        "{ran}"
    );
    for place in ["repo.git", "releases", "state"] {
        assert_eq!(
            shared.not_the_owners(&sandbox.app_root().join(place)),
            Vec::<PathBuf>::new()
        );
    }
}
