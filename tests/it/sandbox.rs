//! A host of its own for each test, in a folder with a short name: a real NGINX, a private
//! PM2, a git repository with the sample app, and `bg` run as a user runs it. Nothing of it
//! is left when it is dropped.

pub mod afar;
pub mod answering;
pub mod folder;
pub mod front;
pub mod http;
pub mod mounts;
pub mod outcome;
pub mod ports;
pub mod processes;
pub mod python;
pub mod repo;
pub mod shared;
pub mod sshd;
mod venvs;
pub mod wait;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bluegreen::model::color::Color;
use nix::sys::stat::{Mode, umask};
use toml::{Table, Value};

use crate::load::{Kind, Load};
use front::Front;
use http::Answer;
use outcome::Outcome;
use ports::Port;

/// The app's name in every sandbox.
pub const APP: &str = "shop";
/// The site's name.
pub const HOST: &str = "shop.test";
/// What the environment file holds; looked for where it must not be.
pub const SECRET: &str = "correct-horse-battery-staple";

/// One host with one app that is not set up yet.
pub struct Sandbox {
    root: PathBuf,
    /// The private NGINX.
    pub front: Front,
    listen: Port,
    slots: BTreeMap<Color, Port>,
}

impl Sandbox {
    /// NGINX runs, the repository has one commit, `bg.toml` is written, `bg` has not run yet.
    pub fn new() -> Sandbox {
        Sandbox::with(|_| {})
    }

    /// The same with other settings in `bg.toml`.
    pub fn with(change: impl FnOnce(&mut Table)) -> Sandbox {
        let root = new_root();
        for folder in ["home", "desk", "srv/shop/shared", "link"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        repo::create(&root.join("repo"));
        let sandbox = Sandbox {
            front: Front::start(&root),
            listen: Port::free(),
            slots: Color::BOTH.map(|color| (color, Port::free())).into(),
            root,
        };
        write_secret(&sandbox.app_root().join("shared/app.env"));
        let mut config = sandbox.usual_config();
        change(&mut config);
        fs::write(sandbox.config(), toml::to_string(&config).unwrap()).unwrap();
        sandbox
    }

    /// Set up, with a first release live on blue.
    pub fn deployed() -> Sandbox {
        let sandbox = Sandbox::deployed_with(|_| {});
        venvs::keep(&sandbox.app_root().join("venvs"));
        sandbox
    }

    /// The same with other settings in `bg.toml`.
    pub fn deployed_with(change: impl FnOnce(&mut Table)) -> Sandbox {
        let sandbox = Sandbox::with(change);
        sandbox.bg(&["setup"]).assert_code(0);
        venvs::lend(&sandbox.app_root().join("venvs"));
        sandbox.bg(&["deploy"]).assert_code(0);
        sandbox
    }

    /// Everything of this host lies below it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The app's root, as in `bg.toml`.
    pub fn app_root(&self) -> PathBuf {
        self.root.join("srv").join(APP)
    }

    /// `bg.toml`, in the folder where `bg` is typed.
    pub fn config(&self) -> PathBuf {
        self.root.join("desk/bg.toml")
    }

    /// The private `PM2_HOME`.
    pub fn pm2_home(&self) -> PathBuf {
        self.root.join("pm2")
    }

    /// The registry's folder.
    pub fn registry(&self) -> PathBuf {
        self.root.join("etc/bluegreen/apps")
    }

    /// The folder of the live link.
    pub fn link_folder(&self) -> PathBuf {
        self.root.join("link").join(APP)
    }

    /// The repository that is released.
    pub fn repo(&self) -> PathBuf {
        self.root.join("repo")
    }

    /// Where the site listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.listen.number()).into()
    }

