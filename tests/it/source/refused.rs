//! Work trees that are not committed and pushed; nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bluegreen::model::color::Color;

use super::scene::{Desk, manifest};
use crate::sandbox::repo;

#[test]
fn each_work_tree_that_cannot_be_sent_is_told_why() {
    let desk = Desk::deployed();
    let there = desk.pushed();
    let mut tried = 0;
    let mut refused = |why: &str, hint: &str| {
        let (head, status) = (desk.head(), desk.git(&["status", "--short"]));
        let deploy = desk.bg(&["deploy", "-m", "Try", "--yes"]);
        desk.sandbox.assert_five(
            &deploy,
            1,
            "this work tree cannot be committed and pushed",
            Color::Blue,
        );
        deploy.assert_says(why);
        deploy.assert_says(hint);
        assert_eq!(desk.head(), head, "{deploy}");
        assert_eq!(desk.git(&["status", "--short"]), status, "{deploy}");
        assert_eq!(desk.pushed(), there, "{deploy}");
        tried += 1;
    };

    desk.git(&["checkout", "--quiet", "--detach"]);
    refused(
        "this work tree is on no branch, only on a commit",
        "`git switch main`",
    );
    desk.git(&["checkout", "--quiet", "-b", "feature"]);
    refused(
        "this work tree is on `feature`, but `source.branch` is `main`",
        "`git switch main`",
    );

    repo::commit(&desk.tree(), "Theirs", |tree| {
        fs::write(tree.join("note"), "theirs").unwrap()
    });
    desk.git(&["checkout", "--quiet", "main"]);
    repo::commit(&desk.tree(), "Ours", |tree| {
        fs::write(tree.join("note"), "ours").unwrap()
    });
    let merge = |args: &[&str]| {
        let mut git = desk.sandbox.command("git");
        git.args(args).current_dir(desk.tree());
        assert!(!git.output().unwrap().status.success(), "a conflict was wanted");
    };
    merge(&["merge", "feature"]);
    refused("not merged yet: `note`", "`git add` them");
    desk.git(&["add", "note"]);
    refused(
        "a merge is unfinished in this work tree",
        "`git merge --continue`",
    );
    desk.git(&["merge", "--abort"]);
    merge(&["rebase", "feature"]);
    desk.git(&["add", "note"]);
    refused(
        "a rebase is unfinished in this work tree",
        "`git rebase --continue`",
    );
    desk.git(&["rebase", "--abort"]);
    desk.git(&["reset", "--quiet", "--hard", "origin/main"]);

    desk.write("deep/.env", "PASSWORD=x");
    desk.write("tls/shop.key", "key");
    refused(
        "the name looks like a secret: `deep/.env`, `tls/shop.key`",
        "add it to .gitignore",
    );
    desk.write(".gitignore", "/tls\n");
    refused(
        "the name looks like a secret: `deep/.env`",
        "add it to .gitignore",
    );
    desk.git(&["branch", "--unset-upstream"]);
    desk.git(&["remote", "rename", "origin", "upstream"]);
    desk.git(&["remote", "set-url", "upstream", "https://example.com/a.git"]);
    desk.git(&["remote", "add", "fork", "https://example.com/b.git"]);
    desk.git(&["add", "deep/.env"]);
    refused(
        "this work tree has no remote to push to",
        "`git remote add origin URL`",
    );
    desk.git(&["remote", "remove", "fork"]);
    desk.git(&["remote", "rename", "upstream", "origin"]);
    let origin = desk.origin();
    desk.git(&["remote", "set-url", "origin", origin.to_str().unwrap()]);
    assert_eq!(tried, 8);

    // What was added by hand is meant.
    desk.bg(&["deploy", "-m", "Meant", "--yes"]).assert_code(0);
    assert_eq!(desk.git(&["ls-files", "deep", "tls"]), "deep/.env");
}

#[test]
fn without_a_work_tree_or_a_message_nothing_begins() {
    let sandbox = crate::sandbox::Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let none = sandbox.bg(&["deploy", "-m", "Try", "--yes"]);
    none.assert_code(1).assert_says("is in no git work tree");
    none.assert_says("`--from PATH` needs no git");
    sandbox.bg(&["deploy", "-m", " ", "--yes"]).assert_code(2);
    sandbox
        .bg(&["deploy", "-m", "Try", "--plan"])
        .assert_code(2)
        .assert_says("`--plan` changes nothing");
    sandbox.bg(&["deploy", "main", "-m", "Try"]).assert_code(2);
}

#[test]
fn a_remote_that_others_pushed_to_is_pulled_first_and_the_commit_stays() {
    let desk = Desk::deployed();
    let theirs = desk.colleague_pushes("theirs.txt");
    desk.greet("Good day", "Hello");
    let deploy = desk.bg(&["deploy", "-m", "Greet", "--yes"]);
    desk.sandbox.assert_five(
        &deploy,
        1,
        "was committed but not pushed; nothing was deployed",
        Color::Blue,
    );
    deploy.assert_says("`origin` has commits on `main` that this work tree lacks");
    deploy.assert_says("hint: `git pull --rebase`");
    assert_eq!(desk.pushed(), theirs);
    assert_eq!(desk.git(&["log", "-1", "--format=%s"]), "Greet");
    // As the hint says.
    desk.git(&["pull", "--quiet", "--rebase", "origin", "main"]);
    desk.bg(&["deploy", "-m", "Greet", "--yes"]).assert_code(0);
    assert_eq!(desk.pushed(), desk.head());
    assert_eq!(manifest(&desk.sandbox)["commit"], desk.head());
    assert_eq!(
        super::scene::released(&desk.sandbox, "theirs.txt").as_deref(),
        Some("theirs.txt")
    );
}

#[test]
fn a_hook_of_ones_own_has_the_last_word() {
    let desk = Desk::deployed();
    let before = desk.head();
    let hook = |place: std::path::PathBuf, text: &str| {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        place
    };
    let lint = hook(
        desk.tree().join(".git/hooks/pre-commit"),
        "echo line too long >&2; exit 1",
    );
    desk.greet("Good day", "Hello");
    let deploy = desk.bg(&["deploy", "-m", "Greet", "--yes"]);
    deploy
        .assert_code(1)
        .assert_says("it was not committed, and nothing was pushed or deployed");
    deploy.assert_says("line too long");
    assert_eq!((desk.head(), desk.pushed()), (before.clone(), before.clone()));
    fs::remove_file(lint).unwrap();
    let guard = hook(
        desk.origin().join("hooks/pre-receive"),
        "echo frozen until Monday; exit 1",
    );
    let deploy = desk.bg(&["deploy", "-m", "Greet", "--yes"]);
    deploy.assert_code(1).assert_says("frozen until Monday");
    deploy.assert_says("hint: `git push` shows more");
    assert_eq!(desk.pushed(), before);
    fs::remove_file(guard).unwrap();
    desk.bg(&["deploy", "-m", "Greet", "--yes"]).assert_code(0);
    assert!(desk.sandbox.get("/").body.contains("Hello"));
}
