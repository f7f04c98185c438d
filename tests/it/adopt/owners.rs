//! Root adopts what belongs to somebody else: NGINX's files stay root's, everything of the
//! app's is its owner's, and nothing of theirs is run with root's rights.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::scene::{LONG, PROCESS, usual};
use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, SECRET, http, python};

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// The owner's checkout, environment and process, and root's server block in front of it.
pub fn site(shared: &mut Shared) -> String {
    let root = shared.sandbox.root().to_owned();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (from, tree, venv) = (text(&root.join("repo")), root.join("site"), root.join("venv"));
    fs::create_dir(&tree).unwrap();
    shared.give(&tree);
    done(&mut shared.command_as(OWNER, &["git", "clone", "--quiet", &from, &text(&tree)]));
    done(
        Command::new(python::interpreter())
            .args(["-m", "venv"])
            .arg(&venv),
    );
    done(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(tree.join("requirements.txt")),
    );
    shared.give(&venv);
    let port = shared
        .sandbox
        .slot_address(bluegreen::model::color::Color::Blue)
        .port();
    let block = format!(
        "server {{\n    listen {};\n    server_name {HOST};\n    # mine\n    location / {{ proxy_pass http://127.0.0.1:{port}; }}\n}}\n",
        shared.sandbox.address()
    );
    fs::write(shared.sandbox.front.sites().join("by-hand.conf"), &block).unwrap();
    shared.sandbox.front.stop();
    shared.sandbox.front.start_again();
    let (python, bind) = (text(&venv.join("bin/python")), format!("127.0.0.1:{port}"));
    let line = [
        "pm2",
        "start",
        &python,
        "--name",
        PROCESS,
        "--interpreter",
        "none",
        "--",
        "-m",
        "gunicorn",
        "-b",
        &bind,
        "app:app",
    ];
    let pm2_home = shared.sandbox.pm2_home();
    done(
        shared
            .command_as(OWNER, &line)
            .env("PM2_HOME", pm2_home)
            .env("SHOP_SECRET", SECRET)
            .current_dir(&tree),
    );
    wait_until(LONG, "the process answers", || {
        http::get(shared.sandbox.address(), HOST, "/health").is_ok_and(|answer| answer.status == 200)
    });
    block
}

