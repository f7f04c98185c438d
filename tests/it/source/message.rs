//! `bg deploy -m`: commit all, push, deploy exactly that; and what is pointed out without it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use bluegreen::model::color::Color;

use super::scene::{Desk, clone_into, manifest, released};
use crate::sandbox::afar::Afar;
use crate::sandbox::repo;

#[test]
fn all_is_committed_pushed_and_deployed_in_one_command() {
    let desk = Desk::deployed();
    let before = desk.head();
    desk.write(".gitignore", "*.log\n");
    desk.write("debug.log", "noise");
    desk.write("new.txt", "new");
    desk.greet("Good day", "Hello");

    // Nobody is asked where nobody sits, and nothing is done without a yes.
    let asked = desk.bg(&["deploy", "-m", "Greet people"]);
    asked.assert_code(2);
    asked.assert_says("commit \"Greet people\" to `main`, push `main` to `origin` (file://");
    asked.assert_says("       M app.py\n");
    asked.assert_says("      ?? new.txt\n");
    asked.assert_says("hint: `--yes` answers");
    assert!(!asked.stderr.contains("debug.log"), "{asked}");
    assert_eq!((desk.head(), desk.pushed()), (before.clone(), before.clone()));

    let deploy = desk.bg(&["deploy", "-m", "Greet people", "--yes"]);
    deploy.assert_code(0).assert_says("\"Greet people\"");
    let sha = desk.head();
    assert_ne!(sha, before);
    assert_eq!(desk.pushed(), sha);
    assert_eq!(desk.git(&["log", "-1", "--format=%an: %s"]), "Ada: Greet people");
    assert_eq!(manifest(&desk.sandbox)["commit"], sha);
    assert!(desk.sandbox.get("/").body.contains("Hello"));
    assert_eq!(released(&desk.sandbox, "new.txt").as_deref(), Some("new"));
    assert_eq!(released(&desk.sandbox, "debug.log"), None);

    // With nothing left to do here there is nothing to ask.
    let again = desk.bg(&["deploy", "-m", "Once more"]);
    again
        .assert_code(0)
        .assert_says("nothing to commit and nothing to push");
    assert_eq!((desk.head(), desk.pushed()), (sha.clone(), sha.clone()));
    assert_eq!(manifest(&desk.sandbox)["commit"], sha);

    // What was committed by hand and not pushed goes along, and is asked about.
    let by_hand = repo::commit(&desk.tree(), "By hand", |_| {});
    desk.bg(&["deploy", "-m", "Push"])
        .assert_code(2)
        .assert_says("push `main` to `origin`");
    let pushed = desk.bg(&["deploy", "-m", "Push", "--yes"]);
    pushed.assert_code(0).assert_says("with 1 earlier commit");
    assert_eq!(desk.pushed(), by_hand);
    assert_eq!(manifest(&desk.sandbox)["subject"], "By hand");
}

