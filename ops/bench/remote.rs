//! What going over SSH costs: `bg status` against `ssh HOST true`, and a switch of sixteen
//! hosts against one's, all on this machine. `ops/bench/remote` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

#[path = "../load/load.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the demo")]
mod load;
#[path = "../../tests/it"]
#[allow(dead_code, reason = "shared with the tests")]
mod it {
    pub mod sandbox;
}

use it::sandbox;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::afar::Afar;
use serde_json::json;

/// Runs of each command; the medians are compared.
const STATUS_RUNS: usize = 21;
const SWITCH_RUNS: usize = 5;

/// Hosts of the fleet.
const FLEET: usize = 16;

fn main() {
    let only_json = std::env::args().any(|word| word == "--json");
    let say = |text: String| {
        if !only_json {
            println!("{text}");
        }
    };
    let (ssh, status) = one_status();
    say(format!("ssh HOST true    {:>6.0} ms", ms(ssh)));
    say(format!("bg status        {:>6.0} ms", ms(status)));
    let fleet = fleet_switch();
    say(format!("bg switch, 1     {:>6.0} ms", ms(fleet.one)));
    say(format!("bg switch, {FLEET}    {:>6.0} ms", ms(fleet.all)));
    say(format!("client           {:>6.1} MB at most", fleet.client_mb));
    let ratio =
        |over: Duration, under: Duration| (over.as_secs_f64() / under.as_secs_f64() * 100.0).round() / 100.0;
    println!(
        "{}",
        json!({
            "status_ratio": ratio(status, ssh),
            "fleet16_ratio": ratio(fleet.all, fleet.one),
            "client_rss_mb": (fleet.client_mb * 10.0).round() / 10.0,
        })
    );
}

/// The two take turns, so that whatever else the machine does falls on both.
fn one_status() -> (Duration, Duration) {
    let afar = Afar::deployed(1);
    let (mut ssh, mut status) = (Vec::new(), Vec::new());
    for _ in 0..STATUS_RUNS {
        ssh.push(time(&mut ssh_true(&afar)));
        status.push(time(&mut afar.command(&[
            "status",
            "--app",
            sandbox::APP,
            "--hosts",
            "web1",
        ])));
    }
    (median(ssh), median(status))
}

/// OpenSSH's client with the same files; it takes no other home than the user's own.
fn ssh_true(afar: &Afar) -> Command {
    let mut command = Command::new("ssh");
    let known = afar.home.ssh("known_hosts");
    command
        .arg("-F")
        .arg(afar.home.ssh("config"))
        .arg("-i")
        .arg(afar.home.ssh("id_ed25519"))
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "web1", "true"]);
    command
}

struct FleetSwitch {
    one: Duration,
    all: Duration,
    client_mb: f64,
}

fn fleet_switch() -> FleetSwitch {
    // All of them share the cores of this machine, and each proves its switch on them. The
    // window is the one that a bg.toml without a word on it has.
    let afar = Afar::deployed_with(FLEET, |_, config| {
        sandbox::set(config, "timeouts", "proof", "30s");
        sandbox::set(config, "evidence", "window", "1s");
    });
    let first = &afar.servers[0].sandbox;
    first.commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    afar.everywhere(&["deploy"]).assert_code(0);
    let all = afar.all();
    let (mut one, mut every, mut client_mb) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..SWITCH_RUNS {
        for _ in 0..2 {
            one.push(time(&mut afar.command(&[
                "switch",
                "--app",
                sandbox::APP,
                "--hosts",
                "web1",
            ])));
        }
        let (took, mb) = watched(&mut afar.command(&["switch", "--app", sandbox::APP, "--hosts", &all]));
        every.push(took);
        client_mb = client_mb.max(mb);
    }
    FleetSwitch {
        one: median(one),
        all: median(every),
        client_mb,
    }
}

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let took = began.elapsed();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    took
}

/// With the most memory that it was seen to hold.
fn watched(command: &mut Command) -> (Duration, f64) {
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0.0_f64;
    let status = loop {
        most = most.max(peak_mb(child.id()).unwrap_or(0.0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{command:?}: {status}");
    (began.elapsed(), most)
}

fn peak_mb(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kb / 1024.0)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
