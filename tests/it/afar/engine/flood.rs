//! A host that prints without end, at every step: the client stays small.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::recovery::scene::LONG;
use crate::sandbox::afar::Afar;
use crate::sandbox::wait::wait_until;

/// How long each flood is looked at: on any line some hundred megabytes come in that time.
const WATCHED: Duration = Duration::from_secs(6);

/// What the client may have at most, in kB: it has some 40 MB, the program to bring among them.
const MOST: u64 = 160 << 10;

fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_host_that_prints_without_end_does_not_fill_the_clients_memory() {
    let mut afar = Afar::new(1);
    let floods = [
        (
            "zeros while the engine is brought",
            "exec cat /dev/zero",
            "exit 127",
        ),
        ("lines while the engine is brought", "exec yes", "exit 127"),
        ("empty lines", "exec yes ''", "exit 127"),
        ("complaints", "exec cat /dev/zero >&2", "exit 127"),
        ("zeros for a hello", "exit 1", "exec cat /dev/zero"),
        ("lines for a hello", "exit 1", "exec yes '{}'"),
        (
            "a hello and then zeros",
            "exit 1",
            "echo '{\"hello\":{\"protocol\":PROTOCOL,\"version\":\"99.0.0\"}}'; exec cat /dev/zero",
        ),
    ];
    for (what, upload, engine) in floods {
        let script = format!(
            "#!/bin/sh\ncase $SSH_ORIGINAL_COMMAND in\n*bluegreen-upload*) {upload} ;;\n*uname*) echo; uname -sm ;;\n*) {engine} ;;\nesac\n"
        )
        .replace("PROTOCOL", &bluegreen::model::wire::PROTOCOL.to_string());
        let file = afar.servers[0].install("flood", &script);
        afar.servers[0].reopen(&[&format!("ForceCommand {}", file.display())]);
        afar.introduce();
        let asked = afar.command(&["status", "--app", "shop", "--hosts", "web1"]);
        assert_stays_small(what, asked, || true);
    }
}

/// Looks at a client once it is flooded.
#[track_caller]
fn assert_stays_small(what: &str, mut command: Command, is_flooded: impl FnMut() -> bool) {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    wait_until(LONG, what, is_flooded);
    let until = Instant::now() + WATCHED;
    let mut most = 0;
    while Instant::now() < until && client.try_wait().unwrap().is_none() {
        most = peak(client.id()).map_or(most, |peak| peak.max(most));
        std::thread::yield_now();
    }
    client.kill().ok();
    client.wait().unwrap();
    assert!(most < MOST, "{what}: the client had {most} kB");
}

/// Nobody listens to a host that is being sent something.
#[test]
fn a_host_that_prints_without_end_instead_of_taking_what_is_brought() {
    let mut afar = Afar::deployed(1);
    let app = afar.desk().join("app");
    fs::create_dir(&app).unwrap();
    let random = File::open("/dev/urandom").unwrap();
    let mut much = File::create(app.join("much")).unwrap();
    std::io::copy(&mut random.take(24 << 20), &mut much).unwrap();
    let mark = afar.desk().join("flooded");
    let hello = "{\"hello\":{\"protocol\":PROTOCOL,\"version\":\"VERSION\"}}"
        .replace("PROTOCOL", &bluegreen::model::wire::PROTOCOL.to_string())
        .replace("VERSION", env!("CARGO_PKG_VERSION"));
    let script = format!(
        "#!/bin/sh\necho '{hello}'\nread -r line\n\
         case $line in *'\"receive\"'*) touch {}; exec cat /dev/zero ;; esac\n\
         (printf '%s\\n' \"$line\"; cat) | {} engine | sed -u 1d\n",
        mark.display(),
        env!("CARGO_BIN_EXE_bluegreen")
    );
    let file = afar.servers[0].install("flood", &script);
    afar.servers[0].reopen(&[&format!("ForceCommand {}", file.display())]);
    afar.introduce();
    let from = app.to_str().unwrap();
    let brings = afar.command(&["deploy", "--app", "shop", "--hosts", "web1", "--from", from]);
    assert_stays_small("zeros for a parcel", brings, || mark.exists());
}