#[test]
fn what_others_push_in_the_meantime_is_not_deployed() {
    let desk = Desk::deployed();
    // The remote has a later commit by the time the host fetches.
    let hook = desk.origin().join("hooks/post-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\nsha=$(git -c user.name=B -c user.email=b@shop.test commit-tree -p main -m later 'main^{tree}')\n\
                  git update-ref refs/heads/main $sha\n";
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    desk.greet("Good day", "Hello");
    desk.bg(&["deploy", "-m", "Mine", "--yes"]).assert_code(0);
    assert_ne!(desk.pushed(), desk.head());
    assert_eq!(manifest(&desk.sandbox)["commit"], desk.head());
    assert_eq!(manifest(&desk.sandbox)["subject"], "Mine");
}

#[test]
fn a_terminal_is_asked_and_a_no_leaves_everything_as_it_was() {
    let desk = Desk::deployed();
    let before = desk.head();
    desk.greet("Good day", "Hello");
    let at_a_terminal = |answer: &str| {
        let program = env!("CARGO_BIN_EXE_bluegreen");
        let line = format!("'{program}' deploy -m Greet");
        let mut script = desk.sandbox.command("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script
            .current_dir(desk.tree())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut script = script.spawn().unwrap();
        let mut typed = script.stdin.take().unwrap();
        typed.write_all(answer.as_bytes()).unwrap();
        let output = script.wait_with_output().unwrap();
        drop(typed);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, said) = at_a_terminal("n\n");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("M app.py"), "{said}");
    assert!(said.contains("Do that, and deploy it? [y/N]"), "{said}");
    assert!(
        said.contains("nothing was committed, pushed or deployed"),
        "{said}"
    );
    assert_eq!((desk.head(), desk.pushed()), (before.clone(), before));
    let (code, said) = at_a_terminal("y\n");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(desk.pushed(), desk.head());
    assert!(desk.sandbox.get("/").body.contains("Hello"), "{said}");
}

#[test]
fn without_a_message_what_is_only_here_is_pointed_out() {
    let desk = Desk::deployed();
    let there = desk.pushed();
    let quiet = desk.bg(&["deploy", "--plan"]);
    assert!(!quiet.stderr.contains("not pushed"), "{quiet}");
    assert!(!quiet.stderr.contains("not committed"), "{quiet}");
    for message in ["One", "Two"] {
        repo::commit(&desk.tree(), message, |_| {});
    }
    desk.greet("Good day", "Hello");
    let deploy = desk.bg(&["deploy"]);
    deploy.assert_code(0);
    let short = &there[..7];
    deploy.assert_says(&format!(
        "2 commits are not pushed and 1 changed file is not committed: what `origin` has is deployed, {short} as last heard; \
         `bluegreen deploy -m \"...\"` takes it along"
    ));
    assert_eq!(manifest(&desk.sandbox)["commit"], there);
    // Of another branch or an older commit nobody expects it.
    let older = desk.bg(&["deploy", short, "--plan"]);
    older.assert_code(0);
    assert!(!older.stderr.contains("not pushed"), "{older}");
    // A work tree of something else is none of our business.
    desk.git(&["remote", "set-url", "origin", "https://example.com/other.git"]);
    let other = desk.bg(&["deploy", "--plan"]);
    assert!(!other.stderr.contains("not pushed"), "{other}");
}

#[test]
fn a_work_tree_that_is_itself_released_from_needs_no_remote() {
    let desk = Desk::deployed();
    let tree = desk.tree();
    desk.git(&["remote", "remove", "origin"]);
    desk.sandbox
        .configure(|config| crate::sandbox::set(config, "source", "git", tree.to_str().unwrap()));
    let told = desk.bg(&["deploy", "--plan"]);
    told.assert_says("1 changed file is not committed: the last commit is deployed");
    let deploy = desk.bg(&["deploy", "-m", "At home", "-y"]);
    deploy.assert_code(0);
    assert!(!deploy.stderr.contains("push"), "{deploy}");
    assert_eq!(manifest(&desk.sandbox)["commit"], desk.head());
    assert_eq!(manifest(&desk.sandbox)["subject"], "At home");
}

#[test]
fn over_ssh_it_is_done_at_the_client_first() {
    let afar = Afar::deployed(2);
    let origin = afar.desk().join("../origin.git");
    let server = &afar.servers[0].sandbox;
    repo::git(
        &server.repo(),
        &["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()],
    );
    let origin = origin.canonicalize().unwrap();
    clone_into(&afar.desk(), origin.to_str().unwrap());
    for (name, value) in [("user.name", "Ada"), ("user.email", "ada@shop.test")] {
        repo::git(&afar.desk(), &["config", name, value]);
    }
    fs::write(afar.desk().join(".gitignore"), "bg.toml\n").unwrap();
    repo::replace(&afar.desk().join("app.py"), "Good day", "Hello");
    // Each server with its own ports and places: by its own bg.toml, but for the repository.
    for server in &afar.servers {
        let sandbox = &server.sandbox;
        sandbox.configure(|config| {
            crate::sandbox::set(config, "source", "git", origin.to_str().unwrap());
        });
        sandbox.bg(&["setup"]).assert_code(0);
    }
    let all = afar.all();
    let hosts = ["--app", "shop", "--hosts", &all];
    let nowhere = afar.bg(&[&["deploy", "-m", "Greet", "--yes"], &hosts[..]].concat());
    nowhere.assert_code(3).assert_says("`-m` needs `source.git`");

    let mut one = afar.servers.iter();
    let first = one.next().unwrap();
    afar.write_config(0, |config| {
        config.insert(
            "hosts".into(),
            toml::Value::Array(vec![first.name.clone().into()]),
        );
    });
    let deploy = afar.bg(&["deploy", "-m", "Greet", "--yes"]);
    deploy.assert_code(0).assert_says("?? .gitignore");
    let sha = repo::git(&afar.desk(), &["rev-parse", "HEAD"]);
    assert_eq!(repo::git(&origin, &["rev-parse", "main"]), sha);
    assert_eq!(manifest(&first.sandbox)["commit"], sha);
    assert_eq!(first.sandbox.live_color(), Some(Color::Green));
    assert!(first.sandbox.get("/").body.contains("Hello"));
}
