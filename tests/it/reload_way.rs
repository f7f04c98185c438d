//! Both ways to move traffic: what they share, and what only a reload can run into.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bluegreen::model::color::Color;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::front_door::watch::Watch;
use crate::load::{Kind, Load};
use crate::sandbox::outcome::Running;
use crate::sandbox::{HOST, Sandbox, set};

fn way(way: &'static str) -> impl FnOnce(&mut toml::Table) {
    move |config| {
        set(config, "nginx", "switch", way);
        set(config, "timeouts", "reload", "4s");
    }
}

/// Somebody else's file is broken: that shows before the link is moved.
#[test]
fn the_page_is_not_put_up_where_nginx_would_not_read_it() {
    let sandbox = Sandbox::deployed_with(way("reload"));
    let broken = sandbox.front.sites().join("broken.conf");
    std::fs::write(&broken, "nonsense;\n").unwrap();
    let refused = sandbox.bg(&["maintenance", "on"]);
    sandbox.assert_five(&refused, 1, "configuration is broken", Color::Blue);
    refused.assert_says("not this app's");
    std::fs::remove_file(&broken).unwrap();
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
}

/// The last of what it writes down: visitors have the page by then.
#[test]
fn a_page_that_is_up_and_not_written_down_is_said_to_be_up() {
    let sandbox = Sandbox::deployed();
    let mut command = sandbox.bg_command(&["maintenance", "on"]);
    command.env("BG_FAULT", "append to state/journal.jsonl#4:enospc");
    let told = Running::start(command, &["maintenance", "on"]).wait();
    told.assert_code(6).assert_says("traffic: moved");
    assert_eq!(sandbox.get("/").status, 503);
    assert!(sandbox.lock_is_free());
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

fn counted(outcome: &crate::sandbox::outcome::Outcome) -> serde_json::Value {
    let events = outcome.json();
    let found = events.iter().find(|event| event["event"] == "counted");
    found
        .unwrap_or_else(|| panic!("nothing was counted in {outcome}"))
        .clone()
}

#[test]
fn both_ways_deploy_roll_back_and_switch_without_a_failed_fresh_request() {
    for name in ["live", "reload"] {
        let sandbox = Sandbox::deployed_with(way(name));
        let fresh = [(Kind::FreshGet, 2), (Kind::FreshPost, 1)];
        let load = Load::start(sandbox.address(), HOST, &fresh);
        sandbox.commit_edit("another greeting", "Good day", "Hello");
        let steps: [(&[&str], Color); 3] = [
            (&["deploy", "--json"], Color::Green),
            (&["rollback", "--json"], Color::Blue),
            (&["switch", "green", "--json"], Color::Green),
        ];
        for (args, color) in steps {
            let outcome = sandbox.bg(args);
            outcome.assert_code(0);
            assert_eq!(sandbox.live_color(), Some(color), "{name}: {outcome}");
            assert_eq!(sandbox.link(), color.name());
            assert!(sandbox.lock_is_free());
            // The same count stands in the history, failures of a reload included.
            let count = counted(&outcome);
            assert!(count["sent"].as_u64().unwrap() > 0, "{count}");
            let told = format!(
                "{} requests around the switch, {} failed",
                count["sent"], count["failed"]
            );
            let history = sandbox.bg(&["history", "-n", "1"]);
            assert!(history.stdout.contains(&told), "{told}: {history}");
        }
        let count = load.stop();
        assert_eq!(count.failed, 0, "{name}: {count:?}");
        assert!(count.requests > 100, "{count:?}");
    }
}

#[test]
fn auto_says_why_and_another_way_is_one_line_and_setup() {
    let sandbox = Sandbox::with(way("auto"));
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    assert!(
        setup.stdout.contains("the `live` strategy: a reload of NGINX 1."),
        "{setup}"
    );
    sandbox.bg(&["deploy"]).assert_code(0);
    let site = sandbox.front.sites().join("shop.conf");
    let text = fs::read_to_string(&site).unwrap();
    let master = sandbox.front.master();
    for (name, color) in [("reload", Color::Green), ("auto", Color::Blue)] {
        sandbox.configure(way(name));
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 3, "nginx.switch", color.other());
        let setup = sandbox.bg(&["setup"]);
        setup.assert_code(0);
        assert_eq!(fs::read_to_string(&site).unwrap(), text, "{setup}");
        assert_eq!(sandbox.live_color(), Some(color.other()), "{setup}");
        let workers = sandbox.front.workers();
        sandbox.bg(&["deploy"]).assert_code(0);
        assert_eq!(sandbox.live_color(), Some(color));
        assert_eq!(sandbox.link(), color.name());
        let reloaded = sandbox.front.workers() != workers;
        assert_eq!(reloaded, name == "reload", "{name}");
    }
    assert_eq!(sandbox.front.master(), master);
}

