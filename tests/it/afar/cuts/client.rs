//! `bg --json` at the client, under way: what it has told so far can be read meanwhile.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::recovery::scene::LONG;
use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::wait::wait_until;

/// Killed when it is dropped.
pub struct Client {
    child: Child,
    args: Vec<String>,
    stdout: PathBuf,
    stderr: PathBuf,
    started: Instant,
}

impl Client {
    /// Starts `command`, which has the arguments `args`.
    pub fn start(afar: &Afar, mut command: Command, args: &[&str]) -> Client {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| afar.desk().join(format!("{name}-{number}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let child = command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Client {
            child,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            stdout,
            stderr,
            started: Instant::now(),
        }
    }

    /// All that it has told.
    pub fn told(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// Whether it has told of `event` on `host`, on any with `None`.
    pub fn has_told(&self, host: Option<&str>, event: &str) -> bool {
        let told = self.told();
        told.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .any(|line| line["event"] == event && host.is_none_or(|host| line["host"] == host))
    }

    /// Waits until `holds`, and fails when it ends before that.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Client) -> bool) {
        wait_until(LONG, what, || {
            let ended = self.child.try_wait().unwrap();
            let now = holds(self);
            assert!(
                now || ended.is_none(),
                "it ended before: {what}\n{}\n{}",
                self.told(),
                fs::read_to_string(&self.stderr).unwrap()
            );
            now
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        // It tries to reach a lost host again for a minute.
        wait_until(LONG * 2, "the client ends", || {
            self.child.try_wait().unwrap().is_some()
        });
        let output = Output {
            status: self.child.wait().unwrap(),
            stdout: fs::read(&self.stdout).unwrap(),
            stderr: fs::read(&self.stderr).unwrap(),
        };
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Outcome::new(&args, &output, self.started.elapsed())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
