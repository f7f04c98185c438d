//! A release is tried before a slot is touched: what cannot be imported, or whose server is not
//! installed, is refused while the color that a rollback goes to still runs.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::health::{self, Pace, Unhealthy};
use engine::run::Run;
use engine::{gate, slot, traffic};
use keeper::launcher::{self, render_run};
use model::color::Color;
use model::config::Preflight;
use model::config::run_command::loads;
use model::event::{Event, Note, Sink, TriedBy, millis};
use model::failure::Failure;
use model::release::Manifest;
use sys::command::{Command, CommandError};
use sys::identity::{self, NONCE};
use sys::process::{self, Process};
use sys::sockets;
use tokio::sync::oneshot;

use super::memory::Memory;

/// One that neither ends nor answers for so long is left to the gate, which is more patient:
/// an import error shows within a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a starting process is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// How long one that was tried may take to end; no visitor ever saw it.
const GRACE: Duration = Duration::from_secs(3);

/// Spare ports that are tried, where somebody else takes one first.
const PORTS: usize = 3;

/// Lines of the process that are kept for a refusal.
const LINES: usize = 100;

/// What came of trying a release before the schema follows it.
#[derive(Debug)]
pub enum Tried {
    /// All there is to do.
    Done,
    /// It did not start; it may need what the migration brings.
    OnceMigrated,
    /// It did not start, and is to go on all the same.
    Forced(String),
}

/// Tries a release. Where a migration may follow, one that does not start is tried again after it.
///
/// # Errors
/// When it does not start, and no reason is given to go on; nothing has been touched.
pub async fn before_schema(
    run: &Run<'_>,
    manifest: &Manifest,
    force: Option<&str>,
) -> Result<Tried, Failure> {
    match starts(run, manifest).await {
        Ok(()) => Ok(Tried::Done),
        Err(_) if run.app.config.migrate.is_some() => Ok(Tried::OnceMigrated),
        Err(refusal) => go_past(run, refusal, force).map(Tried::Forced),
    }
}

/// Tries a release again, where it did not start before its migration. The reason, where it goes on
/// although it did not start.
///
/// # Errors
/// When it does not start, and no reason is given to go on; no slot has been touched.
pub async fn after_schema(
    run: &Run<'_>,
    manifest: &Manifest,
    tried: Tried,
    force: Option<&str>,
) -> Result<Option<String>, Failure> {
    match tried {
        Tried::Done => Ok(None),
        Tried::Forced(reason) => Ok(Some(reason)),
        Tried::OnceMigrated => match starts(run, manifest).await {
            Ok(()) => Ok(None),
            Err(refusal) => go_past(run, refusal, force).map(Some),
        },
    }
}

/// It may start in its slot, where it is the only one of its color: the gate has the last word.
/// Goes on past a refusal, where a reason for that is given; it is told.
///
/// # Errors
/// The refusal, where there is none.
pub(super) fn go_past(run: &Run<'_>, refusal: Failure, force: Option<&str>) -> Result<String, Failure> {
    let Some(reason) = force else {
        return Err(refusal);
    };
    run.sink.emit(Event::GateForced {
        color: run.idle(),
        reason: reason.to_owned(),
        problem: refusal.what,
    });
    Ok(reason.to_owned())
}

async fn starts(run: &Run<'_>, manifest: &Manifest) -> Result<(), Failure> {
    let began = Instant::now();
    let how = match manifest.config.gate.preflight {
        Preflight::Off => return Ok(()),
        // Two of one color would get in each other's way: a file named after it, say.
        Preflight::Start if manifest.run.iter().any(|word| word.contains("{{color}}")) => Preflight::Import,
        Preflight::Start if !has_room_for_three(run).await => Preflight::Import,
        how => how,
    };
    let logs = slot::Mark::now(run.app, run.idle(), manifest);
    let trial = Trial { run, manifest, logs };
    let tried = match how {
        Preflight::Import => trial.import().await?.then_some(TriedBy::Import),
        _ => trial.start().await?.then_some(TriedBy::Start),
    };
    let (release, took) = (manifest.id.clone(), began.elapsed());
    let took_ms = millis(took);
    match tried {
        Some(tried) => run.sink.emit(Event::Noted(Note::PreflightPassed {
            release,
            tried,
            took_ms,
        })),
        None if took >= PATIENCE => {
            let unclear = Note::PreflightUnclear { release, took_ms };
            run.sink.emit(Event::Noted(unclear));
        }
        None => {}
    }
    Ok(())
}

