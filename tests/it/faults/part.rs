//! A part of the table: one command in one of the two ways, with every fault at every step.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use toml::{Table, Value};

use crate::hooks::script;
use crate::load::{Kind, Load, Plan};
use crate::migrate::{back_up_by, migrate_by};
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, set};
use crate::worker::scene::{add, commit_script, let_beat, worker};

use super::SHARE;
use super::case::{Case, FLUSH, Fault, go_to_canary};

/// How many cases the whole table has, at the least.
pub const TABLE_HAS_AT_LEAST: usize = 150;

/// Steps that every command takes that moves traffic. Without one of them something would be
/// lost by a power cut, or nothing would move at all.
const ALWAYS: [&str; 3] = ["append to state/journal.jsonl", FLUSH, "swap shop/live"];

/// One command in one way.
pub struct Part {
    way: &'static str,
    line: &'static [&'static str],
    /// With a worker, hooks, a migration and a backup, and only the steps that these add.
    around: bool,
    /// How many cases it has, at the least: a step that is not watched any more is missed.
    pub least: usize,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 11] = [
        Part {
            way: "live",
            around: false,
            line: &["deploy"],
            least: 90,
        },
        Part {
            way: "live",
            around: false,
            line: &["switch"],
            least: 20,
        },
        Part {
            way: "live",
            around: false,
            line: &["rollback"],
            least: 20,
        },
        Part {
            way: "reload",
            around: false,
            line: &["deploy"],
            least: 90,
        },
        Part {
            way: "reload",
            around: false,
            line: &["switch"],
            least: 20,
        },
        Part {
            way: "reload",
            around: false,
            line: &["rollback"],
            least: 20,
        },
        Part {
            way: "live",
            around: true,
            line: &["deploy"],
            least: 20,
        },
        Part {
            way: "live",
            around: true,
            line: &["switch"],
            least: 10,
        },
        Part {
            way: "live",
            around: false,
            line: &["canary", "50%"],
            least: 20,
        },
        Part {
            way: "live",
            around: false,
            line: &["promote"],
            least: 20,
        },
        Part {
            way: "live",
            around: false,
            line: &["abort"],
            least: 10,
        },
    ];

    /// Plays its cases, or this run's share of them.
    pub fn play(&self) {
        let port = Port::free();
        let sandbox = self.ground(&port);
        let cases = if self.around {
            let plain = self.steps(&sandbox);
            more_around(&sandbox);
            let beside = |step: &&Step| !plain.iter().any(|one| one.name() == step.name());
            self.cases(self.steps(&sandbox).iter().filter(beside))
        } else {
            self.cases(self.steps(&sandbox).iter())
        };
        assert!(
            cases.len() >= self.least,
            "only {} cases: {cases:#?}",
            cases.len()
        );
        let share = match std::env::var("BG_FAULTS").as_deref() {
            Ok("all") => 1,
            _ => SHARE,
        };
        let only = std::env::var("BG_FAULT_ONLY").unwrap_or_default();
        let load = self.load(&sandbox);
        let mut failed = Vec::new();
        let (mut played, all) = (0, cases.len());
        for (number, case) in (1..).zip(&cases).step_by(share) {
            if !case.fault.to_string().contains(&only) {
                continue;
            }
            let began = Instant::now();
            let problems = case.play(&sandbox, &load);
            played += 1;
            let seconds = began.elapsed().as_secs_f32();
            eprintln!("{number} of {all}, {seconds:.1} s: {self} at {}", case.fault);
            if !problems.is_empty() {
                let problems = problems.join("\n    ");
                eprintln!("    {problems}");
                failed.push(format!("{self} at {}\n    {problems}", case.fault));
            }
        }
        let count = load.stop();
        eprintln!("{self}: {played} of {all} cases, {} requests", count.requests);
        assert!(
            failed.is_empty(),
            "{} of {played} cases:\n{}",
            failed.len(),
            failed.join("\n")
        );
        assert_eq!(count.failed, 0, "{:?}", count.failures);
    }

    /// Two releases, the second live, the first warm; deadlines that a hanging step soon meets. Where
    /// that can be, releases are watched.
    fn ground(&self, port: &Port) -> Sandbox {
        let sandbox = Sandbox::deployed_with(|config| {
            set(config, "nginx", "switch", self.way);
            if self.way == "live" {
                set(config, "nginx", "loopback_port", i64::from(port.number()));
            }
            set(config, "timeouts", "fetch", "3s");
            set(config, "timeouts", "reload", "3s");
        });
        // From here on no environment is made anew.
        sandbox.configure(|config| set(config, "timeouts", "build", "8s"));
        sandbox.commit_edit("the second", "Good day", "Second");
        sandbox.bg(&["deploy"]).assert_code(0);
        sandbox
    }

    /// On connections that stay open, too, where they may: a reload closes them.
    fn load(&self, sandbox: &Sandbox) -> Load {
        let kept = if self.way == "live" { 1 } else { 0 };
        let workers = [
            (Kind::Get, kept),
            (Kind::Post, kept),
            (Kind::FreshGet, 1),
            (Kind::FreshPost, 1),
        ];
        Load::run(Plan {
            // Light: what is lost here is lost in seconds, not in a moment.
            pause: Duration::from_millis(40),
            ..Plan::new(sandbox.address(), HOST, &workers)
        })
    }

    /// The command once without a fault, watched.
    fn steps(&self, sandbox: &Sandbox) -> Vec<Step> {
        let trace = sandbox.root().join("trace");
        fs::remove_file(&trace).ok();
        self.prepare(sandbox);
        let done = sandbox
            .bg_command(self.line)
            .env("BG_FAULT_TRACE", &trace)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = fs::read_to_string(&trace).unwrap();
        for step in ALWAYS {
            assert!(text.contains(step), "no step {step:?} in\n{text}");
        }
        let step = |line: &str| {
            let (class, point) = line.split_once(' ').unwrap();
            Step {
                class: class.to_owned(),
                point: point.to_owned(),
                flushes: text.matches(FLUSH).count(),
            }
        };
        text.lines().map(step).collect()
    }

    /// A case for each of the steps and each kind of fault.
    fn cases<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> Vec<Case> {
        let case = |step: &Step, kind: &str| Case {
            line: self.line,
            fault: Fault {
                point: step.point.clone(),
                kind: kind.to_owned(),
            },
            flushes: step.flushes,
        };
        steps
            .flat_map(|step| step.kinds().iter().map(move |kind| case(step, kind)))
            .collect()
    }

    /// A rollback wants something that it has not rolled back from, and a canary's steps another one.
    fn prepare(&self, sandbox: &Sandbox) {
        match self.line {
            ["rollback"] => {
                sandbox.bg(&["switch"]).assert_code(0);
            }
            line => go_to_canary(sandbox, line),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let around = if self.around { ", with more around it" } else { "" };
        write!(f, "{} {}{around}", self.way, self.line.join(" "))
    }
}

