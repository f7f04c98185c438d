//! A host with two users: root, who sets up, and an ordinary one, to whom the app belongs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bluegreen::sys::self_install::CARRIES;
use bluegreen::sys::system_paths::SWAP;
use nix::unistd::{Uid, User};
use toml::{Table, Value};

use super::outcome::Outcome;
use super::{Sandbox, again, repo};

/// Who deploys.
pub const OWNER: &str = "nobody";
/// Somebody else without rights.
pub const OTHER: &str = "www-data";

/// A sandbox whose app belongs to [`OWNER`]; everything in it can be reached by them.
pub struct Shared {
    /// The host.
    pub sandbox: Sandbox,
    /// The app's owner.
    pub owner: User,
    program: PathBuf,
}

impl Shared {
    /// Nothing is set up yet. `None`, and a word about it, without root.
    pub fn new() -> Option<Shared> {
        Shared::with(|_| {})
    }

    /// The same with other settings in `bg.toml`.
    pub fn with(change: impl FnOnce(&mut Table)) -> Option<Shared> {
        if !Uid::effective().is_root() {
            eprintln!("not tried: giving an app to `{OWNER}` needs root");
            return None;
        }
        let owner = User::from_name(OWNER).unwrap().unwrap();
        let sandbox = Sandbox::with(|config| {
            config.insert("owner".into(), Value::String(OWNER.into()));
            change(config);
        });
        let program = sandbox.root().join("bin/bluegreen");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        handed_out(&program);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let wheels = sandbox.root().join("wheels");
        copy_wheels(&sandbox, &wheels);
        fs::create_dir_all(sandbox.pm2_home()).unwrap();
        let shared = Shared {
            sandbox,
            owner,
            program,
        };
        for folder in ["home", "pm2", "repo", "desk", "srv/shop"] {
            shared.give(&shared.sandbox.root().join(folder));
        }
        Some(shared)
    }

    /// Set up by root, with a first release of the owner's live on blue.
    pub fn deployed() -> Option<Shared> {
        Shared::deployed_with(|_| {})
    }

    /// The same with other settings in `bg.toml`.
    pub fn deployed_with(change: impl FnOnce(&mut Table)) -> Option<Shared> {
        let shared = Shared::with(change)?;
        shared.bg_as("root", &["setup"]).assert_code(0);
        shared.bg_as(OWNER, &["deploy"]).assert_code(0);
        Some(shared)
    }

    /// `bg`, where every user can start it.
    pub fn program(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// `bg` as a user with no group but their own and no rights but theirs.
    pub fn bg_as(&self, user: &str, args: &[&str]) -> Outcome {
        let line: Vec<&str> = std::iter::once(self.program()).chain(again(args)).collect();
        let started = Instant::now();
        let output = self.command_as(user, &line).output().unwrap();
        Outcome::new(args, &output, started.elapsed())
    }

    /// Any program as a user.
    pub fn command_as(&self, user: &str, line: &[&str]) -> Command {
        let user = User::from_name(user).unwrap().unwrap();
        let mut command = self.sandbox.command("setpriv");
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid))
            .arg("--clear-groups")
            .args(line)
            .current_dir(self.sandbox.root().join("desk"));
        // What a test has put there comes before what is installed.
        let own = self.sandbox.root().join("home/programs");
        let path = super::path_with_tools();
        let folders = std::iter::once(own).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).unwrap());
        command
    }

    /// Whether the owner may write a file or into a folder.
    pub fn owner_can_write(&self, path: &Path) -> bool {
        let path = path.to_str().unwrap();
        self.command_as(OWNER, &["test", "-w", path])
            .status()
            .unwrap()
            .success()
    }

    /// Gives a folder with all that is in it to the owner.
    pub fn give(&self, folder: &Path) {
        for path in everything(folder) {
            lchown(path, Some(self.owner.uid.as_raw()), Some(self.owner.gid.as_raw())).unwrap();
        }
    }

    /// What lies below `folder` and belongs to somebody else.
    pub fn not_the_owners(&self, folder: &Path) -> Vec<PathBuf> {
        let belongs = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|about| about.uid() != self.owner.uid.as_raw())
        };
        everything(folder).into_iter().filter(belongs).collect()
    }
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
pub fn everything(folder: &Path) -> Vec<PathBuf> {
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

/// This program as it is handed out: with the one that moves traffic as root at its end.
fn handed_out(to: &Path) {
    let built = Path::new(env!("CARGO_BIN_EXE_bluegreen"));
    let swap = built.with_file_name(SWAP);
    let swap = fs::read(&swap)
        .unwrap_or_else(|error| panic!("`cargo build --features faults --bins` makes `{SWAP}`: {error}"));
    fs::copy(built, to).unwrap();
    let mut whole = OpenOptions::new().append(true).open(to).unwrap();
    whole.write_all(&swap).unwrap();
    whole.write_all(format!("{:012}", swap.len()).as_bytes()).unwrap();
    whole.write_all(CARRIES).unwrap();
}