/// `nginx -t` passes over a port that is taken; the master cannot bind it, and every
/// reload exits 0 and changes nothing.
#[test]
fn a_reload_that_changes_nothing_is_put_back() {
    let sandbox = Sandbox::deployed_with(way("reload"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("server {{ listen {}; }}", taken.local_addr().unwrap());
    let other_site = sandbox.front.sites().join("other.conf");
    fs::write(&other_site, other).unwrap();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 5, "still serves its old configuration", Color::Blue);
    deploy.assert_says("Address already in use");
    // The same again, now that green stands ready beside it.
    fs::remove_file(&other_site).unwrap();
    sandbox.bg(&["deploy"]).assert_code(0);
    fs::write(
        &other_site,
        format!("server {{ listen {}; }}", taken.local_addr().unwrap()),
    )
    .unwrap();
    let rollback = sandbox.bg(&["rollback"]);
    sandbox.assert_five(&rollback, 5, "still serves its old configuration", Color::Green);
    drop(taken);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn somebody_elses_broken_site_stops_a_reload_before_the_swap_and_the_live_way_not_at_all() {
    let sandbox = Sandbox::deployed_with(way("live"));
    let broken = sandbox.front.sites().join("other.conf");
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    fs::write(&broken, "server { no_such_directive on; }").unwrap();
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    fs::remove_file(&broken).unwrap();

    sandbox.configure(way("reload"));
    sandbox.bg(&["setup"]).assert_code(0);
    fs::write(&broken, "server { no_such_directive on; }").unwrap();
    let since = fs::symlink_metadata(sandbox.link_folder().join("live")).unwrap();
    for args in [&["switch"], &["deploy"]] {
        let refused = sandbox.bg(args);
        sandbox.assert_five(&refused, 1, "not this app's", Color::Blue);
        refused.assert_says(&format!("{}:1", broken.display()));
        refused.assert_says("it was broken before this command");
    }
    let now = fs::symlink_metadata(sandbox.link_folder().join("live")).unwrap();
    assert_eq!(
        since.modified().unwrap(),
        now.modified().unwrap(),
        "it was swapped"
    );
    fs::remove_file(&broken).unwrap();
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn somebody_elses_reloads_at_any_moment_change_nothing() {
    for name in ["live", "reload"] {
        let sandbox = Sandbox::deployed_with(way(name));
        let ending = AtomicBool::new(false);
        let master = Pid::from_raw(sandbox.front.master());
        std::thread::scope(|scope| {
            let storm = scope.spawn(|| {
                let mut reloads = 0;
                while !ending.load(Ordering::Relaxed) {
                    kill(master, Signal::SIGHUP).unwrap();
                    reloads += 1;
                    // Half of what a reload takes: they overlap, and hit every moment.
                    std::thread::sleep(Duration::from_millis(60));
                }
                reloads
            });
            let _lingering = begun(&sandbox);
            let mut watch = Watch::start(&sandbox, 2, "blue");
            sandbox.commit_edit("another greeting", "Good day", "Hello");
            let steps: [(&[&str], &str); 4] = [
                (&["deploy"], "green"),
                (&["switch"], "blue"),
                (&["switch"], "green"),
                (&["rollback"], "blue"),
            ];
            for (args, to) in steps {
                let outcome = watch.during(to, || sandbox.bg(args));
                ending.store(outcome.code != Some(0), Ordering::Relaxed);
                outcome.assert_code(0);
                assert_eq!(sandbox.link(), to, "{outcome}");
            }
            let (answers, wrong) = watch.stop();
            ending.store(true, Ordering::Relaxed);
            let reloads: u32 = storm.join().unwrap();
            assert!(reloads > 20, "{reloads}");
            assert!(answers > 100, "{answers}");
            assert!(
                wrong.is_empty(),
                "{name}: {} of {answers}: {wrong:?}",
                wrong.len()
            );
        });
    }
}

/// A request that is answered a line at a time for a minute: the worker that has it stays
/// for as long, whatever is reloaded.
fn begun(sandbox: &Sandbox) -> TcpStream {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    write!(stream, "GET /stream?seconds=60 HTTP/1.1\r\nHost: {HOST}\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    stream
}

/// After a crash the pid file may name anybody.
#[test]
fn a_stale_pid_file_has_nobody_signalled() {
    let sandbox = Sandbox::deployed_with(way("reload"));
    sandbox.bg(&["deploy"]).assert_code(0);
    let good = fs::read_to_string(sandbox.front.pid_file()).unwrap();
    let mut bystander = Bystander::start(&sandbox);
    fs::write(sandbox.front.pid_file(), format!("{}\n", bystander.0.id())).unwrap();
    let switch = sandbox.bg(&["switch"]);
    sandbox.assert_five(&switch, 1, "that is `sleep 300`", Color::Green);
    sandbox.configure(|config| set(config, "nginx", "max_body_size", "2m"));
    let before = fs::read_to_string(sandbox.front.sites().join("shop.conf")).unwrap();
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 1, "that is `sleep 300`", Color::Green);
    let after = fs::read_to_string(sandbox.front.sites().join("shop.conf")).unwrap();
    assert_eq!(before, after, "not put back: {setup}");
    assert!(bystander.0.try_wait().unwrap().is_none(), "it was signalled");
    fs::write(sandbox.front.pid_file(), good).unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

/// A process that any signal would end.
struct Bystander(Child);

impl Bystander {
    fn start(sandbox: &Sandbox) -> Bystander {
        Bystander(sandbox.command("sleep").arg("300").spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