/// A step that a command was seen to take.
struct Step {
    class: String,
    point: String,
    flushes: usize,
}

impl Step {
    /// Without the time that it was taken.
    fn name(&self) -> &str {
        self.point.split('#').next().unwrap()
    }

    fn kinds(&self) -> &'static [&'static str] {
        match self.class.as_str() {
            "run" => &["die", "eacces", "hang", "lie", "garbage"],
            "step" => &["die", "cut", "eio", "enospc", "eacces", "lie"],
            _ => &["die", "cut", "eio", "enospc", "eacces"],
        }
    }
}

/// A worker, a migration and a backup with each deploy, and hooks.
fn more_around(sandbox: &Sandbox) {
    commit_script(sandbox);
    let_beat(sandbox);
    migrate_by(sandbox, "");
    back_up_by(sandbox, "echo all of it > $BG_BACKUP_FILE");
    let hook = script(sandbox, "hook", "");
    sandbox.configure(|config| {
        add(config, worker("sync", ""));
        set(config, "gate", "preflight", "start");
        set(config, "migrate", "timeout", "3s");
        set(config, "backup", "timeout", "3s");
        for moment in ["before_build", "before_switch", "after_switch"] {
            let table = [("run", hook.as_str()), ("timeout", "3s")];
            let table = table.map(|(key, value)| (key.to_owned(), Value::from(value)));
            set(config, "hooks", moment, Table::from_iter(table));
        }
    });
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
}
