//! What lies in a repository besides ordinary files.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::check::{assert_found, bad_about};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, path_with_tools, repo, set};

#[test]
fn a_link_out_of_the_release_is_refused_and_one_inside_works() {
    let sandbox = Sandbox::deployed();
    let secret = sandbox.app_root().join("shared/app.env");
    let mut tried = 0;
    let mut refused = |name: &str, make: &dyn Fn(&Path)| {
        sandbox.commit(name, make);
        let outcome = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&outcome, 1, "the release was not made", Color::Blue);
        outcome.assert_says("the link `static/leak` in commit `");
        outcome.assert_says("points out of the release, to `");
        outcome.assert_says("traffic: unchanged, blue (");
        let kept = fs::read_dir(sandbox.app_root().join("releases")).unwrap().count();
        assert_eq!(kept, 1, "nothing is left of it: {outcome}");
        repo::git(&sandbox.repo(), &["reset", "--quiet", "--hard", "HEAD~1"]);
        tried += 1;
    };
    refused("an absolute link", &|repo| {
        symlink(&secret, repo.join("static/leak")).unwrap()
    });
    refused("a link upwards", &|repo| {
        symlink("../../../shared/app.env", repo.join("static/leak")).unwrap()
    });
    refused("a link to what is not there yet", &|repo| {
        symlink("../../not-yet", repo.join("static/leak")).unwrap();
    });
    // By its words it stays inside; `up` takes it to the top first.
    refused("a link over a link", &|repo| {
        fs::create_dir_all(repo.join("deep/er/and/deeper")).unwrap();
        symlink("../../../..", repo.join("deep/er/and/deeper/up")).unwrap();
        symlink(
            "../deep/er/and/deeper/up/../../shared/app.env",
            repo.join("static/leak"),
        )
        .unwrap();
    });
    assert_eq!(tried, 4);
    sandbox.commit("a link inside", |repo| {
        let statics = repo.join("static");
        fs::create_dir_all(statics.join("v2/deep")).unwrap();
        fs::write(statics.join("v2/deep/today.css"), "body { color: teal }\n").unwrap();
        symlink("../v2/deep/today.css", statics.join("v2/today.css")).unwrap();
        symlink("v2/today.css", statics.join("today.css")).unwrap();
        symlink("v2", statics.join("current")).unwrap();
        symlink(".", statics.join("v2/round")).unwrap();
        // Inside of the release, and not of what is served of it.
        symlink("../app.py", statics.join("source.txt")).unwrap();
        symlink("..", statics.join("v2/up")).unwrap();
    });
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("`static/source.txt`");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    for path in [
        "today.css",
        "v2/today.css",
        "current/today.css",
        "current/deep/today.css",
    ] {
        let answer = sandbox.get(&format!("/static/{path}"));
        assert!(answer.body.contains("teal"), "{path}: {}", answer.body);
    }
    let source = sandbox.get("/static/source.txt");
    assert_eq!(source.status, 403, "{}", source.body);
}