async fn has_room_for_three(run: &Run<'_>) -> bool {
    let memory = Memory::for_one_more(run.app, run.idle()).await;
    memory.is_none_or(|memory| memory.is_enough_for_three())
}

/// One release that is tried.
struct Trial<'a> {
    run: &'a Run<'a>,
    manifest: &'a Manifest,
    /// How long its logs were before.
    logs: slot::Mark,
}

/// Why it was not seen to start.
enum Refused {
    /// It cannot, for this reason.
    Unfit(String),
    /// Somebody else has the spare port.
    PortTaken,
    /// Nobody can say: the gate will.
    Unknown,
}

impl Trial<'_> {
    /// Starts it as its slot would, on a spare port, until it answers; `false` where it
    /// neither ended nor answered.
    async fn start(&self) -> Result<bool, Failure> {
        for _ in 0..PORTS {
            let Ok(port) = spare_port() else { return Ok(false) };
            let mut said = VecDeque::new();
            match self.start_on(port, &mut said).await {
                Ok(()) => return Ok(true),
                Err(Refused::PortTaken) => {}
                Err(Refused::Unknown) => return Ok(false),
                Err(Refused::Unfit(problem)) => return Err(self.refusal("start", &problem, &said)),
            }
        }
        Ok(false)
    }

    async fn start_on(&self, port: u16, said: &mut VecDeque<String>) -> Result<(), Refused> {
        let (app, color) = (self.run.app, self.run.idle());
        let mut manifest = self.manifest.clone();
        match color {
            Color::Blue => manifest.ports.blue = port,
            Color::Green => manifest.ports.green = port,
        }
        let (venv, release) = (
            app.layout.venvs().join(&manifest.venv),
            app.layout.release(&manifest.id),
        );
        let unfit = |error: &dyn std::error::Error| Refused::Unfit(error.to_string());
        let words = render_run(&manifest.run, port, &venv, &release, color).map_err(|error| unfit(&error))?;
        let nonce = format!("{}-preflight-{port}", self.run.id);
        let command = launcher::command(&app.layout, color, &manifest, &words)
            .map_err(|error| unfit(&error))?
            .env(NONCE, &nonce)
            .deadline(PATIENCE + GRACE);
        let (tell, told) = oneshot::channel();
        let since = Instant::now();
        let mut server = None;
        let started = |pid| {
            server = Process::of(pid);
            tell.send(pid).ok();
        };
        let ended = command.follow_from(started, |line| keep(said, line));
        let seen = async {
            match told.await {
                Ok(pid) => self.until_it_answers(pid, &manifest, &nonce).await,
                // It was not started, which the other branch knows more about.
                Err(_) => std::future::pending().await,
            }
        };
        let tried = tokio::select! {
            ended = ended => Err(match ended {
                Ok(status) => Refused::Unfit(gate::end_of(since.elapsed(), status.code())),
                Err(CommandError::TimedOut { .. }) => Refused::Unknown,
                Err(error) => unfit(&error),
            }),
            seen = seen => seen,
        };
        let is_anothers =
            || sockets::holder(port).is_some_and(|holder| !process::env_has(holder.pid, NONCE, &nonce));
        let tried = match tried {
            Err(Refused::Unfit(_)) if is_anothers() => Err(Refused::PortTaken),
            tried => tried,
        };
        // Also what is not below it any more, and what hides the variables that it began with.
        for process in server.into_iter().chain(process::with_variable(NONCE, &nonce)) {
            slot::end(process, port, GRACE).await.ok();
        }
        tried
    }

    /// A server may listen before it has loaded the app, so it is asked something: whatever the
    /// answer, the app gave it.
    async fn until_it_answers(&self, pid: u32, manifest: &Manifest, nonce: &str) -> Result<(), Refused> {
        let (app, config) = (self.run.app, &manifest.config);
        let port = manifest.ports.of(self.run.idle());
        let target = gate::target(config, port);
        let (folder, checks) = (slot::app_folder(app, manifest), config.health.get(..1));
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match identity::check(pid, port, &folder, Some(nonce)) {
                Ok(()) => {
                    let checks = checks.unwrap_or_default();
                    let round = health::round(&target, checks, 1, config.gate.attempt.0, Pace::InTurn).await;
                    let answered =
                        |probe: &health::Probe| !matches!(probe.outcome, Err(Unhealthy::NoAnswer(_)));
                    if round.probes.iter().all(answered) {
                        return Ok(());
                    }
                }
                // How it ended is heard from itself.
                Err(error) if error.may_pass() || Process::of(pid).is_none() => {}
                Err(error) => {
                    let usual = self.manifest.ports.of(self.run.idle());
                    return Err(Refused::Unfit(error.said_of(usual).to_string()));
                }
            }
            tokio::time::sleep(GLANCE).await;
        }
        Err(Refused::Unknown)
    }

    /// Imports it as its server would; `false` where it is not known what that loads.
    async fn import(&self) -> Result<bool, Failure> {
        let (app, color, manifest) = (self.run.app, self.run.idle(), self.manifest);
        let (venv, release) = (
            app.layout.venvs().join(&manifest.venv),
            app.layout.release(&manifest.id),
        );
        let port = manifest.ports.of(color);
        let Ok(words) = render_run(&manifest.run, port, &venv, &release, color) else {
            return Ok(false);
        };
        let Some(words) = importing(words, &venv) else {
            return Ok(false);
        };
        let Ok(command) = launcher::command(&app.layout, color, manifest, &words) else {
            return Ok(false);
        };
        let mut said = VecDeque::new();
        let (command, since): (Command, Instant) = (command.deadline(PATIENCE), Instant::now());
        match command.follow(|line| keep(&mut said, line)).await {
            Ok(status) if status.success() => Ok(true),
            Ok(status) => {
                let problem = gate::end_of(since.elapsed(), status.code());
                Err(self.refusal("import", &problem, &said))
            }
            Err(CommandError::TimedOut { .. }) => Ok(false),
            Err(error) => Err(self.refusal("import", &error.to_string(), &said)),
        }
    }

    fn refusal(&self, step: &str, problem: &str, said: &VecDeque<String>) -> Failure {
        let (app, manifest) = (self.run.app, self.manifest);
        let redactor = slot::redactor(app, manifest);
        let text: Vec<&str> = said.iter().map(String::as_str).collect();
        let mut lines = slot::shown(&text.join("\n"), &redactor, &app.process(self.run.idle()));
        lines.extend(self.logs.of_server(&redactor));
        let hint = gate::advice::on_missing_module(&lines, &manifest.config).unwrap_or_else(|| {
            "for an app that cannot run twice at a time, `gate.preflight = \"off\"` in bg.toml skips this trial, `bg deploy --force-gate REASON` does so once".to_owned()
        });
        Failure::failed(format!(
            "{} does not {step}: {}",
            manifest.id.short(),
            redactor.redact(problem)
        ))
        .showing(lines)
        .hint(hint)
        .with_traffic(traffic::unchanged(app))
    }
}

fn keep(said: &mut VecDeque<String>, line: &str) {
    said.push_back(line.to_owned());
    if said.len() > LINES {
        said.pop_front();
    }
}

/// A port of 127.0.0.1 that nobody has.
fn spare_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.local_addr().map(|address| address.port())
}

/// The command that loads what `words` would serve: gunicorn's own check, or an import.
fn importing(mut words: Vec<String>, venv: &Path) -> Option<Vec<String>> {
    let gunicorn = |word: &String| word.rsplit('/').next() == Some("gunicorn");
    if let Some(at) = words.iter().position(gunicorn) {
        words.insert(at + 1, "--check-config".to_owned());
        return Some(words);
    }
    let module = loads(&words)?.to_owned();
    let import = "import importlib, sys; importlib.import_module(sys.argv[1])";
    let python = venv.join("bin/python").display().to_string();
    Some(vec![python, "-c".to_owned(), import.to_owned(), module])
}
