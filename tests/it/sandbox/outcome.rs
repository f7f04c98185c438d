//! How a command ended, and what is asserted of it.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    args: Vec<String>,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Of a finished command.
    pub fn new(args: &[&str], output: &Output, took: Duration) -> Outcome {
        Outcome {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took,
        }
    }

    /// The exit code is this.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Outcome {
        assert_eq!(self.code, Some(code), "the exit code of {self}");
        self
    }

    /// Standard error contains this.
    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Outcome {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in what was said by {self}"
        );
        self
    }

    /// Standard output as NDJSON, the last line being the result.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\nin {self}"))
            })
            .collect()
    }

    /// The result, the last line of `--json`.
    #[track_caller]
    pub fn result(&self) -> serde_json::Value {
        self.json().pop().unwrap_or_else(|| panic!("no output of {self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` ({:?}, {:?})", self.args.join(" "), self.code, self.took)?;
        writeln!(f, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
    }
}

/// A command under way; killed when it is dropped.
pub struct Running {
    args: Vec<String>,
    child: Child,
    started: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts it; its outputs are read as they come.
    pub fn start(mut command: Command, args: &[&str]) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start_as_it_is(command, args)
    }

    /// The same with its outputs as the caller has set them.
    pub fn start_as_it_is(mut command: Command, args: &[&str]) -> Running {
        let mut child = command.spawn().unwrap();
        Running {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            stdout: child.stdout.take().map(read_on),
            stderr: child.stderr.take().map(read_on),
            child,
            started: Instant::now(),
        }
    }

    /// Its standard input, where that was piped; it is open until this is dropped.
    pub fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for its end. Children that it left with its outputs open are waited for too.
    pub fn wait(mut self) -> Outcome {
        let status = self.child.wait().unwrap();
        let took = self.started.elapsed();
        let whole =
            |reader: Option<JoinHandle<Vec<u8>>>| reader.map(|r| r.join().unwrap()).unwrap_or_default();
        let output = Output {
            status,
            stdout: whole(self.stdout.take()),
            stderr: whole(self.stderr.take()),
        };
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Outcome::new(&args, &output, took)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_on(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).ok();
        whole
    })
}
