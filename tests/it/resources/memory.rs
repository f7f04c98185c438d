//! Too little memory for both colors at once.

use std::fs;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;
use toml::Table;

use crate::sandbox::mounts::{Over, with_mounts};
use crate::sandbox::{Sandbox, set};

/// What each color holds, in MB.
const HELD: u64 = 200;

/// The app with a cache in memory, every page of it used.
fn hold_memory(sandbox: &Sandbox) {
    let holding = format!("app = Flask(__name__)\nCACHE = b\"x\" * ({HELD} << 20)\n");
    sandbox.commit_edit("a cache in memory", "app = Flask(__name__)\n", &holding);
}

fn ask_for(sandbox: &Sandbox, megabytes: i64) {
    sandbox.configure(|config| set(config, "process", "memory_mb", megabytes));
}

/// Another `/proc/meminfo`.
struct Machine {
    file: PathBuf,
    _over: Over,
}

impl Machine {
    fn new(folder: &Path) -> Machine {
        let (file, kernels) = (folder.join("meminfo"), Path::new("/proc/meminfo"));
        fs::copy(kernels, &file).unwrap();
        let over = Over::bound(&file, kernels);
        Machine { file, _over: over }
    }

    /// Has so many MB be free.
    fn has(&self, megabytes: u64) {
        let text = fs::read_to_string(&self.file).unwrap();
        let lines = text.lines().map(|line| match line.split_once(':') {
            Some(("MemAvailable", _)) => format!("MemAvailable: {} kB\n", megabytes << 10),
            Some(("SwapFree", _)) => "SwapFree: 0 kB\n".to_owned(),
            _ => format!("{line}\n"),
        });
        fs::write(&self.file, lines.collect::<String>()).unwrap();
    }
}

#[test]
fn a_color_that_would_not_fit_beside_the_live_one_is_not_started() {
    with_mounts(
        "resources::memory::a_color_that_would_not_fit_beside_the_live_one_is_not_started",
        || {
            let sandbox = Sandbox::new();
            hold_memory(&sandbox);
            sandbox.bg(&["setup"]).assert_code(0);
            let machine = Machine::new(sandbox.root());
            machine.has(1);
            // Nothing shows yet what it needs.
            sandbox.bg(&["deploy"]).assert_code(0);
            let refused = |command: &[&str], starting: &str, live| {
                let outcome = sandbox.bg(command);
                let what = format!("there is too little memory to start {starting}: {live} uses 2");
                sandbox.assert_five(&outcome, 1, &what, live);
                outcome.assert_says(&format!("traffic: unchanged, {live}"));
                outcome.assert_says("`process.memory_mb` in");
                outcome
            };

            machine.has(HELD / 2);
            let deploy = refused(&["deploy"], "green", Color::Blue);
            deploy.assert_says("100 MB are free for green");
            assert!(!deploy.stderr.contains("fetched"), "nothing was begun: {deploy}");
            let check = sandbox.bg(&["check", "--json"]);
            assert!(check.stdout.contains("MB, 100 MB are free for green"), "{check}");

            // Whoever knows better says so.
            ask_for(&sandbox, 110);
            let deploy = sandbox.bg(&["deploy"]);
            sandbox.assert_five(&deploy, 1, "`process.memory_mb` asks for 110 MB", Color::Blue);
            ask_for(&sandbox, 90);
            sandbox.bg(&["deploy"]).assert_code(0);
            sandbox.configure(|config| {
                config["process"].as_table_mut().unwrap().remove("memory_mb");
            });

            // What is warm needs no more than it has, and what goes leaves its part.
            machine.has(1);
            sandbox.bg(&["rollback"]).assert_code(0);
            sandbox.bg(&["switch", "green"]).assert_code(0);
            machine.has(HELD / 2);
            // There is no room for the one that goes and one that is tried.
            sandbox.configure(|config| set(config, "gate", "preflight", "start"));
            let deployed = sandbox.bg(&["deploy"]);
            deployed.assert_code(0).assert_says(" can be imported, tried in ");
            assert_eq!(sandbox.live_color(), Some(Color::Blue));

            // One that has to be started is one more.
            sandbox.pm2(&["delete", "flask-green"]).assert_code(0);
            refused(&["rollback"], "green", Color::Blue);
            let applied = sandbox.app_root().join("bg.toml");
            let cold = refused(&["switch", "green"], "green", Color::Blue);
            cold.assert_says(applied.to_str().unwrap());
            let mut config: Table = fs::read_to_string(&applied).unwrap().parse().unwrap();
            set(&mut config, "process", "memory_mb", 0);
            fs::write(&applied, toml::to_string(&config).unwrap()).unwrap();
            sandbox.bg(&["switch", "green"]).assert_code(0);
            assert_eq!(sandbox.live_color(), Some(Color::Green));
        },
    );
}

/// A control group of the kernel's, for memory; gone when dropped.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    /// `None` where this machine does not let a test make one.
    fn new() -> Option<Group> {
        let name = format!("bgt-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        kinds.into_iter().find_map(|(mount, limit)| {
            let folder = Path::new(mount).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Group { folder, limit };
            group.folder.join(limit).exists().then_some(group)
        })
    }

    fn limit(&self, megabytes: u64) {
        fs::write(self.folder.join(self.limit), (megabytes << 20).to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.folder).ok();
    }
}

#[test]
fn the_limit_that_pm2_lives_under_counts() {
    let Some(group) = Group::new() else {
        eprintln!("NOT RUN: a limit on memory needs root that may make a control group");
        return;
    };
    let sandbox = Sandbox::new();
    hold_memory(&sandbox);
    sandbox.bg(&["setup"]).assert_code(0);
    let script = format!(
        "echo $$ > {}/cgroup.procs && exec pm2 ping",
        group.folder.display()
    );
    let started = sandbox
        .command("sh")
        .args(["-c", &script])
        .env("PM2_HOME", sandbox.pm2_home())
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    group.limit(450);
    sandbox.bg(&["deploy"]).assert_code(0);

    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 1, "too little memory to start green", Color::Blue);
    let name = group.folder.file_name().unwrap().to_str().unwrap();
    deploy.assert_says(&format!("under the limit of `/{name}`"));
    group.limit(900);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}