    /// Where a slot listens.
    pub fn slot_address(&self, color: Color) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.slots[&color].number()).into()
    }

    /// Changes `bg.toml`.
    pub fn configure(&self, change: impl FnOnce(&mut Table)) {
        let mut config: Table = fs::read_to_string(self.config()).unwrap().parse().unwrap();
        change(&mut config);
        fs::write(self.config(), toml::to_string(&config).unwrap()).unwrap();
    }

    /// What `[section] key` in `bg.toml` says.
    pub fn configured(&self, section: &str, key: &str) -> String {
        let config: Table = fs::read_to_string(self.config()).unwrap().parse().unwrap();
        config[section][key].as_str().unwrap().to_owned()
    }

    /// Changes the repository's files and commits; returns the full commit id.
    pub fn commit(&self, message: &str, change: impl FnOnce(&Path)) -> String {
        repo::commit(&self.repo(), message, change)
    }

    /// Commits the app with one text of `app.py` replaced by another, which must occur.
    pub fn commit_edit(&self, message: &str, from: &str, to: &str) -> String {
        self.commit(message, |repo| repo::replace(&repo.join("app.py"), from, to))
    }

    /// Runs `bg` to its end.
    pub fn bg(&self, args: &[&str]) -> Outcome {
        let started = Instant::now();
        let output = self.bg_command(args).output().unwrap();
        Outcome::new(args, &output, started.elapsed())
    }

    /// Runs `bg`, which must go well; the steps at which it can be made to fail.
    pub fn steps_of(&self, args: &[&str]) -> Vec<String> {
        let trace = self.root.join("trace");
        fs::remove_file(&trace).ok();
        let mut command = self.bg_command(args);
        assert!(command.env("BG_FAULT_TRACE", &trace).status().unwrap().success());
        let steps = fs::read_to_string(&trace).unwrap();
        let point = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        steps.lines().map(point).collect()
    }

    /// What `bg status` says.
    pub fn status(&self) -> serde_json::Value {
        self.bg(&["status", "--json"]).result()["answer"].take()
    }

    /// The release that `bg status` calls live.
    pub fn live_release(&self) -> String {
        self.status()["live"]["release"].as_str().unwrap().to_owned()
    }

    /// `bg`, not started yet: standard output and error go where the caller says.
    pub fn bg_command(&self, args: &[&str]) -> Command {
        self.bg_as_typed(&again(args))
    }

    /// The same with these words and no others.
    pub fn bg_as_typed(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_bluegreen"));
        command.args(args).current_dir(self.root.join("desk"));
        command
    }

    /// `bg` in the background.
    pub fn bg_start(&self, args: &[&str]) -> outcome::Running {
        outcome::Running::start(self.bg_command(args), args)
    }

    /// PM2 of this host.
    pub fn pm2(&self, args: &[&str]) -> Outcome {
        let started = Instant::now();
        let output = self
            .command("pm2")
            .env("PM2_HOME", self.pm2_home())
            .args(args)
            .output()
            .unwrap();
        Outcome::new(args, &output, started.elapsed())
    }

    /// A program in this host's environment, which has nothing of the caller's but PATH.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path_with_tools())
            .env("HOME", self.root.join("home"))
            .env("LANG", "C.UTF-8")
            .env("BG_REGISTRY", self.registry())
            .stdin(Stdio::null());
        command
    }

    /// Asks the site.
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address(), HOST, path).unwrap()
    }

    /// Who answers at the front door; `None` when it is not the app.
    pub fn live_color(&self) -> Option<Color> {
        let answer = http::get(self.address(), HOST, "/whoami").ok()?;
        answer.header("x-app-color")?.parse().ok()
    }

    /// Where the live link points: `blue`, `maintenance-green`, ...
    pub fn link(&self) -> String {
        let target = fs::read_link(self.link_folder().join("live")).unwrap();
        target.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Whether nobody holds the lock.
    pub fn lock_is_free(&self) -> bool {
        match fs::File::open(self.app_root().join("state/lock")) {
            Ok(file) => file.try_lock().is_ok(),
            Err(_) => true,
        }
    }

    /// After a failure: the exit code, the message, `color` still answers, the link stands
    /// at it, and the lock is free.
    pub fn assert_five(&self, outcome: &Outcome, code: i32, message: &str, color: Color) {
        outcome.assert_code(code);
        outcome.assert_says(message);
        assert_eq!(self.live_color(), Some(color), "who answers after {outcome}");
        assert_eq!(self.link(), color.name(), "the link after {outcome}");
        assert!(self.lock_is_free(), "the lock is held after {outcome}");
    }

    /// Load on the site, on connections that stay open and on fresh ones.
    pub fn load(&self) -> Load {
        let workers = [
            (Kind::Get, 4),
            (Kind::Post, 2),
            (Kind::FreshGet, 1),
            (Kind::FreshPost, 1),
        ];
        Load::start(self.address(), HOST, &workers)
    }

    fn usual_config(&self) -> Table {
        let text = include_str!("sandbox/bg.toml");
        let mut config: Table = text.parse().unwrap();
        let path = |path: PathBuf| Value::String(path.to_str().unwrap().to_owned());
        config.insert("root".into(), path(self.app_root()));
        set(&mut config, "source", "git", path(self.repo()));
        set(&mut config, "python", "version", path(python::interpreter()));
        set(&mut config, "nginx", "bin", path(front::program()));
        set(&mut config, "nginx", "conf", path(self.front.conf()));
        set(&mut config, "nginx", "link_folder", path(self.link_folder()));
        let listen = Value::String(self.address().to_string());
        set(&mut config, "nginx", "listen", Value::Array(vec![listen]));
        set(&mut config, "pm2", "home", path(self.pm2_home()));
        let ports = self
            .slots
            .iter()
            .map(|(color, port)| (color.name().to_owned(), Value::Integer(port.number().into())))
            .collect();
        set(&mut config, "process", "ports", Value::Table(ports));
        config
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        self.front.stop();
        let left = processes::end_all(&self.root);
        fs::remove_dir_all(&self.root).ok();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "still running: {left:?}");
        }
    }
}

