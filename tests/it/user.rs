//! An app that belongs to an ordinary user: set up by root, released without root.
//!
//! Needs root itself. Where the tests run as somebody else, what can be tried is tried,
//! and the rest says so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bluegreen::model::color::Color;
use nix::unistd::{Uid, User};
use toml::Value;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, repo, set};

/// Who deploys, and somebody else.
const OWNER: &str = "nobody";
const OTHER: &str = "www-data";

/// A sandbox whose app belongs to [`OWNER`]; everything in it can be reached by them.
struct Shared {
    sandbox: Sandbox,
    owner: User,
    program: PathBuf,
}

impl Shared {
    /// Nothing is set up yet. `None`, and a word about it, without root.
    fn new() -> Option<Shared> {
        if !Uid::effective().is_root() {
            eprintln!("not tried: giving an app to `{OWNER}` needs root");
            return None;
        }
        let owner = User::from_name(OWNER).unwrap().unwrap();
        let sandbox = Sandbox::with(|config| {
            config.insert("owner".into(), Value::String(OWNER.into()));
        });
        let program = sandbox.root().join("bin/bluegreen");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_bluegreen"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let wheels = sandbox.root().join("wheels");
        copy_wheels(&sandbox, &wheels);
        fs::create_dir_all(sandbox.pm2_home()).unwrap();
        let shared = Shared {
            sandbox,
            owner,
            program,
        };
        for folder in ["home", "pm2", "repo", "desk"] {
            shared.give(&shared.sandbox.root().join(folder));
        }
        Some(shared)
    }

    fn deployed() -> Option<Shared> {
        let shared = Shared::new()?;
        shared.bg_as("root", &["setup"]).assert_code(0);
        shared.bg_as(OWNER, &["deploy"]).assert_code(0);
        Some(shared)
    }

    /// `bg` as a user with no group but their own and no rights but theirs.
    fn bg_as(&self, user: &str, args: &[&str]) -> Outcome {
        let program = self.program.to_str().unwrap();
        let line: Vec<&str> = std::iter::once(program).chain(args.iter().copied()).collect();
        let started = Instant::now();
        let output = self.command_as(user, &line).output().unwrap();
        Outcome::new(args, &output, started.elapsed())
    }

    fn command_as(&self, user: &str, line: &[&str]) -> Command {
        let user = User::from_name(user).unwrap().unwrap();
        let mut command = self.sandbox.command("setpriv");
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid))
            .arg("--clear-groups")
            .args(line)
            .current_dir(self.sandbox.root().join("desk"));
        command
    }

    /// Whether the owner may write a file or into a folder.
    fn owner_can_write(&self, path: &Path) -> bool {
        let path = path.to_str().unwrap();
        self.command_as(OWNER, &["test", "-w", path])
            .status()
            .unwrap()
            .success()
    }

    fn give(&self, folder: &Path) {
        for path in everything(folder) {
            chown(path, Some(self.owner.uid.as_raw()), Some(self.owner.gid.as_raw())).unwrap();
        }
    }

    /// What lies below `folder` and belongs to somebody else.
    fn not_the_owners(&self, folder: &Path) -> Vec<PathBuf> {
        let belongs = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|about| about.uid() != self.owner.uid.as_raw())
        };
        everything(folder).into_iter().filter(belongs).collect()
    }
}

#[test]
fn an_ordinary_user_deploys_switches_and_rolls_back_without_root() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let load = sandbox.load();
    for (args, live) in [
        (&["deploy"][..], Color::Green),
        (&["rollback"], Color::Blue),
        (&["switch"], Color::Green),
    ] {
        let outcome = shared.bg_as(OWNER, args);
        outcome.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(live), "{outcome}");
    }
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    let status = shared.bg_as(OWNER, &["status"]);
    status.assert_code(0);
    assert!(status.stdout.contains("rollback: ready"), "{status}");
    assert!(status.stdout.contains("switch: live"), "{status}");
    let processes = crate::sandbox::processes::of(&sandbox.app_root());
    assert!(processes.len() >= 2, "{processes:?}");
    for (pid, line) in processes {
        let uid = fs::metadata(format!("/proc/{pid}")).map_or(shared.owner.uid.as_raw(), |about| about.uid());
        assert_eq!(uid, shared.owner.uid.as_raw(), "{line} runs as its owner");
    }
    let secret = sandbox.app_root().join("shared/app.env");
    assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_nginx_reads_stays_with_root() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let dump = sandbox
        .command(crate::sandbox::front::program().to_str().unwrap())
        .args(["-T", "-c"])
        .arg(sandbox.front.conf())
        .output()
        .unwrap();
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    let parsed: Vec<PathBuf> = dump
        .lines()
        .filter_map(|line| line.strip_prefix("# configuration file "))
        .map(|path| path.trim_end_matches(':').into())
        .collect();
    assert!(parsed.len() >= 4, "{parsed:?}");
    for file in &parsed {
        assert!(!shared.owner_can_write(file), "{} can be written", file.display());
        let mut folders = file
            .ancestors()
            .skip(1)
            .filter(|folder| folder.starts_with(sandbox.root()));
        let open = folders.find(|folder| shared.owner_can_write(folder));
        assert_eq!(open, None, "a file can be replaced in it");
    }
    assert!(
        !shared.owner_can_write(&sandbox.registry()),
        "the registry is root's"
    );
    assert!(
        shared.owner_can_write(&sandbox.app_root()),
        "the test can see a folder that can be written"
    );
    // What setup would write again, the owner is told to leave to root; and nothing changes.
    let site = parsed
        .iter()
        .map(|file| fs::read(file).unwrap_or_default())
        .collect::<Vec<_>>();
    sandbox.configure(|config| {
        set(
            config,
            "nginx",
            "server_names",
            vec![Value::from("www.shop.test")],
        )
    });
    let outcome = shared.bg_as(OWNER, &["setup"]);
    sandbox.assert_five(&outcome, 1, "NGINX", Color::Blue);
    outcome.assert_says("run it with sudo");
    let now = parsed
        .iter()
        .map(|file| fs::read(file).unwrap_or_default())
        .collect::<Vec<_>>();
    assert!(site == now, "NGINX's files are as they were");
}

