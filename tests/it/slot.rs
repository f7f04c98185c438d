//! Taking a slot over, and what a rollback finds in one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bluegreen::model::color::Color;
use bluegreen::sys::sockets;

use crate::load::{Kind, Load};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, Sandbox, set};

#[test]
fn two_deploys_in_a_row_cut_no_slow_request_no_upload_and_no_stream() {
    let kinds = [
        (Kind::Get, 2),
        (Kind::Post, 1),
        (Kind::Slow(6), 3),
        (Kind::Upload(6), 3),
        (Kind::Stream(6), 2),
    ];
    two_deploys_cut_nothing(&kinds);
}

/// It comes to the old color when its body is whole, and no connection shows it before.
#[test]
fn an_upload_from_before_a_swap_finds_the_old_color() {
    two_deploys_cut_nothing(&[(Kind::Upload(8), 4)]);
}

fn two_deploys_cut_nothing(kinds: &[(Kind, usize)]) {
    let sandbox = Sandbox::deployed_with(|config| {
        set(config, "drain", "quiet", "10s");
        set(config, "drain", "timeout", "30s");
    });
    let first = sandbox.live_release();
    let load = Load::start(sandbox.address(), HOST, kinds);
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.commit_edit("third", "Hello", "Welcome");
    let third = sandbox.bg(&["deploy"]);
    third
        .assert_code(0)
        .assert_says("blue may still be answering requests from before the last switch");
    third.assert_says("blue stopped, 0 requests dropped");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{third}");
    let count = load.stop();
    assert_eq!((count.failed, count.wrong), (0, 0), "{count:?}\n{third}");
    assert_eq!(count.by_kind.len(), kinds.len(), "{count:?}");
    // What began before the first swap was answered by what was live then.
    assert!(count.by_release.contains_key(&first), "{count:?}");
}

#[test]
fn a_connection_that_stays_open_is_refused_waited_for_or_closed_as_configured() {
    let sandbox = Sandbox::with(|config| {
        set(config, "drain", "timeout", "1s");
        set(config, "drain", "connections", "refuse");
    });
    sandbox.commit_edit("long streams", "60.0", "6000.0");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let held = LongStream::open(&sandbox);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    wait_for_one_connection(&sandbox, Color::Blue);

    let pid = sandbox.status()["slots"][0]["pid"].clone();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &refused,
        1,
        "1 connection to blue is still open, so blue was not stopped",
        Color::Green,
    );
    refused.assert_says("drain.connections");
    assert_eq!(sandbox.status()["slots"][0]["pid"], pid, "its process must go on");
    assert!(held.goes_on(), "the stream was cut by a refusal");

    sandbox.configure(|config| set(config, "drain", "connections", "wait"));
    let waiting = sandbox.bg_start(&["deploy"]);
    wait_until(Duration::from_secs(60), "the deploy waits", || {
        last_run(&sandbox).contains(r#""notice":"waiting_for_connections""#)
    });
    assert!(held.goes_on(), "the stream was cut");
    drop(held);
    let deployed = waiting.wait();
    deployed
        .assert_code(0)
        .assert_says("blue stopped, 0 requests dropped");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{deployed}");

    sandbox.configure(|config| set(config, "drain", "connections", "close"));
    let held = LongStream::open(&sandbox);
    sandbox.bg(&["switch"]).assert_code(0);
    wait_for_one_connection(&sandbox, Color::Blue);
    let deployed = sandbox.bg(&["deploy"]);
    deployed
        .assert_code(0)
        .assert_says("blue stopped, 1 open connection closed");
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{deployed}");
    assert!(!held.goes_on());
}

/// NGINX keeps idle connections in a pool for a while.
fn wait_for_one_connection(sandbox: &Sandbox, color: Color) {
    let port = sandbox.slot_address(color).port();
    wait_until(Duration::from_secs(120), "only the stream is left", || {
        sockets::open_connections(port) == 1
    });
}

fn last_run(sandbox: &Sandbox) -> String {
    let runs = fs::read_dir(sandbox.app_root().join("state/runs")).unwrap();
    let newest = runs.flatten().map(|run| run.path()).max().unwrap();
    fs::read_to_string(newest).unwrap()
}

/// A streamed answer that does not end by itself.
struct LongStream(TcpStream);