#[test]
fn root_adopts_for_the_owner_who_deploys_from_then_on() {
    let Some(mut shared) = Shared::with(usual) else {
        return;
    };
    let block = site(&mut shared);
    // What a repository's own settings name would be run with root's rights.
    let tree = shared.sandbox.root().join("site");
    let trap = shared.sandbox.root().join("trap");
    let hook = format!("#!/bin/sh\nid -u >> {}\n", trap.display());
    super::scene::script(&shared.sandbox.root().join("home/monitor"), &hook);
    let monitor = shared.sandbox.root().join("home/monitor");
    let (at, line) = (tree.to_str().unwrap(), monitor.to_str().unwrap());
    done(&mut shared.command_as(OWNER, &["git", "-C", at, "config", "core.fsmonitor", line]));
    fs::write(&trap, "").unwrap();
    fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();

    let refused = shared.bg_as(OWNER, &["adopt", "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused}");
    shared.bg_as("root", &["adopt", "--yes"]).assert_code(0);
    let ran_as = fs::read_to_string(&trap).unwrap();
    assert!(
        !ran_as.is_empty() && !ran_as.lines().any(|uid| uid == "0"),
        "{ran_as:?}"
    );
    assert_eq!(
        shared.not_the_owners(&shared.sandbox.app_root().join("state")),
        [] as [std::path::PathBuf; 0]
    );
    let adoption = shared
        .sandbox
        .front
        .conf()
        .with_file_name("bg")
        .join("shop/adoption/record.json");
    assert!(!shared.owner_can_write(&adoption));
    assert_eq!(shared.sandbox.link(), "blue");
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    shared.bg_as(OWNER, &["rollback"]).assert_code(0);
    assert_eq!(shared.sandbox.link(), "blue");
    assert_ne!(
        fs::read_to_string(shared.sandbox.front.sites().join("by-hand.conf")).unwrap(),
        block
    );
}

/// While it is undone the owner puts a link in place of the app's root, which lies in a folder
/// of theirs: what it leads to is not the app's to delete.
#[test]
fn undoing_deletes_nothing_through_a_link_of_the_owners() {
    let Some(mut shared) = Shared::with(usual) else {
        return;
    };
    let home = shared.sandbox.root().join("home/shop");
    let text = home.to_str().unwrap().to_owned();
    shared
        .sandbox
        .configure(|config| drop(config.insert("root".into(), text.clone().into())));
    done(&mut shared.command_as(
        OWNER,
        &["cp", "-r", shared.sandbox.app_root().to_str().unwrap(), &text],
    ));
    site(&mut shared);
    shared.bg_as("root", &["adopt", "--yes"]).assert_code(0);
    let bait = shared.sandbox.root().join("roots");
    for name in ["bin", "backups", "logs", "envs", "slots", "releases", "manifests"] {
        fs::create_dir_all(bait.join(name)).unwrap();
        fs::write(bait.join(name).join("of-root"), "as it was").unwrap();
    }
    fs::write(bait.join("bg.toml"), "as it was").unwrap();
    // What is looked at before anything is deleted, it finds there too.
    let release = fs::read_link(home.join("slots/blue")).unwrap();
    std::os::unix::fs::symlink(&release, bait.join("slots/blue")).unwrap();
    let before = crate::attacker::bait::state(&bait);
    let aside = format!("{text}-aside");
    let swap = format!("mv '{text}' '{aside}'; ln -s '{}' '{text}'", bait.display());
    done(&mut shared.command_as(OWNER, &["sh", "-ec", &swap]));
    let outcome = shared.bg_as("root", &["adopt", "--undo", "--yes"]);
    assert_eq!(crate::attacker::bait::state(&bait), before, "{outcome}");
    // It can be gone on with when the link is gone.
    let back = format!("rm '{text}'; mv '{aside}' '{text}'");
    done(&mut shared.command_as(OWNER, &["sh", "-ec", &back]));
    shared.bg_as("root", &["adopt", "--undo", "--yes"]).assert_code(0);
    assert_eq!(crate::attacker::bait::state(&bait), before);
    assert!(!home.join("releases").exists());
}

/// What was adopted is written down beside NGINX's files, and undoing writes what stands there:
/// from another place it is somebody else's word.
#[test]
fn a_record_that_root_did_not_write_is_not_undone() {
    let Some(mut shared) = Shared::with(usual) else {
        return;
    };
    site(&mut shared);
    shared.bg_as("root", &["adopt", "--yes"]).assert_code(0);
    let record = shared
        .sandbox
        .front
        .conf()
        .with_file_name("bg/shop/adoption/record.json");
    let victim = shared.sandbox.root().join("victim");
    fs::write(&victim, "as it was").unwrap();
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    text["done"] = false.into();
    text["files"] = serde_json::json!([{"path": victim, "before": "of the attacker", "after": "as it was"}]);
    let nginx = shared.sandbox.root().join("home/nginx");
    let planted = nginx.join("bg/shop/adoption");
    fs::create_dir_all(&planted).unwrap();
    fs::write(planted.join("record.json"), text.to_string()).unwrap();
    fs::copy(shared.sandbox.front.conf(), nginx.join("nginx.conf")).unwrap();
    shared.give(&nginx);
    let conf = nginx.join("nginx.conf");
    shared
        .sandbox
        .configure(|config| crate::sandbox::set(config, "nginx", "conf", conf.to_str().unwrap()));
    for args in [&["adopt", "--undo", "--yes"][..], &["adopt", "--yes"], &["adopt"]] {
        let outcome = shared.bg_as("root", args);
        assert_ne!(outcome.code, Some(0), "{outcome}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was", "{outcome}");
    }
    // The true one, that somebody else was let write.
    fs::set_permissions(&record, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let args = ["adopt", "--undo", "--yes", "--app", "shop"];
    let outcome = shared.bg_as("root", &args);
    outcome.assert_code(3).assert_says("root does not act on");
}
