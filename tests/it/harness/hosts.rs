//! A sandbox starts what it says and leaves nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use bluegreen::model::color::Color;
use bluegreen::model::config::Config;

use crate::load::{Kind, Load};
use crate::sandbox::front::Front;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, SECRET, Sandbox, http, outcome::Running, processes, python};

#[test]
fn a_private_nginx_starts_reloads_stops_and_starts_again() {
    let mut sandbox = Sandbox::new();
    let address = sandbox.address();
    assert!(http::get(address, HOST, "/").is_err());
    let site = format!("server {{ listen {address}; location / {{ return 200 one; }} }}");
    fs::write(sandbox.front.sites().join("x.conf"), site).unwrap();
    let before = sandbox.front.workers();
    sandbox.front.reload();
    assert_eq!(sandbox.get("/").body, "one");
    assert!(sandbox.front.workers().iter().all(|pid| !before.contains(pid)));
    sandbox.front.stop();
    assert!(http::get(address, HOST, "/").is_err());
    sandbox.front.start_again();
    assert_eq!(sandbox.get("/").body, "one");
}

#[test]
fn nothing_of_a_dropped_sandbox_lives_on() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().to_owned();
    // A daemon that has left its parents behind and is known by its environment only.
    let script = "setsid sh -c 'sleep 300' >/dev/null 2>&1 & exit 0";
    let daemon = sandbox.command("sh").args(["-c", script]).status().unwrap();
    assert!(daemon.success());
    wait_until(Duration::from_secs(5), "the daemon runs", || {
        processes::of(&root)
            .iter()
            .any(|(_, line)| line.starts_with("sleep 300"))
    });
    let workers = sandbox.front.workers();
    drop(sandbox);
    assert_eq!(processes::of(&root), []);
    assert!(workers.iter().all(|pid| !is_nginx(*pid)), "{workers:?}");
    assert!(!root.exists());
}

#[test]
fn another_sandbox_is_left_alone() {
    let staying = Sandbox::new();
    let longer = format!("{}1", staying.root().display());
    let mut stranger = Command::new("sleep").arg("300").env("X", longer).spawn().unwrap();
    drop(Sandbox::new());
    assert_eq!(staying.front.workers().len(), 2);
    let root = staying.root().to_owned();
    drop(staying);
    assert!(stranger.try_wait().unwrap().is_none(), "{}", root.display());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn the_usual_bg_toml_is_one() {
    let sandbox = Sandbox::with(|config| {
        crate::sandbox::set(config, "gate", "soak", "7s");
    });
    let text = fs::read_to_string(sandbox.config()).unwrap();
    let config: Config = toml::from_str(&text).unwrap();
    assert_eq!(config.root, sandbox.app_root());
    assert_eq!(config.gate.soak.0, Duration::from_secs(7));
    assert_eq!(config.gate.timeout.0, Duration::from_secs(15));
    assert_eq!(
        config.process.ports.of(Color::Green),
        sandbox.slot_address(Color::Green).port()
    );
}

#[test]
fn the_sample_app_answers_every_kind_of_request_through_nginx() {
    let sandbox = Sandbox::new();
    let app = App::start(&sandbox, Color::Green);
    let upstream = sandbox.slot_address(Color::Green);
    let site = format!(
        "upstream u {{ server {upstream}; keepalive 8; }}\n\
         server {{ listen {}; location / {{ proxy_pass http://u; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header Host $host; }} }}",
        sandbox.address()
    );
    fs::write(sandbox.front.sites().join("x.conf"), site).unwrap();
    sandbox.front.reload();
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert!(sandbox.get("/").body.contains("release <b>r1</b>"));
    assert!(!sandbox.get("/").body.contains(SECRET));

    let all = [
        (Kind::Get, 2),
        (Kind::Post, 2),
        (Kind::FreshGet, 1),
        (Kind::FreshPost, 1),
        (Kind::Slow(1), 1),
        (Kind::Upload(1), 1),
        (Kind::Stream(1), 1),
    ];
    let load = Load::start(sandbox.address(), HOST, &all);
    wait_until(Duration::from_secs(20), "every kind was answered", || {
        let count = load.so_far();
        count.by_kind.len() == all.len() && count.requests > 300
    });
    let count = load.stop();
    assert_eq!((count.failed, count.wrong), (0, 0), "{:?}", count.failures);
    assert_eq!(count.by_color["green"], count.requests);
    assert_eq!(count.by_release["r1"], count.requests);
    assert_eq!(count.switches, []);

    // The same load notices when the app goes.
    let load = sandbox.load();
    wait_until(Duration::from_secs(20), "load", || load.so_far().requests > 20);
    drop(app);
    wait_until(Duration::from_secs(20), "failures", || {
        load.so_far().by_status.contains_key(&502)
    });
    let count = load.stop();
    assert!(
        count.failures.iter().any(|why| why.ends_with("status 502")),
        "{count:?}"
    );
}

#[test]
fn a_command_that_runs_on_can_be_watched_and_killed() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo begun; exec sleep 300"]);
    let mut running = Running::start(command, &["sh"]);
    assert!(!running.has_ended());
    running.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(running.wait().code, None);
}

#[test]
fn more_lines_in_the_http_block_are_in_force() {
    let root = Sandbox::new();
    let mut front = Front::start_with(&root.root().join("second"), "types_hash_bucket_size 128;");
    assert!(
        fs::read_to_string(front.conf())
            .unwrap()
            .contains("types_hash_bucket_size 128;")
    );
    front.stop();
}

/// The sample app started by hand, as PM2 will.
struct App(std::process::Child);

impl App {
    fn start(sandbox: &Sandbox, color: Color) -> App {
        let venv = sandbox.root().join("venv");
        let made = sandbox
            .command("sh")
            .args(["-c", "uv venv -q --python \"$1\" \"$2\" 2>/dev/null && uv pip install -q --python \"$2/bin/python\" -r requirements.txt || { \"$1\" -m venv \"$2\" && \"$2/bin/python\" -m pip install -q -r requirements.txt; }", "sh"])
            .args([python::interpreter(), venv.clone()])
            .current_dir(sandbox.repo())
            .status()
            .unwrap();
        assert!(made.success());
        let address = sandbox.slot_address(color);
        let child = sandbox
            .command(venv.join("bin/python").to_str().unwrap())
            .args(["-m", "gunicorn", "--worker-class", "gthread", "--threads", "8"])
            .args(["--keep-alive", "75", "--bind", &address.to_string(), "app:app"])
            .env("SHOP_SECRET", SECRET)
            .env("BG_COLOR", color.name())
            .env("BG_RELEASE", "r1")
            .current_dir(sandbox.repo())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(Duration::from_secs(20), "the sample app answers", || {
            http::get(address, HOST, "/health").is_ok_and(|answer| answer.status == 200)
        });
        App(child)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
        self.0.wait().ok();
    }
}

fn is_nginx(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("nginx:"))
}
