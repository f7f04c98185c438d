//! The tour in `ops/demo/run`, as a newcomer starts it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::processes;
use crate::sandbox::wait::wait_until;

#[test]
fn the_tour_loses_no_request_and_leaves_nothing() {
    let mut tour = Tour::start(&["--json"]);
    let whole = tour.rest();
    assert!(tour.child.wait().unwrap().success(), "{whole}");
    let sums: Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
    assert_eq!(sums["failed"], 0, "{whole}");
    assert!(sums["requests"].as_u64().unwrap() >= 5000, "{sums}");
    assert_eq!(
        (&sums["deploys"], &sums["refused"], &sums["rollbacks"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(sums["taken_back"], 1, "{whole}");
    assert!(sums["switch_ms"].is_u64(), "{sums}");
    assert!(
        whole.contains("No module named 'payments_that_nobody_installed'"),
        "{whole}"
    );
    assert!(whole.contains("rollback: ready"), "{whole}");
    tour.assert_gone();
}

#[test]
fn a_site_is_taken_over_without_a_lost_request_and_its_worker_never_runs_twice() {
    for more in [&[] as &[&str], &["--ssh"]] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/demo/adopt");
        let programs = Path::new(env!("CARGO_BIN_EXE_bluegreen")).parent().unwrap();
        let output = Command::new(script)
            .arg("--json")
            .args(more)
            .env("BG_PROGRAMS", programs)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let whole = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{whole}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let sums: Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
        assert_eq!(sums["failed"], 0, "{whole}");
        assert!(sums["requests"].as_u64().unwrap() >= 5000, "{sums}");
        assert_eq!(sums["workers_at_once"], 1, "{sums}");
        assert_eq!(sums["backup_restored"], true, "{sums}");
        let gone = whole.lines().find(|line| line.starts_with("Gone: ")).unwrap();
        let folder = gone
            .split_whitespace()
            .find(|word| word.starts_with("/tmp/bg-demo-"));
        let folder = Path::new(folder.unwrap().trim_end_matches('.'));
        assert_eq!(processes::of(folder), []);
        assert!(!folder.exists());
    }
}

#[test]
fn an_interrupted_tour_leaves_nothing() {
    let mut tour = Tour::start(&[]);
    tour.read_to("4. A second release");
    tour.signal(Signal::SIGINT);
    let whole = tour.rest();
    assert_eq!(tour.child.wait().unwrap().code(), Some(130), "{whole}");
    tour.assert_gone();
}

struct Tour {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    folder: Option<PathBuf>,
}

impl Tour {
    fn start(args: &[&str]) -> Tour {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/demo/run");
        // A build of its own would put another program in place while other tests run this one.
        let programs = Path::new(env!("CARGO_BIN_EXE_bluegreen")).parent().unwrap();
        let mut child = Command::new(script)
            .args(args)
            .env("BG_PROGRAMS", programs)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut tour = Tour {
            child,
            output,
            folder: None,
        };
        let line = tour.read_to("root = \"/tmp/bg-demo-");
        let folder = line.split('"').nth(1).unwrap().strip_suffix("/srv/shop").unwrap();
        tour.folder = Some(folder.into());
        tour
    }

    /// Reads to the first line that contains `text`, and returns it.
    fn read_to(&mut self, text: &str) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "no {text:?} in {read}"
            );
            if line.contains(text) {
                return line;
            }
            read += &line;
        }
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest
    }

    fn signal(&self, signal: Signal) {
        killpg(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    fn assert_gone(&self) {
        let folder = self.folder.as_deref().unwrap();
        assert_eq!(processes::of(folder), []);
        assert!(!folder.exists());
    }
}

impl Drop for Tour {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGTERM);
            wait_until(Duration::from_secs(40), "the tour ends", || {
                !matches!(self.child.try_wait(), Ok(None))
            });
        }
    }
}
