//! A part of the table: one command in one of the two ways, with every fault at every step.

use std::fs;

use crate::load::{Kind, Load};
use crate::sandbox::{HOST, Sandbox, set};

use super::SHARE;
use super::case::{Case, FLUSH, Fault};

/// How many cases the whole table has, at the least.
pub const TABLE_HAS_AT_LEAST: usize = 150;

/// Steps that every command takes that moves traffic. Without one of them something would be
/// lost by a power cut, or nothing would move at all.
const ALWAYS: [&str; 3] = ["append to state/journal.jsonl", FLUSH, "swap shop/live"];

/// One command in one way.
pub struct Part {
    way: &'static str,
    verb: &'static str,
    /// How many cases it has, at the least: a step that is not watched any more is missed.
    pub least: usize,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] = [
        Part {
            way: "live",
            verb: "deploy",
            least: 90,
        },
        Part {
            way: "live",
            verb: "switch",
            least: 20,
        },
        Part {
            way: "live",
            verb: "rollback",
            least: 20,
        },
        Part {
            way: "reload",
            verb: "deploy",
            least: 90,
        },
        Part {
            way: "reload",
            verb: "switch",
            least: 20,
        },
        Part {
            way: "reload",
            verb: "rollback",
            least: 20,
        },
    ];

    /// Plays its cases, or this run's share of them.
    pub fn play(&self) {
        let sandbox = self.ground();
        let cases = self.cases(&sandbox);
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
        for case in cases
            .iter()
            .step_by(share)
            .filter(|case| case.fault.to_string().contains(&only))
        {
            let problems = case.play(&sandbox, &load);
            played += 1;
            if !problems.is_empty() {
                failed.push(format!(
                    "{} {} at {}\n    {}",
                    self.way,
                    self.verb,
                    case.fault,
                    problems.join("\n    ")
                ));
            }
        }
        let count = load.stop();
        eprintln!(
            "{} {}: {played} of {all} cases, {} requests",
            self.way, self.verb, count.requests
        );
        assert!(
            failed.is_empty(),
            "{} of {played} cases:\n{}",
            failed.len(),
            failed.join("\n")
        );
        assert_eq!(count.failed, 0, "{:?}", count.failures);
    }

    /// Two releases, the second live, the first warm; deadlines that a hanging step soon meets.
    fn ground(&self) -> Sandbox {
        let sandbox = Sandbox::deployed_with(|config| {
            set(config, "nginx", "switch", self.way);
            set(config, "timeouts", "fetch", "3s");
            set(config, "timeouts", "reload", "3s");
        });
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
        Load::start(sandbox.address(), HOST, &workers)
    }

    /// The command once without a fault, watched; then a case for each step and kind.
    fn cases(&self, sandbox: &Sandbox) -> Vec<Case> {
        let trace = sandbox.root().join("trace");
        self.prepare(sandbox);
        let done = sandbox
            .bg_command(&[self.verb])
            .env("BG_FAULT_TRACE", &trace)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let steps = fs::read_to_string(&trace).unwrap();
        for step in ALWAYS {
            assert!(steps.contains(step), "no step {step:?} in\n{steps}");
        }
        let flushes = steps.matches(FLUSH).count();
        let mut cases = Vec::new();
        for step in steps.lines() {
            let (class, point) = step.split_once(' ').unwrap();
            let kinds: &[&str] = match class {
                "run" => &["die", "eacces", "hang", "lie", "garbage"],
                "step" => &["die", "cut", "eio", "enospc", "eacces", "lie"],
                _ => &["die", "cut", "eio", "enospc", "eacces"],
            };
            cases.extend(kinds.iter().map(|kind| Case {
                verb: self.verb,
                fault: Fault {
                    point: point.to_owned(),
                    kind: (*kind).to_owned(),
                },
                flushes,
            }));
        }
        cases
    }

    /// A rollback wants something that it has not rolled back from.
    fn prepare(&self, sandbox: &Sandbox) {
        if self.verb == "rollback" {
            sandbox.bg(&["switch"]).assert_code(0);
        }
    }
}
