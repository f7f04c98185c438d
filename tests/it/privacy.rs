//! What other users of the host can read of an app: nothing that could hold a token, and not
//! its source, while NGINX goes on serving files of it.

mod token;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::User;

use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{HOST, Sandbox, http};

/// Neither the owner nor NGINX.
const STRANGER: &str = "daemon";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn can(shared: &Shared, user: &str, line: &[&str]) -> bool {
    shared.command_as(user, line).output().unwrap().status.success()
}

#[test]
fn a_stranger_reads_neither_source_nor_configuration_and_nginx_serves_files() {
    let Some(shared) = Shared::deployed() else { return };
    assert!(matches!(User::from_name(STRANGER), Ok(Some(_))));
    let sandbox = &shared.sandbox;
    let (root, release) = (sandbox.app_root(), sandbox.live_release());
    let app = root.join("releases").join(&release).join("app.py");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let hidden = [
        text(&root.join("bg.toml")),
        text(&app),
        text(&root.join("repo.git/HEAD")),
        text(&root.join("repo.git/packed-refs")),
        text(&root.join("manifests").join(format!("{release}.json"))),
    ];
    for file in &hidden {
        assert!(!can(&shared, STRANGER, &["cat", file]), "a stranger reads {file}");
    }
    for folder in ["releases", "repo.git", "state", "state/runs", "envs", "manifests"] {
        let folder = text(&root.join(folder));
        assert!(
            !can(&shared, STRANGER, &["ls", &folder]),
            "a stranger lists {folder}"
        );
    }
    assert!(
        can(&shared, OWNER, &["cat", &text(&app)]),
        "the owner reads the source"
    );
    let served = http::get(sandbox.address(), HOST, "/static/shop.css").unwrap();
    assert_eq!(served.status, 200);
    let check = shared.bg_as("root", &["check"]);
    check_says(&check.stdout, "no other user reads bg.toml");

    // What an earlier version has left is reported with what mends it, and setup mends it.
    for (name, mode) in [
        ("bg.toml", 0o644),
        ("repo.git", 0o755),
        ("releases", 0o755),
        ("state", 0o755),
    ] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let check = shared.bg_as("root", &["check"]);
    for open in [
        "bg.toml` is open",
        "repo.git` is open",
        "state` is open",
        "can read the source",
    ] {
        check_says(&check.stdout, open);
    }
    shared.bg_as("root", &["setup"]).assert_code(0);
    assert_eq!(mode(&root.join("bg.toml")), 0o640);
    assert_eq!(mode(&root.join("repo.git")), 0o700);
    assert_eq!(mode(&root.join("releases")), 0o750);
    assert_eq!(mode(&root.join("state")), 0o750);
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    let served = http::get(sandbox.address(), HOST, "/static/shop.css").unwrap();
    assert_eq!(served.status, 200);
}

fn check_says(said: &str, text: &str) {
    assert!(said.contains(text), "no {text:?} in {said}");
}

#[test]
fn a_starter_is_closed_to_others_whatever_the_umask_is() {
    let sandbox = Sandbox::new();
    let folder = sandbox.root().join("new");
    fs::create_dir_all(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_bluegreen");
    let mut command = sandbox.command("sh");
    let line = format!("umask 000; exec {program} init");
    let output = command.args(["-c", &line]).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mode(&folder.join("bg.toml")), 0o640);
}