impl LongStream {
    fn open(sandbox: &Sandbox) -> LongStream {
        let mut stream = TcpStream::connect(sandbox.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "GET /stream?seconds=3000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        )
        .unwrap();
        let stream = LongStream(stream);
        assert!(stream.goes_on());
        stream
    }

    /// Whether more comes, after all that came by now.
    fn goes_on(&self) -> bool {
        let mut piece = [0; 64 << 10];
        let mut stream = &self.0;
        stream.set_nonblocking(true).unwrap();
        while matches!(stream.read(&mut piece), Ok(1..)) {}
        stream.set_nonblocking(false).unwrap();
        matches!(stream.read(&mut piece), Ok(1..))
    }
}

#[test]
fn a_rollback_starts_what_died_and_typed_twice_it_does_not_swing_back() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.pm2(&["stop", "flask-blue"]).assert_code(0);
    assert_eq!(sandbox.status()["rollback"]["state"], "cold");
    let rollback = sandbox.bg(&["rollback"]);
    rollback
        .assert_code(0)
        .assert_says("blue is not warm (`flask-blue` is stopped");
    rollback.assert_says("blue was not running and was started again");
    assert!(sandbox.get("/").body.contains("Good day"), "{rollback}");
    assert_eq!(sandbox.link(), "blue");
    assert!(
        rollback.stdout.contains("switch green` moves traffic back to it"),
        "{rollback}"
    );

    let again = sandbox.bg(&["rollback"]);
    sandbox.assert_five(&again, 1, "cannot tell what to roll back to", Color::Blue);
    again.assert_says(
        "which an earlier run refused or went back from: `bluegreen switch green` goes there anyway",
    );
    assert_eq!(sandbox.status()["rollback"]["state"], "nothing");

    // Started, and gated: a release that does not pass gets no traffic.
    sandbox.pm2(&["stop", "flask-green"]).assert_code(0);
    let green = sandbox.status()["slots"][1]["release"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::write(
        sandbox.app_root().join("releases").join(green).join("app.py"),
        "raise SystemExit(3)",
    )
    .unwrap();
    let refused = sandbox.bg(&["switch", "green"]);
    sandbox.assert_five(&refused, 1, "green did not pass the gate", Color::Blue);
}

#[test]
fn an_older_release_is_brought_back_without_building_anything() {
    let sandbox = Sandbox::deployed();
    let first = sandbox.live_release();
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.commit_edit("third", "Hello", "Welcome");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    // Neither could be fetched or installed.
    fs::remove_dir_all(sandbox.repo()).unwrap();
    let venvs = times(&sandbox.app_root().join("venvs"));
    assert!(venvs.len() > 100, "{}", venvs.len());
    let load = sandbox.load();
    let rollback = sandbox.bg(&["rollback", "--to", &first]);
    rollback.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{rollback}");
    assert_eq!(sandbox.get("/").header("x-app-release"), Some(first.as_str()));
    assert!(sandbox.get("/").body.contains("Good day"));
    assert!(!rollback.stderr.contains("python packages"), "{rollback}");
    assert_eq!(times(&sandbox.app_root().join("venvs")), venvs);
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");

    // By its commit, as people copy it; what several begin with is not guessed.
    let (_, short) = first.split_once('-').unwrap();
    let again = sandbox.bg(&["rollback", "--to", short]);
    assert!(again.stdout.contains(short), "{again}");
    again.assert_code(0);
    let unclear = sandbox.bg(&["rollback", "--to", &first[..4]]);
    sandbox.assert_five(&unclear, 1, "fits 3 releases", Color::Green);
    unclear.assert_says(&first);
    let nobodys = sandbox.bg(&["rollback", "--to", "1999"]);
    sandbox.assert_five(
        &nobodys,
        1,
        "no kept release or commit begins with `1999`",
        Color::Green,
    );

    let unknown = sandbox.bg(&["rollback", "--to", "20200101T000000Z-0000000"]);
    sandbox.assert_five(&unknown, 1, "cannot be used", Color::Green);
    unknown.assert_says("releases` lists those that are kept");
}

/// When each file below `folder` was last written.
fn times(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.extend(times(&entry.path()));
        }
        found.insert(entry.path(), metadata.modified().unwrap());
    }
    found
}