impl Sandbox {
    /// What the parts said, for the report of a failed test.
    fn show_logs(&self) {
        let logs = [
            self.front.error_log(),
            self.pm2_home().join("pm2.log"),
            self.app_root().join("logs/blue.log"),
            self.app_root().join("logs/green.log"),
        ];
        for log in logs {
            if let Ok(text) = fs::read_to_string(&log) {
                let lines: Vec<&str> = text.lines().collect();
                let last = &lines[lines.len().saturating_sub(30)..];
                eprintln!("--- {}\n{}", log.display(), last.join("\n"));
            }
        }
    }
}

/// What is typed, and `--again` behind `deploy`: many tests release one commit several times,
/// and are about something else.
pub fn again<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let deploy = args.iter().position(|word| *word == "deploy");
    let is_verb = |at: &usize| *at == 0 || args[0].starts_with('-');
    match deploy.filter(is_verb) {
        Some(at) if !args.contains(&"--again") => [&args[..=at], &["--again"], &args[at + 1..]].concat(),
        _ => args.to_vec(),
    }
}

/// Sets `[section] key` in `bg.toml`.
pub fn set(config: &mut Table, section: &str, key: &str, value: impl Into<Value>) {
    let section = config
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    section
        .as_table_mut()
        .unwrap()
        .insert(key.to_owned(), value.into());
}

/// A folder whose name is short, because the path of a socket may have 107 bytes only, and
/// tells which test process made it, so that the next one can tidy up after a killed one.
pub fn new_root() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    processes::tidy_up_after_the_dead();
    // What the tests make is there for the users that they play, however little whoever started
    // them lets others see.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let root = PathBuf::from(format!("/tmp/bgt-{}-{number}", std::process::id()));
    fs::create_dir(&root).unwrap();
    root
}

fn write_secret(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, format!("SHOP_SECRET={SECRET}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// PATH, what `ops/bootstrap` put into `target/tools` first, and no `bluegreen` of this machine's
/// anywhere in it: the one under test is found, or none.
pub fn path_with_tools() -> OsString {
    static PATH: OnceLock<OsString> = OnceLock::new();
    PATH.get_or_init(|| {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(tools).chain(std::env::split_paths(&path));
        std::env::join_paths(folders.filter_map(without_ours)).unwrap()
    })
    .clone()
}

/// The folder itself, or where this program is installed in it, one with links to all the rest.
fn without_ours(folder: PathBuf) -> Option<PathBuf> {
    if !folder.join("bluegreen").exists() {
        return Some(folder);
    }
    let mut rest = Vec::from_iter(fs::read_dir(&folder).unwrap().flatten());
    rest.retain(|entry| entry.file_name() != "bluegreen" && entry.file_name() != "bg");
    let links = (!rest.is_empty()).then(new_root)?;
    for entry in rest {
        symlink(entry.path(), links.join(entry.file_name())).unwrap();
    }
    Some(links)
}
