//! What a deploy begins with.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bluegreen::model::color::Color;
use bluegreen::sys::lock;
use toml::Value;

use super::authority::Wish;
use super::secure::Secure;
use super::{assert_found, bad_about};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, repo, set};

fn releases(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.app_root().join("releases")).unwrap().count()
}

#[test]
fn what_is_wrong_stops_a_deploy_before_anything_is_made() {
    let sandbox = Sandbox::deployed();
    let taken = TcpListener::bind(sandbox.slot_address(Color::Green)).unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "of green is taken by process", Color::Blue);
    refused.assert_says("traffic: unchanged, blue (");
    assert_eq!(releases(&sandbox), 1, "{refused}");
    drop(taken);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    // Its own old process is in nobody's way.
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn what_should_be_looked_at_is_told_and_kept_and_can_be_left_out() {
    let sandbox = Sandbox::deployed();
    let said = "app server: `--reload` is for development";
    sandbox.configure(|config| {
        let run = sandbox
            .configured("process", "run")
            .replace("app:app", "--reload app:app");
        set(config, "process", "run", run);
    });
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says(said);
    let run = sandbox.bg(&["history", "--json"]).result()["answer"][0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let story = sandbox.bg(&["history", &run]);
    assert!(story.stdout.contains(said), "{story}");
    let silent = sandbox.bg(&["deploy", "--checks", "none"]);
    silent.assert_code(0);
    assert!(!silent.stderr.contains(said), "{silent}");
}

#[test]
fn a_full_look_sees_what_a_quick_one_has_no_time_for() {
    let secure = Secure::new();
    secure.bg(&["setup"]).assert_code(0);
    secure.bg(&["deploy", "--checks", "full"]).assert_code(0);
    let (leaf, key) = secure.authority.issue(&Wish {
        from: -90,
        until: -2,
        ..Wish::default()
    });
    secure.serve(&(leaf + &secure.authority.intermediate()), &key);
    secure.sandbox.front.reload();
    let refused = secure.bg(&["deploy", "--checks", "full"]);
    secure
        .sandbox
        .assert_five(&refused, 1, "the certificate has expired on 20", Color::Blue);
    refused.assert_says("`certbot renew`");
    assert_eq!(releases(&secure.sandbox), 1);
    secure.bg(&["deploy"]).assert_code(0);
    assert_eq!(secure.sandbox.live_color(), Some(Color::Green));
}

#[test]
fn what_a_deploy_refuses_a_plan_refuses_in_the_same_words_and_a_check_finds() {
    let sandbox = Sandbox::deployed();
    let good = fs::read_to_string(sandbox.config()).unwrap();
    let refused = |code: i32, says: &str, subject: &str, level: &str| {
        for words in [&["deploy", "--plan"][..], &["deploy"]] {
            let outcome = sandbox.bg(words);
            sandbox.assert_five(&outcome, code, says, Color::Blue);
        }
        assert_eq!(releases(&sandbox), 1, "{says}");
        assert_found(
            &bad_about(&sandbox.bg(&["check", "--json"]), subject),
            level,
            says,
            "",
        );
    };
    let shared = sandbox.app_root().join("shared");

    sandbox.configure(|config| {
        let names = ["settings.ini", "requirements.txt"].map(|name| Value::String(name.into()));
        config.insert("shared".into(), Value::Array(names.to_vec()));
    });
    let says = format!("there is no `{}`", shared.join("settings.ini").display());
    refused(1, &says, "release", "error");
    // The repository has it, or the host.
    fs::write(shared.join("settings.ini"), "").unwrap();
    sandbox.bg(&["deploy", "--plan"]).assert_code(0);
    assert!(bad_about(&sandbox.bg(&["check", "--json"]), "release").is_empty());
    fs::write(sandbox.config(), &good).unwrap();

    sandbox.configure(|config| set(config, "source", "folder", "backend"));
    refused(1, "there is no folder `backend` in commit", "release", "error");
    fs::write(sandbox.config(), &good).unwrap();

    sandbox.commit("another folder", |repo| {
        fs::rename(repo.join("static"), repo.join("files")).unwrap();
    });
    refused(1, "`/static/`", "release", "error");
    sandbox.commit("the folder again", |repo| {
        fs::rename(repo.join("files"), repo.join("static")).unwrap();
    });

    let secrets = shared.join("app.env");
    let kept = fs::read(&secrets).unwrap();
    fs::set_permissions(&secrets, Permissions::from_mode(0o644)).unwrap();
    refused(1, "holds secrets and has mode 0644", "environment file", "error");
    fs::set_permissions(&secrets, Permissions::from_mode(0o600)).unwrap();
    fs::write(&secrets, "no assignment\n").unwrap();
    refused(1, "cannot be understood", "environment file", "error");
    fs::write(&secrets, kept).unwrap();

    let taken = TcpListener::bind(sandbox.slot_address(Color::Green)).unwrap();
    refused(1, "is taken by process", "ports", "error");
    drop(taken);

    sandbox.configure(|config| {
        set(config, "process", "workers", 2);
        set(config, "nginx", "max_body_size", "9m");
    });
    refused(3, "must apply: `nginx.max_body_size`", "set-up", "warning");
    let outcome = sandbox.bg(&["deploy"]);
    assert!(!outcome.stderr.contains("process.workers"), "{outcome}");
    fs::write(sandbox.config(), &good).unwrap();
    sandbox.bg(&["deploy", "--plan"]).assert_code(0);
}

#[test]
fn a_plan_tells_who_is_at_it_and_what_was_done_without_bg() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.commit_edit("a third", "Hello", "Hi");
    let plan = || {
        let plan = sandbox.bg(&["deploy", "--plan"]);
        plan.assert_code(0);
        assert_eq!(sandbox.link(), "green", "{plan}");
        plan
    };
    let quiet = plan();
    assert!(!quiet.stderr.contains(" ! "), "{quiet}");

    sandbox.pm2(&["delete", "flask-green"]);
    let plan_of_a_dead_color = plan();
    plan_of_a_dead_color.assert_says("is live but down");
    plan_of_a_dead_color.assert_says("repair` would start green");
    sandbox.bg(&["repair"]).assert_code(0);

    let held = lock::Lock::take(
        &sandbox.app_root().join("state/lock"),
        &lock::Holder::this("deploy"),
    )
    .unwrap();
    let locked = plan();
    locked.assert_says(&format!("(pid {})", std::process::id()));
    locked.assert_says("is running: a deploy would wait up to");
    drop(held);
}

#[test]
fn a_check_asks_git_as_a_deploy_does_wherever_it_is_typed() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let work_tree = sandbox.root().join("work");
    fs::create_dir(&work_tree).unwrap();
    repo::git(&work_tree, &["init", "--quiet"]);
    let source = sandbox.configured("source", "git");
    repo::git(&work_tree, &["config", "url./nowhere.insteadOf", &source]);
    let config = sandbox.config();
    let words = ["check", "--json", "--config", config.to_str().unwrap()];
    let output = sandbox
        .bg_command(&words)
        .current_dir(&work_tree)
        .output()
        .unwrap();
    let outcome = Outcome::new(&words, &output, Duration::ZERO);
    assert!(bad_about(&outcome, "git").is_empty(), "{outcome}");
}
