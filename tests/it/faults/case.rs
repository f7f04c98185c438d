//! One fault at one step of one command, and the command after it.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use bluegreen::state::journal::Journal;
use nix::sys::signal::Signal;

use crate::load::Load;
use crate::recovery::scene::marked;
use crate::sandbox::Sandbox;
use crate::sandbox::answering::Answering;
use crate::sandbox::outcome::{Outcome, Running};

/// The step after which a record outlives a power cut.
pub const FLUSH: &str = "flush state/journal.jsonl";

/// All deadlines of a deploy one after the other are shorter, on a busy machine too.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// What happens where.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The step, and which time it is taken.
    pub point: String,
    /// What happens there.
    pub kind: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.point, self.kind)
    }
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// The command.
    pub line: &'static [&'static str],
    /// What happens to it.
    pub fault: Fault,
    /// How many records it has flushed when it has gone well.
    pub flushes: usize,
}

impl Case {
    /// Plays it; what was not as it must be, a sentence each.
    pub fn play(&self, sandbox: &Sandbox, load: &Load) -> Vec<String> {
        let mut problems = Problems::default();
        self.make_ready(sandbox);
        let failed_before = load.so_far().failed;
        let Some(before) = Place::of(sandbox) else {
            panic!("nobody answers before {}", self.fault);
        };
        let trace = sandbox.root().join("passed");
        fs::remove_file(&trace).ok();
        let mut command = sandbox.bg_command(self.line);
        command
            .env("BG_FAULT", self.fault.to_string())
            .env("BG_FAULT_TRACE", &trace);
        let mut running = Running::start(command, self.line);
        let ends = ends(&mut running);
        if !ends {
            running.signal(Signal::SIGKILL);
        }
        let outcome = running.wait();
        problems.unless(ends, || format!("it had not ended within {ENDS_WITHIN:?}"));
        let passed = fs::read_to_string(&trace).unwrap_or_default();
        let reached = passed.lines().any(|line| {
            line.split_once(' ')
                .is_some_and(|(_, point)| point == self.fault.point)
        });
        problems.unless(reached, || "the step was not taken".to_owned());
        self.told(&outcome, &mut problems);
        self.five(sandbox, &outcome, &before, &mut problems);
        let must_tell = self.is_half_noted(&passed);
        next_command(sandbox, must_tell, &mut problems);
        let failed = load.so_far().failed - failed_before;
        problems.unless(failed == 0, || {
            format!("{failed} requests failed: {:?}", load.so_far().failures)
        });
        if !problems.0.is_empty() {
            problems.0.push(format!("{outcome}"));
        }
        problems.0
    }

    /// Whether the power was cut after the command had noted what it is about to do, and before
    /// it noted the end: then the journal must still say so.
    fn is_half_noted(&self, passed: &str) -> bool {
        let flushes = passed
            .lines()
            .filter(|line| line.contains(FLUSH) && !line.ends_with(&self.fault.point));
        self.fault.kind == "cut" && (1..self.flushes).contains(&flushes.count())
    }

    /// A rollback wants something to go to, and a canary's steps another one.
    fn make_ready(&self, sandbox: &Sandbox) {
        go_to_canary(sandbox, self.line);
        if self.line != ["rollback"] {
            return;
        }
        for command in ["status", "switch", "deploy"] {
            sandbox.bg(&[command]);
            if sandbox.status()["rollback"]["state"] == "ready" {
                return;
            }
        }
        panic!("no rollback is ready: {}", sandbox.bg(&["status"]));
    }

    fn dies(&self) -> bool {
        matches!(self.fault.kind.as_str(), "die" | "cut")
    }

    /// It says how it ended, and where traffic is.
    fn told(&self, outcome: &Outcome, problems: &mut Problems) {
        match outcome.code {
            None => problems.unless(self.dies(), || "it was killed".to_owned()),
            Some(0) => problems.unless(!self.dies(), || "it did not die".to_owned()),
            Some(1 | 5 | 6 | 7) => {
                for part in ["error: ", "traffic: "] {
                    problems.unless(outcome.stderr.contains(part), || format!("no {part:?} was said"));
                }
            }
            Some(code) => problems.0.push(format!("exit code {code}")),
        }
    }

