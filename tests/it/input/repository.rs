//! What lies in a repository besides ordinary files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bluegreen::model::color::Color;

use crate::sandbox::{Sandbox, repo};

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
    let vendored = sandbox.app_root().join("slots/green/vendored");
    assert_eq!(fs::read_dir(vendored).unwrap().count(), 0);
}