#[test]
fn names_with_spaces_newlines_and_quotes_are_files_like_others_and_submodules_are_spoken_of() {
    let sandbox = Sandbox::new();
    let names = [
        "a b.css",
        "a\nb.css",
        "it's \"quoted\".css",
        "-rf",
        "größe.css",
        "$(touch x).css",
    ];
    sandbox.commit("odd names", |repo| {
        for name in names {
            fs::write(repo.join("static").join(name), format!("/* {name} */")).unwrap();
        }
    });
    sandbox.bg(&["setup"]).assert_code(0);
    let outcome = sandbox.bg(&["deploy"]);
    outcome.assert_code(0);
    assert!(!outcome.stderr.contains("submodule"), "{outcome}");
    let served = sandbox.app_root().join("slots/blue/static");
    for name in names {
        assert_eq!(
            fs::read_to_string(served.join(name)).unwrap(),
            format!("/* {name} */")
        );
    }
    assert!(sandbox.get("/static/a%20b.css").body.contains("a b.css"));
    assert!(sandbox.get("/static/a%0Ab.css").body.contains("/* a\nb.css */"));

    let other = sandbox.root().join("other");
    repo::create(&other);
    let other = other.to_str().unwrap();
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        other,
        "vendored",
    ];
    repo::git(&sandbox.repo(), &add);
    sandbox.commit("a submodule", |_| {});
    let outcome = sandbox.bg(&["deploy"]);
    outcome.assert_code(0);
    outcome.assert_says("the submodule `vendored` is not fetched: its folder is empty");
    outcome.assert_says("`source.submodules = true` in bg.toml fetches it");
    let vendored = sandbox.app_root().join("slots/green/vendored");
    assert_eq!(fs::read_dir(vendored).unwrap().count(), 0);

    sandbox.configure(|config| set(config, "source", "submodules", true));
    let plan = sandbox.bg(&["deploy", "--plan"]);
    assert!(
        plan.stdout.contains(" and its submodules into a new release"),
        "{plan}"
    );
    let outcome = sandbox.bg(&["deploy"]);
    outcome.assert_code(0);
    assert!(!outcome.stderr.contains("is not fetched"), "{outcome}");
    assert!(sandbox.app_root().join("slots/blue/vendored/app.py").is_file());
}

#[test]
fn a_file_of_git_lfs_is_served_or_its_release_refused_by_its_name() {
    let sandbox = Sandbox::deployed();
    for words in [&["install", "--local"][..], &["track", "*.bin"]] {
        let words = [&["lfs"][..], words].concat();
        repo::git(&sandbox.repo(), &words);
    }
    sandbox.commit("a logo", |repo| {
        fs::write(repo.join("static/logo.bin"), "the logo itself").unwrap();
        fs::write(repo.join("model.bin"), "a model").unwrap();
    });
    let path = path_without(&sandbox, "git-lfs");
    let without = |words: &[&str]| {
        let output = sandbox.bg_command(words).env("PATH", &path).output().unwrap();
        Outcome::new(words, &output, Duration::ZERO)
    };
    for words in [&["deploy"][..], &["deploy", "--plan"]] {
        let outcome = without(words);
        sandbox.assert_five(&outcome, 1, "the release was not made", Color::Blue);
        outcome.assert_says("`model.bin`, `static/logo.bin` in commit `");
        outcome.assert_says("git-lfs is not installed on this host");
        outcome.assert_says("hint: `apt install git-lfs`");
    }
    let found = bad_about(&without(&["check", "--json"]), "release");
    assert_found(&found, "error", "`model.bin`", "`apt install git-lfs`");

    // A filter that does nothing.
    let settings = sandbox.root().join("home/.gitconfig");
    fs::write(&settings, "[filter \"lfs\"]\n\tsmudge = cat\n\tclean = cat\n").unwrap();
    let left = without(&["deploy"]);
    sandbox.assert_five(&left, 1, "the release was not made", Color::Blue);
    left.assert_says("`model.bin`, `static/logo.bin` in commit `");
    left.assert_says("this host's filter for them left them as they are");
    fs::remove_file(settings).unwrap();

    sandbox.bg(&["deploy", "--plan"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert_eq!(sandbox.get("/static/logo.bin").body, "the logo itself");
    let found = bad_about(&sandbox.bg(&["check", "--json"]), "release");
    assert!(found.is_empty(), "{found:?}");
}

/// The programs of this machine but for one.
fn path_without(sandbox: &Sandbox, program: &str) -> OsString {
    let links = sandbox.root().join("programs");
    fs::create_dir(&links).unwrap();
    let path = path_with_tools();
    for folder in std::env::split_paths(&path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() != program {
                // What comes first on the PATH is there already.
                symlink(entry.path(), links.join(entry.file_name())).ok();
            }
        }
    }
    links.into_os_string()
}
