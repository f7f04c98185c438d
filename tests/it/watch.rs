//! A release that is watched after the switch: one that is worse is taken back, and the visitors are
//! spared what can be spared them.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bluegreen::model::color::Color;
use toml::Table;

use crate::sandbox::http::get_from;
use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, Sandbox, set};

const PATIENCE: Duration = Duration::from_secs(60);

fn ready(change: impl Fn(&mut Table)) -> (Sandbox, Port) {
    let port = Port::free();
    let sandbox = Sandbox::deployed_with(|config| {
        set(config, "nginx", "loopback_port", i64::from(port.number()));
        change(config);
    });
    (sandbox, port)
}

/// A release that passes its gate, and fails one in three of what visitors ask for.
fn commit_a_bad_one(sandbox: &Sandbox) {
    sandbox.commit_edit(
        "a release that fails now and then",
        "def whoami():\n",
        "def whoami(asked=[]):\n    asked.append(1)\n    assert len(asked) % 3\n",
    );
}

/// They ask for a page again and again, some ten times a second, from fifty addresses.
struct Visitors {
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicU64>,
    asking: JoinHandle<u64>,
}

impl Visitors {
    fn come(sandbox: &Sandbox) -> Visitors {
        let (stop, failed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let address = sandbox.address();
        let (their_stop, their_failed) = (stop.clone(), failed.clone());
        let asking = std::thread::spawn(move || {
            let mut asked = 0;
            while !their_stop.load(Ordering::Relaxed) {
                let from = Ipv4Addr::new(127, 0, 1, u8::try_from(asked % 50).unwrap() + 1);
                let answer = get_from(from, address, HOST, "/whoami");
                if !answer.is_ok_and(|answer| answer.status == 200) {
                    their_failed.fetch_add(1, Ordering::Relaxed);
                }
                asked += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            asked
        });
        Visitors { stop, failed, asking }
    }

    /// How many requests there were, and how many of them failed.
    fn go(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        (self.asking.join().unwrap(), self.failed.load(Ordering::Relaxed))
    }
}

/// Nothing is left of a bake in NGINX's eyes.
fn assert_unwatched(sandbox: &Sandbox) {
    for mark in ["is-watched", "is-special", "net-blue", "net-green"] {
        for color in Color::BOTH {
            let path = sandbox.link_folder().join(color.name()).join(mark);
            assert!(!path.exists(), "{}", path.display());
        }
    }
}

fn verdict(sandbox: &Sandbox) -> serde_json::Value {
    let text = fs::read(sandbox.app_root().join("state/bake.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_release_that_is_worse_is_taken_back_and_no_visitor_sees_it_fail() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let (sandbox, _port) = ready(|config| {
        set(config, "bake", "act", "always");
        for (moment, what) in [("after_rollback", "BG_VERB"), ("on_failure", "BG_FAILURE")] {
            let line = format!("sh -c 'echo \"$BG_HOOK: ${what}\" >> {}'", told.display());
            set(config, "hooks", moment, vec![line]);
        }
    });
    let first = sandbox.live_release();
    commit_a_bad_one(&sandbox);
    let visitors = Visitors::come(&sandbox);
    let deployed = sandbox.bg(&["deploy", "--wait-bake"]);
    let (asked, failed) = visitors.go();
    sandbox.assert_five(&deployed, 5, "is worse than blue (", Color::Blue);
    assert_eq!(failed, 0, "of {asked}");
    assert_eq!(sandbox.live_release(), first);
    let bake = verdict(&sandbox);
    assert_eq!(bake["verdict"]["ended"], "taken_back", "{bake}");
    assert_eq!(bake["met"], 0, "{bake}");
    assert!(bake["caught"].as_u64() >= Some(3), "{bake}");
    wait_until(PATIENCE, "the verdict's record", || {
        sandbox.bg(&["history"]).stdout.contains("was taken back")
    });
    wait_until(PATIENCE, "the hooks of a verdict", || {
        let told = fs::read_to_string(&told).unwrap_or_default();
        told.starts_with("after_rollback: rollback\n") && told.contains("on_failure: green (")
    });
    assert_unwatched(&sandbox);
    wait_until(PATIENCE, "the end of its record", || sandbox.lock_is_free());
}

#[test]
fn of_the_first_releases_a_verdict_is_told_and_nothing_done() {
    let (sandbox, _port) = ready(|_| ());
    commit_a_bad_one(&sandbox);
    let visitors = Visitors::come(&sandbox);
    let deployed = sandbox.bg(&["deploy"]);
    deployed.assert_code(0);
    assert!(
        deployed.stdout.contains("It is watched for up to 10m"),
        "{deployed}"
    );
    wait_until(PATIENCE, "a verdict", || !verdict(&sandbox)["verdict"].is_null());
    visitors.go();
    assert_eq!(sandbox.link(), "green");
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains("! watched: green (") && status.stdout.contains("it is only told"),
        "{status}"
    );
    let runs = sandbox.bg(&["history", "--json"]).result()["answer"].take();
    let mut runs = runs.as_array().unwrap().iter();
    let deploy = runs.find(|run| run["verb"] == "deploy").unwrap();
    let told = sandbox.bg(&["history", deploy["run"].as_str().unwrap()]);
    let seen = verdict(&sandbox)["seen"].take();
    let expected = format!(
        "while it was watched: {} requests, {} failed\n      /whoami: ",
        seen["requests"], seen["failed"]
    );
    assert!(told.stdout.contains(&expected), "{expected}: {told}");
}

#[test]
fn where_nobody_comes_nothing_is_said_and_nothing_done() {
    let (sandbox, _port) = ready(|config| set(config, "bake", "act", "always"));
    commit_a_bad_one(&sandbox);
    sandbox.bg(&["deploy", "--bake=2s", "--wait-bake"]).assert_code(0);
    assert_eq!(sandbox.link(), "green");
    let status = sandbox.bg(&["status"]);
    assert!(
        status
            .stdout
            .contains("nothing can be said: too few visitors came"),
        "{status}"
    );
    wait_until(PATIENCE, "the verdict's record", || {
        sandbox.bg(&["history"]).stdout.contains("nothing can be said")
    });
    assert_unwatched(&sandbox);
}

#[test]
fn a_release_that_became_slow_is_taken_back_where_both_asked_in_turn_say_so() {
    let (sandbox, _port) = ready(|config| set(config, "bake", "act", "always"));
    let visitors = Visitors::come(&sandbox);
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    wait_until(PATIENCE, "what the release before did", || {
        verdict(&sandbox)["seen"]["requests"].as_u64() > Some(60)
    });
    sandbox.commit_edit(
        "a release that takes its time",
        "def whoami():\n",
        "def whoami():\n    time.sleep(0.2)\n",
    );
    let deployed = sandbox.bg(&["deploy", "--wait-bake"]);
    visitors.go();
    sandbox.assert_five(&deployed, 5, "; at /whoami 95 of 100 took up to ", Color::Green);
}

#[test]
fn what_fails_on_both_colors_is_not_the_releases_fault() {
    let (sandbox, _port) = ready(|config| {
        set(config, "bake", "act", "always");
        set(config, "bake", "net", false);
    });
    let down = sandbox.root().join("down");
    let check = format!("def whoami():\n    assert not os.path.exists({down:?})\n");
    sandbox.commit_edit("a release that needs something else", "def whoami():\n", &check);
    for watch in ["--no-bake", "--bake=10m"] {
        sandbox.bg(&["deploy", watch]).assert_code(0);
    }
    let visitors = Visitors::come(&sandbox);
    wait_until(PATIENCE, "visitors", || {
        verdict(&sandbox)["seen"]["requests"].as_u64() > Some(0)
    });
    fs::write(&down, "").unwrap();
    wait_until(PATIENCE, "a look at the other color", || {
        verdict(&sandbox)["acquitted"].as_u64() > Some(0)
    });
    fs::remove_file(&down).unwrap();
    let (asked, failed) = visitors.go();
    assert!(failed >= 3 && failed < asked, "{failed} of {asked}");
    assert_eq!(
        (sandbox.link().as_str(), sandbox.live_color()),
        ("blue", Some(Color::Blue))
    );
    // Traffic moves on, and nothing is watched any more.
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_unwatched(&sandbox);
}

/// What is known was kept after the time was over.
fn has_looked_past_its_time(sandbox: &Sandbox) -> bool {
    let bake = verdict(sandbox);
    let at = |key: &str| bake[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    at("kept") > at("until")
}

#[test]
fn a_canary_goes_on_by_itself_while_nothing_is_wrong_unless_it_is_paused() {
    let (sandbox, _port) = ready(|config| {
        set(config, "canary", "steps", vec!["5% 2s", "25% 2s", "50% 1h"]);
    });
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let visitors = Visitors::come(&sandbox);
    let begun = sandbox.bg(&["deploy", "--canary"]);
    begun.assert_code(0);
    assert!(
        begun
            .stdout
            .contains("After 2s without a fault it goes to 25% by itself"),
        "{begun}"
    );
    wait_until(PATIENCE, "the last step", || {
        let status = sandbox.bg(&["status"]).stdout;
        status.contains("canary: 50%") && status.contains("; goes to all by itself in ")
    });
    sandbox.bg(&["canary", "5%"]).assert_code(0);
    // Its steps are those of somebody's hand now.
    assert!(!sandbox.bg(&["status"]).stdout.contains("by itself"));
    sandbox.bg(&["abort"]).assert_code(0);
    sandbox
        .bg(&["pause"])
        .assert_code(1)
        .assert_says("no canary is under way");

    sandbox.commit_edit("another farewell", "Hello", "Good evening");
    sandbox.bg(&["deploy", "--canary"]).assert_code(0);
    sandbox.bg(&["pause"]).assert_code(0);
    let link = sandbox.link();
    wait_until(PATIENCE, "the end of the step's time", || {
        has_looked_past_its_time(&sandbox)
    });
    assert_eq!(sandbox.link(), link);
    sandbox.bg(&["promote"]).assert_code(0);
    wait_until(PATIENCE, "the last step", || sandbox.link() == "blue-to-green-50");
    let (asked, failed) = visitors.go();
    assert_eq!(failed, 0, "of {asked}");
    sandbox.bg(&["promote"]).assert_code(0);
    assert_eq!(sandbox.link(), "green");
    assert_eq!(verdict(&sandbox).get("stage"), None);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_unwatched(&sandbox);
}

#[test]
fn behind_the_page_a_canary_waits_and_what_was_watched_before_it_is_not_any_more() {
    let (sandbox, _port) = ready(|config| set(config, "canary", "steps", vec!["5% 2s"]));
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy", "--canary"]).assert_code(0);
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    let until = verdict(&sandbox)["until"].take();
    let until: jiff::Timestamp = until.as_str().unwrap().parse().unwrap();
    let late = until + jiff::SignedDuration::from_secs(1);
    wait_until(PATIENCE, "the end of the step's time", || {
        jiff::Timestamp::now() > late
    });
    assert_eq!(sandbox.link(), "maintenance-blue-to-green-5");
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    wait_until(PATIENCE, "all visitors", || {
        sandbox.link() == "green" && sandbox.lock_is_free() && verdict(&sandbox).get("stage").is_none()
    });
    let watched = sandbox.link_folder().join("green/is-watched");
    assert!(watched.exists());
    sandbox.bg(&["canary", "20%"]).assert_code(0);
    sandbox.bg(&["abort"]).assert_code(0);
    assert_eq!(sandbox.link(), "green");
    assert_unwatched(&sandbox);
}

#[test]
fn a_canary_that_is_worse_is_given_up_or_stays_where_it_is() {
    let (sandbox, _port) = ready(|config| {
        set(config, "canary", "steps", vec!["50% 1h"]);
        set(config, "bake", "act", "always");
    });
    commit_a_bad_one(&sandbox);
    let visitors = Visitors::come(&sandbox);
    sandbox.bg(&["deploy", "--canary"]).assert_code(0);
    sandbox.bg(&["bake"]).assert_code(5).assert_says("was taken back");
    assert_eq!(verdict(&sandbox)["verdict"]["ended"], "taken_back");
    assert_eq!(sandbox.link(), "blue");
    sandbox
        .bg(&["bake"])
        .assert_code(1)
        .assert_says("no release is watched");
    wait_until(PATIENCE, "the verdict's record", || {
        sandbox.bg(&["history"]).stdout.contains("was taken back")
    });
    let bake = verdict(&sandbox);
    assert_eq!((&bake["met"], &bake["beside"]["failed"]), (&0.into(), &0.into()));
    assert!(bake["beside"]["requests"].as_u64() > Some(0), "{bake}");

    sandbox.configure(|config| set(config, "bake", "act", "pause"));
    sandbox.bg(&["deploy", "--canary"]).assert_code(0);
    wait_until(PATIENCE, "a verdict", || {
        verdict(&sandbox)["verdict"]["ended"] == "told"
    });
    let status = sandbox.bg(&["status"]);
    assert!(status.stdout.contains("it stays at its step"), "{status}");
    assert_eq!(sandbox.link(), "blue-to-green-50");
    sandbox.bg(&["abort"]).assert_code(0);
    assert_unwatched(&sandbox);
    let (asked, failed) = visitors.go();
    assert_eq!(failed, 0, "of {asked}");
}

#[test]
fn a_watcher_that_was_killed_is_followed_by_another_with_the_next_command() {
    let (sandbox, _port) = ready(|_| ());
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy", "--bake=1h"]).assert_code(0);
    let watchers = || {
        let all = crate::sandbox::processes::of(sandbox.root());
        let ours = all.into_iter().filter(|(_, line)| line.contains("watch-release"));
        ours.map(|(pid, _)| pid).collect::<Vec<i32>>()
    };
    wait_until(PATIENCE, "a watcher", || watchers().len() == 1);
    let first = watchers()[0];
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    wait_until(PATIENCE, "its end", || watchers().is_empty());
    assert_eq!(sandbox.get("/").status, 200);
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    wait_until(PATIENCE, "another one", || watchers().len() == 1);
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    wait_until(PATIENCE, "its end", || watchers().len() <= 1);
    sandbox.bg(&["deploy", "--no-bake"]).assert_code(0);
    wait_until(PATIENCE, "no watcher", || watchers().is_empty());
    assert_unwatched(&sandbox);
}

/// Each fault at each step that a bake adds to a switch: traffic moves or it does not, and what cannot
/// be watched can be released.
#[cfg(feature = "faults")]
#[test]
fn a_bake_that_cannot_begin_is_told_and_stands_in_no_ones_way() {
    use crate::sandbox::outcome::Outcome;
    let (sandbox, _port) = ready(|_| ());
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
    let mut points = sandbox.steps_of(&["switch", "green"]);
    sandbox.bg(&["rollback"]).assert_code(0);
    points.retain(|point| {
        ["is-watched", "is-special", "net-green", "bake.json"]
            .iter()
            .any(|part| point.contains(part))
    });
    assert!(points.len() >= 4, "{points:?}");
    let load = sandbox.load();
    for point in points {
        for kind in ["die", "cut", "eio", "enospc"] {
            let mut command = sandbox.bg_command(&["switch", "green"]);
            let output = command
                .env("BG_FAULT", format!("{point}:{kind}"))
                .output()
                .unwrap();
            let outcome = Outcome::new(&["switch"], &output, Duration::ZERO);
            let case = format!("{point}:{kind} {outcome}");
            let link = sandbox.link();
            match outcome.code {
                // Only its watching fails.
                Some(0 | 6) => assert_eq!(link, "green", "{case}"),
                _ => assert!(["die", "cut"].contains(&kind), "{case}"),
            }
            if ["eio", "enospc"].contains(&kind) {
                assert!(outcome.stderr.contains("watched"), "{case}");
            }
            assert!(sandbox.lock_is_free(), "{case}");
            sandbox.bg(&["repair"]).assert_code(0);
            // Be there something to do or not.
            sandbox.bg(&["switch", "blue"]).assert_code(0);
            assert_eq!(sandbox.link(), "blue", "{case}");
            sandbox.bg(&["preview", "--off"]).assert_code(0);
            let left = sandbox.link_folder().join("green/is-watched");
            assert!(!left.exists(), "{case}");
        }
    }
    sandbox.bg(&["deploy", "--no-bake"]).assert_code(0);
    assert_unwatched(&sandbox);
    let counted = load.stop();
    assert_eq!((counted.failed, counted.wrong), (0, 0), "{counted:?}");
}

/// A step that dies before visitors come to it: the one before is watched on.
#[cfg(feature = "faults")]
#[test]
fn the_step_before_is_watched_on_where_the_next_one_dies() {
    let (sandbox, _port) = ready(|config| set(config, "canary", "steps", vec!["5% 1h", "50% 1h"]));
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);
    let steps = sandbox.steps_of(&["canary", "50%"]);
    sandbox.bg(&["abort"]).assert_code(0);
    let point = steps.iter().find(|step| step.contains("lay out")).unwrap();
    sandbox.bg(&["deploy", "--canary"]).assert_code(0);
    for _ in 0..2 {
        let mut command = sandbox.bg_command(&["promote"]);
        command.env("BG_FAULT", format!("{point}:die"));
        assert!(!command.status().unwrap().success());
        sandbox.bg(&["repair"]).assert_code(0);
        sandbox.bg(&["preview", "--off"]).assert_code(0);
        assert_eq!(sandbox.link(), "blue-to-green-5");
        assert_eq!(verdict(&sandbox)["stage"]["share"], "5%");
        assert!(sandbox.link_folder().join("blue-to-green-5/is-watched").exists());
        wait_until(PATIENCE, "whoever watches", || {
            let status = sandbox.bg(&["status"]).stdout;
            status.contains("; goes to 50% by itself in ")
        });
    }
    sandbox.bg(&["abort"]).assert_code(0);
    assert_unwatched(&sandbox);
}
