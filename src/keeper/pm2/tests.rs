use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use nix::sys::signal::Signal;
use sys::process::{self, Process};

use crate::pm2::*;

/// A PM2 of its own in a folder short enough for a socket's path, ended when dropped.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    pub(crate) pm2: Pm2,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox::at_home("h")
    }

    /// With a `PM2_HOME` of that name.
    fn at_home(name: &str) -> Sandbox {
        let folder = tempfile::Builder::new().prefix("bgp").tempdir_in("/tmp").unwrap();
        let bin = sys::command::find_program(Path::new("pm2")).expect("the tests need pm2");
        let pm2 = Pm2::new(bin, folder.path().join(name));
        for name in ["old", "new"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let sandbox = Sandbox { folder, pm2 };
        sandbox.script("app", "exec sleep 300");
        sandbox
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn spec(&self, name: &str, folder: &str) -> Spec {
        Spec {
            name: name.into(),
            script: self.path().join("app"),
            args: vec!["launch".into(), "two words".into()],
            folder: self.path().join(folder),
            env: BTreeMap::from([("BG_MEANT".into(), "yes".into())]),
            log: self.path().join("log"),
            kill_timeout: Duration::from_secs(3),
            min_uptime: Duration::from_secs(10),
        }
    }

    pub(crate) async fn start(&self, spec: &Spec) -> Result<Proc, Pm2Error> {
        self.pm2.start(spec, self.path()).await
    }

    fn daemon(&self) -> Option<Process> {
        let pid = fs::read_to_string(self.pm2.home().join("pm2.pid")).ok()?;
        Process::of(pid.trim().parse().ok()?)
    }

    pub(crate) fn cli(&self, args: &[&str]) -> std::process::Output {
        std::process::Command::new(&self.pm2.bin)
            .args(args)
            .env("PM2_HOME", self.pm2.home())
            .current_dir("/")
            .output()
            .unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Some(daemon) = self.daemon() else { return };
        self.cli(&["kill"]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while daemon.alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            !daemon.alive() || std::thread::panicking(),
            "PM2's daemon lives on"
        );
    }
}

/// It says so in a title that has no room for it.
#[tokio::test]
async fn a_daemon_is_found_however_long_the_name_of_its_home_is() {
    let sandbox = Sandbox::at_home("the folder of somebody with a long name/.pm2");
    sandbox.start(&sandbox.spec("flask-blue", "old")).await.unwrap();
    let daemon = sandbox.daemon().unwrap();
    let title = process::cmdline(daemon.pid).unwrap();
    assert!(!title.contains("/.pm2"), "{title}");
    let found = daemons::running();
    let found = found.iter().find(|one| one.pid == daemon.pid);
    assert_eq!(found.map(|one| one.home.as_path()), Some(sandbox.pm2.home()));
}

fn names(entries: &[Proc]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[tokio::test]
async fn a_known_name_runs_what_it_is_now_told_to_run() {
    let sandbox = Sandbox::new();
    let first = sandbox.start(&sandbox.spec("flask-blue", "old")).await.unwrap();
    let second = sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    let runs_in = |entry: &Proc| process::cwd(entry.pid.unwrap());
    assert_eq!(runs_in(&second), Some(sandbox.path().join("new")));
    assert_eq!(runs_in(&first), None, "the old process lives on");
    assert_eq!(second.args, ["launch", "two words"]);
    assert_eq!(second.kill_timeout, Duration::from_secs(3));
    assert!(second.is_running());
    assert_eq!(
        sandbox.pm2.version().await.unwrap().as_deref().map(str::is_empty),
        Some(false)
    );
    let left = fs::read_dir(sandbox.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    assert!(
        !left
            .into_iter()
            .any(|name| name.to_string_lossy().starts_with(".start-"))
    );
}

#[tokio::test]
async fn online_without_a_process_is_an_error() {
    let sandbox = Sandbox::new();
    let no_folder = sandbox.spec("no-folder", "gone");
    let no_right = Spec {
        script: sandbox.script("not-executable", "exec sleep 300"),
        ..sandbox.spec("no-right", "new")
    };
    fs::set_permissions(&no_right.script, fs::Permissions::from_mode(0o644)).unwrap();
    for spec in [no_folder, no_right] {
        let error = sandbox.start(&spec).await.unwrap_err();
        assert!(
            matches!(&error, Pm2Error::NoProcess { status, .. } if status == "online"),
            "{error}"
        );
        assert!(
            error.to_string().contains(spec.folder.to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn every_entry_of_a_name_is_deleted_and_no_other() {
    let sandbox = Sandbox::new();
    sandbox.start(&sandbox.spec("flask-green", "new")).await.unwrap();
    sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    let app = sandbox.path().join("app");
    let started = sandbox.cli(&["start", app.to_str().unwrap(), "-f", "--name", "flask-blue"]);
    assert!(started.status.success());
    let twice = sandbox.pm2.named("flask-blue").await.unwrap();
    assert_eq!(names(&twice), ["flask-blue", "flask-blue"]);

    sandbox.pm2.delete("flask-blue").await.unwrap();
    assert_eq!(
        names(&sandbox.pm2.list().await.unwrap().entries()),
        ["flask-green"]
    );
    assert!(
        twice
            .iter()
            .all(|entry| entry.pid.is_none_or(|pid| Process::of(pid).is_none()))
    );
    sandbox.pm2.delete("flask-blue").await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_is_down_is_reported_and_not_started() {
    let sandbox = Sandbox::new();
    let pm2 = &sandbox.pm2;
    assert_eq!(pm2.list().await.unwrap(), Daemon::Down);
    assert_eq!(pm2.named("flask-blue").await.unwrap(), []);
    assert_eq!(pm2.version().await.unwrap(), None);
    assert!(matches!(pm2.save().await, Err(Pm2Error::Down { .. })));
    assert!(pm2.delete("flask-blue").await.is_ok());
    assert!(!pm2.home().exists(), "something was started");

    let entry = sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    let daemon = sandbox.daemon().unwrap();
    daemon.signal(Signal::SIGKILL).unwrap();
    assert!(process::gone_by(&[daemon], Instant::now() + Duration::from_secs(5)).await);
    assert_eq!(pm2.list().await.unwrap(), Daemon::Down);
    assert!(sandbox.daemon().is_none(), "something was started");
    let orphan = Process::of(entry.pid.unwrap()).unwrap();
    process::end(orphan, Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn the_daemon_outlives_who_started_it_and_holds_nothing_of_theirs() {
    let sandbox = Sandbox::new();
    let lock = sandbox.path().join("lock");
    let _held = fs::File::create(&lock).unwrap();
    // `start` returns at all: the daemon does not hold the pipe that its output is read from.
    let entry = sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    let daemon = sandbox.daemon().unwrap();
    for pid in [daemon.pid, entry.pid.unwrap()] {
        let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid.cast_signed()))).unwrap();
        assert_eq!(
            session.as_raw().cast_unsigned(),
            pid,
            "not in a session of its own"
        );
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let held: Vec<_> = files.filter_map(|file| fs::read_link(file.path()).ok()).collect();
        assert!(!held.is_empty() && !held.contains(&lock), "{held:?}");
    }
    assert_eq!(process::cwd(daemon.pid), Some("/".into()));
}

#[tokio::test]
async fn the_callers_environment_stays_out_of_the_dump() {
    let sandbox = Sandbox::new();
    sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    sandbox.pm2.save().await.unwrap();
    let dump = fs::read_to_string(sandbox.pm2.dump_file()).unwrap();
    assert!(dump.contains("BG_MEANT"));
    // Cargo sets dozens of variables for a test.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO_")));
    assert!(!dump.contains("CARGO_") && !dump.contains(sys::command::RUN_MARK));
    let environ = fs::read_to_string(format!("/proc/{}/environ", sandbox.daemon().unwrap().pid)).unwrap();
    assert!(!environ.contains("CARGO_"), "{environ}");
}

#[tokio::test]
async fn a_saved_list_comes_back() {
    let sandbox = Sandbox::new();
    let spec = sandbox.spec("flask-blue", "new");
    sandbox.start(&spec).await.unwrap();
    assert_eq!(sandbox.pm2.dump().unwrap(), []);
    sandbox.pm2.save().await.unwrap();
    let dumped = sandbox.pm2.dump().unwrap();
    assert_eq!(dumped.len(), 1);
    let saved = &dumped[0];
    assert_eq!((&saved.name, &saved.cwd), (&spec.name, &spec.folder));
    assert_eq!((&saved.script, &saved.args), (&spec.script, &spec.args));
    assert_eq!(saved.status, "online");
    sandbox.cli(&["kill"]);
    assert_eq!(sandbox.pm2.list().await.unwrap(), Daemon::Down);
    let back = sandbox.pm2.resurrect().await.unwrap();
    assert_eq!(names(&back), ["flask-blue"]);
    assert!(back[0].is_running());

    sandbox.pm2.delete("flask-blue").await.unwrap();
    sandbox.pm2.save().await.unwrap();
    assert_eq!(sandbox.pm2.dump().unwrap(), [], "an empty list was not saved");
}

/// A program that fails shows whether it was asked.
#[tokio::test]
async fn only_a_list_that_changed_is_written() {
    let sandbox = Sandbox::new();
    let spec = sandbox.spec("flask-blue", "new");
    sandbox.start(&spec).await.unwrap();
    let failing = Pm2::new(sandbox.script("failing", "exit 1"), sandbox.pm2.home());
    assert!(matches!(failing.save().await, Err(Pm2Error::Command(_))));
    sandbox.pm2.save().await.unwrap();
    failing.save().await.unwrap();
    // Another process of the same program, with other variables.
    let mut other = spec.clone();
    other.env.insert("BG_MEANT".into(), "else".into());
    sandbox.start(&other).await.unwrap();
    let before = fs::read_to_string(sandbox.pm2.dump_file()).unwrap();
    sandbox.pm2.save().await.unwrap();
    let after = fs::read_to_string(sandbox.pm2.dump_file()).unwrap();
    assert!(!before.contains("else") && after.contains("else"));
    failing.save().await.unwrap();
    sandbox.cli(&["stop", "flask-blue"]);
    sandbox.pm2.save().await.unwrap();
    assert_eq!(sandbox.pm2.dump().unwrap()[0].status, "stopped");
}

#[tokio::test]
async fn a_dump_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.start(&sandbox.spec("flask-blue", "new")).await.unwrap();
    fs::create_dir(sandbox.pm2.dump_file()).unwrap();
    let error = sandbox.pm2.save().await.unwrap_err();
    assert!(matches!(error, Pm2Error::Closed { .. }), "{error}");
    fs::remove_dir(sandbox.pm2.dump_file()).unwrap();
    // A program that says it has saved, and has not.
    let liar = Pm2::new(sandbox.script("liar", "exit 0"), sandbox.pm2.home());
    let error = liar.save().await.unwrap_err();
    assert!(matches!(error, Pm2Error::NotSaved { .. }), "{error}");
    fs::write(sandbox.pm2.dump_file(), "[{").unwrap();
    assert!(matches!(liar.save().await, Err(Pm2Error::DumpDamaged { .. })));
}

#[tokio::test]
async fn an_odd_socket_is_answered_for_by_the_command_line() {
    use tokio::io::AsyncWriteExt;
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.pm2.home()).unwrap();
    let listener = tokio::net::UnixListener::bind(sandbox.pm2.home().join("rpc.sock")).unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    let list = r#"[{"pid":7,"name":"flask-blue","pm_id":0,"pm2_env":{}}]"#;
    let bin = sandbox.script("pm2", &format!("echo '[PM2] out-of-date'; echo '{list}'"));
    let entries = Pm2::new(bin, sandbox.pm2.home()).list().await.unwrap().entries();
    assert_eq!(names(&entries), ["flask-blue"]);
    let broken = Pm2::new(sandbox.script("broken", "echo nothing"), sandbox.pm2.home());
    assert!(matches!(
        broken.list().await,
        Err(Pm2Error::List(RpcError::Odd(_)))
    ));
    server.abort();
}
