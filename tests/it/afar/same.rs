//! The same commands, on a host and over SSH: the same events, results, texts and exit
//! codes. One script is played on both stages, and what was told is compared word by word
//! once ids, times, ports, pids and paths have names that both share.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use toml::Table;

use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::{Outcome, Running};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, repo, set};

mod names;
mod script;

use names::Names;

/// `bg` with these words, not started yet.
type Typed<'a> = Box<dyn Fn(&[&str]) -> Command + 'a>;

/// Where the script is played.
struct Stage<'a> {
    host: &'a Sandbox,
    /// Where `bg` is typed.
    desk: PathBuf,
    /// `bg`, as it is typed there.
    bg: Typed<'a>,
    /// Whether each command is asked for JSON.
    json: bool,
    told: RefCell<Vec<Told>>,
}

/// One command of the script.
#[derive(Debug, PartialEq)]
struct Told {
    command: String,
    text: String,
}

impl Stage<'_> {
    /// Types a command; what it tells is kept.
    fn bg(&self, args: &[&str]) -> Outcome {
        self.bg_with(args, None)
    }

    /// The same with something on its standard input.
    fn bg_with(&self, args: &[&str], input: Option<&str>) -> Outcome {
        let args = self.typed(args);
        let mut command = (self.bg)(&args);
        let began = Instant::now();
        let mut child = command
            .stdin(input.map_or(Stdio::null(), |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.as_bytes()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let outcome = Outcome::new(&args, &output, began.elapsed());
        self.keep(&outcome, &args);
        outcome
    }

    /// Types a command that goes on, and interrupts it once `enough` of it was seen; of what it
    /// has shown `part` is compared.
    fn bg_until(
        &self,
        args: &[&str],
        mut enough: impl FnMut(&str) -> bool,
        part: impl Fn(String) -> String,
    ) -> Outcome {
        let args = self.typed(args);
        let shown = self.desk.join("shown");
        let began = Instant::now();
        let mut command = (self.bg)(&args);
        command
            .stdout(fs::File::create(&shown).unwrap())
            .stderr(Stdio::piped());
        let running = Running::start_as_it_is(command, &args);
        wait_until(Duration::from_secs(60), &args.join(" "), || {
            enough(&fs::read_to_string(&shown).unwrap())
        });
        running.signal(Signal::SIGINT);
        let mut outcome = running.wait();
        outcome.stdout = part(fs::read_to_string(&shown).unwrap());
        outcome.took = began.elapsed();
        self.keep(&outcome, &args);
        outcome
    }

    fn typed<'b>(&self, args: &[&'b str]) -> Vec<&'b str> {
        let before = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        let json = self.json.then_some("--json");
        args[..before]
            .iter()
            .copied()
            .chain(json)
            .chain(args[before..].iter().copied())
            .collect()
    }

    fn keep(&self, outcome: &Outcome, args: &[&str]) {
        let names = Names::of(self.host);
        self.told.borrow_mut().push(Told {
            command: names.give(&args.join(" ")),
            text: names.outcome(outcome),
        });
    }

    fn commit(&self, message: &str, from: &str, to: &str) {
        repo::commit(&self.host.repo(), message, |repo| {
            repo::replace(&repo.join("app.py"), from, to);
        });
    }
}

/// Plays the script at home and afar, and compares.
fn compare(json: bool) {
    let (home, afar) = std::thread::scope(|scope| {
        let home = scope.spawn(|| at_home(json));
        let afar = scope.spawn(|| over_ssh(json));
        (home.join().unwrap(), afar.join().unwrap())
    });
    assert_eq!(home.len(), script::LENGTH, "commands in the script");
    let mut different = Vec::new();
    for (home, afar) in home.iter().zip(&afar) {
        if home != afar {
            different.push(format!(
                "--- `{}` on the host\n{}\n--- `{}` over SSH\n{}",
                home.command, home.text, afar.command, afar.text
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} differ\n{}",
        different.len(),
        home.len(),
        different.join("\n")
    );
    assert_eq!(home.len(), afar.len());
}

/// A gate that is not passed is given up soon; a proof may take its time.
fn hasty(config: &mut Table) {
    set(config, "gate", "timeout", "8s");
    set(config, "timeouts", "proof", "15s");
}

fn at_home(json: bool) -> Vec<Told> {
    let sandbox = Sandbox::with(hasty);
    let stage = Stage {
        host: &sandbox,
        desk: sandbox.config().parent().unwrap().to_owned(),
        bg: Box::new(|args| sandbox.bg_command(args)),
        json,
        told: RefCell::default(),
    };
    script::play(&stage);
    stage.told.into_inner()
}

fn over_ssh(json: bool) -> Vec<Told> {
    let afar = Afar::with(1, |_, config| hasty(config));
    afar.write_config(0, |_| {});
    // The only thing that is told over SSH alone.
    afar.bg(&["status"])
        .assert_code(3)
        .assert_says("installed on web1");
    let stage = Stage {
        host: &afar.servers[0].sandbox,
        desk: afar.desk(),
        bg: Box::new(|args| afar.command(args)),
        json,
        told: RefCell::default(),
    };
    script::play(&stage);
    stage.told.into_inner()
}

#[test]
fn programs_are_told_the_same_on_the_host_and_over_ssh() {
    compare(true);
}

#[test]
fn people_are_told_the_same_on_the_host_and_over_ssh() {
    compare(false);
}