#[test]
fn root_by_mistake_acts_as_the_owner_and_others_are_told_what_to_type() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let outcome = shared.bg_as("root", &["deploy"]);
    outcome.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    shared.bg_as("root", &["status"]).assert_code(0);
    for folder in [sandbox.app_root(), sandbox.pm2_home(), sandbox.link_folder()] {
        let others = shared.not_the_owners(&folder);
        assert!(others.is_empty(), "not the owner's: {others:?}");
    }
    for pid in crate::sandbox::processes::of(&sandbox.app_root())
        .iter()
        .map(|(pid, _)| pid)
    {
        let uid = fs::metadata(format!("/proc/{pid}")).map(|about| about.uid());
        assert_ne!(uid.ok(), Some(0), "nothing of the app runs as root");
    }
    shared.bg_as(OWNER, &["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    // `setup` again, as one does after a change, takes nothing away from the owner.
    shared.bg_as("root", &["setup"]).assert_code(0);
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    for args in [
        &["deploy", "a branch"][..],
        &["rollback"],
        &["status"],
        &["logs", "blue"],
    ] {
        let outcome = shared.bg_as(OTHER, args);
        sandbox.assert_five(&outcome, 2, "`shop` belongs to `nobody`", Color::Green);
    }
    let outcome = shared.bg_as(OTHER, &["deploy", "a branch"]);
    outcome.assert_says("hint: type: sudo -u nobody bluegreen deploy 'a branch'\n");
}

#[test]
fn an_ordinary_user_who_may_not_write_nginxs_folder_is_told_so() {
    let sandbox = if let Some(shared) = Shared::new() {
        let outcome = shared.bg_as(OWNER, &["setup"]);
        outcome.assert_code(1).assert_says("error: ").assert_says("sudo");
        shared.sandbox
    } else {
        let sandbox = Sandbox::new();
        let closed = fs::Permissions::from_mode(0o555);
        fs::set_permissions(sandbox.front.sites().parent().unwrap(), closed).unwrap();
        let outcome = sandbox.bg(&["setup"]);
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(sandbox.front.sites().parent().unwrap(), open).unwrap();
        outcome.assert_code(1).assert_says("error: ").assert_says("sudo");
        sandbox
    };
    assert_eq!(
        fs::read_dir(sandbox.front.sites()).unwrap().count(),
        0,
        "nothing was written"
    );
    assert!(sandbox.lock_is_free());
}

/// The wheels beside the repository, where anybody can read them, and a commit that says so.
fn copy_wheels(sandbox: &Sandbox, to: &Path) {
    let requirements = sandbox.repo().join("requirements.txt");
    let text = fs::read_to_string(&requirements).unwrap();
    let from = text
        .lines()
        .find_map(|line| line.strip_prefix("--find-links "))
        .unwrap();
    fs::create_dir_all(to).unwrap();
    for wheel in fs::read_dir(from).unwrap().flatten() {
        fs::copy(wheel.path(), to.join(wheel.file_name())).unwrap();
    }
    let text = text.replace(from, to.to_str().unwrap());
    repo::commit(&sandbox.repo(), "the wheels are elsewhere", |_| {
        fs::write(requirements, text).unwrap()
    });
}

/// A folder and everything below it, links themselves and not what they name.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        next += 1;
        if fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            all.extend(entries.map(|entry| entry.path()));
        }
    }
    all
}