    /// The exit code, the link and who answers say the same; the lock is free.
    fn five(&self, sandbox: &Sandbox, outcome: &Outcome, before: &Place, problems: &mut Problems) {
        let Some(now) = Place::of(sandbox) else {
            problems.0.push("nobody answers".to_owned());
            return;
        };
        let moved = match outcome.code {
            Some(0 | 6) => Some(true),
            Some(1 | 5) => Some(false),
            _ => None,
        };
        if let Some(moved) = moved {
            problems.unless((now.link != before.link) == moved, || {
                format!("{now:?} is live, {before:?} was before")
            });
            problems.unless(moved || now == *before, || {
                format!("{now:?} is live, and not {before:?}")
            });
            problems.unless(now.is_as_the_link_says(), || format!("{now:?}"));
        }
        problems.unless(sandbox.lock_is_free(), || "the lock is held".to_owned());
    }
}

/// Where traffic is.
#[derive(Debug, PartialEq)]
struct Place {
    link: String,
    answers: Answering,
}

impl Place {
    /// `None` where nobody answers.
    fn of(sandbox: &Sandbox) -> Option<Place> {
        Some(Place {
            link: sandbox.link(),
            answers: Answering::at_the_door(sandbox)?,
        })
    }

    /// In a canary a visitor gets the one or the other.
    fn is_as_the_link_says(&self) -> bool {
        self.link.contains("-to-") || self.link == self.answers.color.name()
    }
}

/// To the step of a canary that a command goes on from, where it is one of a canary.
pub fn go_to_canary(sandbox: &Sandbox, line: &[&str]) {
    let share = match line {
        ["canary", ..] => "5%",
        ["promote" | "abort"] => "50%",
        _ => return,
    };
    sandbox.bg(&["canary", share]).assert_code(0);
}

/// Whether it ends: whatever happens to it, nobody waits for a command for ever.
fn ends(running: &mut Running) -> bool {
    let until = Instant::now() + ENDS_WITHIN;
    while !running.has_ended() {
        if Instant::now() > until {
            return false;
        }
        // How often it is looked at, not how long it takes.
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// The next command finishes or undoes what was half done, says so, and leaves all in order.
fn next_command(sandbox: &Sandbox, must_tell: bool, problems: &mut Problems) {
    let journal = sandbox.app_root().join("state/journal.jsonl");
    let open = Journal::told(&journal).unwrap().open.is_some();
    let next = sandbox.bg(&["repair"]);
    problems.unless(next.code == Some(0), || format!("the next command: {next}"));
    problems.unless(open || !must_tell, || {
        "what it had noted did not outlive the power cut".to_owned()
    });
    problems.unless(!open || next.stderr.contains("died while"), || {
        format!("a run had died, and that is not said: {next}")
    });
    problems.unless(Journal::told(&journal).unwrap().open.is_none(), || {
        "the run is still open".to_owned()
    });
    let left = marked_here(sandbox);
    problems.unless(left.is_empty(), || format!("{left:?} are left of the run"));
    let status = sandbox.status();
    problems.unless(status["drift"] == serde_json::json!([]), || {
        format!("drift: {}", status["drift"])
    });
    let live = Place::of(sandbox);
    problems.unless(
        live.as_ref().is_some_and(|live| {
            let is_canary = !status["canary"].is_null();
            let release = &status["live"]["release"];
            live.is_as_the_link_says()
                && live.link.contains("-to-") == is_canary
                && (is_canary || *release == live.answers.release.as_str())
        }),
        || format!("{live:?}: {status}"),
    );
    for worker in status["workers"].as_array().unwrap() {
        problems.unless(worker["problem"].is_null(), || {
            format!("a worker is astray: {worker}")
        });
    }
    for slot in status["slots"].as_array().unwrap() {
        problems.unless(slot["health"]["state"] == "healthy", || {
            format!("a slot is not warm: {slot}")
        });
    }
}

/// Programs that a run has left, of this sandbox and of no other test's.
fn marked_here(sandbox: &Sandbox) -> Vec<i32> {
    let root = sandbox.root().to_str().unwrap().to_owned();
    let ours = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&root)
    };
    let wait_until = Instant::now() + Duration::from_secs(1);
    loop {
        let left: Vec<i32> = marked(None).into_iter().filter(ours).collect();
        if left.is_empty() || Instant::now() > wait_until {
            return left;
        }
    }
}

/// What was not as it must be.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, fine: bool, problem: impl FnOnce() -> String) {
        if !fine {
            self.0.push(problem());
        }
    }
}
