//! Commands of the operator's around a release: where they run, what they are told, and
//! what comes of a failing one.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::Instant;

use engine::gate::Gated;
use engine::run::Run;
use engine::traffic;
use model::config::duration::Span;
use model::config::hooks::{Hook, Moment, RunsOn};
use model::event::{Event, Sink, Step, Warning, millis};
use model::failure::{Failure, Traffic, in_one_line};
use model::journal::Verb;
use model::release::Manifest;
use sys::command::{Command, CommandError};

use super::deployed::Deployed;
use super::notify;

pub mod environment;

pub use environment::{HookEnvironment, secrets};

/// Lines that are told; a program that prints more is heard on to its end.
const MOST_LINES: usize = 10_000;

/// A longer line is cut, once its secrets are out: fifty lines of a terminal.
const LONGEST_LINE: usize = 4000;

/// Lines that a failure shows again.
const SHOWN_AGAIN: usize = 10;

/// Before anything is fetched.
///
/// # Errors
/// When one fails.
pub async fn before_build(run: &Run<'_>) -> Result<(), Failure> {
    all(run, Moment::BeforeBuild, || Ok(HookEnvironment::of_root(run))).await
}

/// In the new release, once it is whole.
///
/// # Errors
/// When one fails.
pub async fn after_build(run: &Run<'_>, manifest: &Manifest) -> Result<(), Failure> {
    let environment = || HookEnvironment::of_release(run, manifest, run.from.color);
    all(run, Moment::AfterBuild, environment).await
}

/// In the release that passed the gate. A rollback waits for no hook: what stands in its
/// way is not wanted then.
///
/// # Errors
/// When one fails.
pub async fn before_switch(run: &Run<'_>, passed: &Gated) -> Result<(), Failure> {
    if run.verb == Verb::Rollback {
        return Ok(());
    }
    let release = passed.deployment().release;
    let environment = || Ok(HookEnvironment::of(run, release.as_ref(), run.from.color));
    all(run, Moment::BeforeSwitch, environment).await
}

/// When all is over: the hooks for how it ended, and whoever wants to hear of it.
///
/// # Errors
/// As it ended; exit 6 when a hook fails after traffic moved, which stays.
pub async fn after(run: &Run<'_>, done: Result<Deployed, Failure>) -> Result<Deployed, Failure> {
    let done = match done {
        Ok(deployed) if deployed.switched => moved(run, deployed).await,
        other => other,
    };
    if let Err(failure) = &done {
        failed(run, failure).await;
    }
    notify::tell(run, &done).await;
    done
}

/// The same for a verdict about a release that is watched: nothing was done by `run` itself.
pub async fn guilty(run: &Run<'_>, verdict: Failure) {
    failed(run, &verdict).await;
    notify::tell(run, &Err(verdict)).await;
}

async fn moved(run: &Run<'_>, deployed: Deployed) -> Result<Deployed, Failure> {
    let moment = match run.verb {
        Verb::Rollback => Moment::AfterRollback,
        _ => Moment::AfterSwitch,
    };
    let traffic = Traffic::Moved {
        live: deployed.live.clone(),
    };
    let environment = || {
        let environment = HookEnvironment::of(run, deployed.live.release.as_ref(), deployed.live.color);
        Ok(environment.telling("BG_TRAFFIC", &traffic.to_string()))
    };
    let ran = run.until_told_to_stop(all(run, moment, environment)).await;
    let ran = ran.unwrap_or_else(|| Err(Failure::failed(format!("`{}` was interrupted", moment.name()))));
    match ran {
        Ok(()) => Ok(deployed),
        Err(failure) => Err(failure
            .hint("traffic stays on the new color; run the hook's command yourself")
            .with_traffic(traffic)),
    }
}

/// A failing one changes nothing about how it ended.
async fn failed(run: &Run<'_>, failure: &Failure) {
    let live = match &failure.traffic {
        Traffic::Unchanged { live } | Traffic::PutBack { live } | Traffic::Moved { live } => live.color,
        Traffic::Untouched | Traffic::Unknown { .. } => run.from.color,
    };
    let environment = || {
        let environment = HookEnvironment::of(run, run.release().as_ref(), live);
        let said = environment.redact(&failure.what);
        let traffic = failure.traffic.to_string();
        Ok(environment
            .telling("BG_FAILURE", &said)
            .telling("BG_TRAFFIC", &traffic))
    };
    let ran = run
        .until_told_to_stop(all(run, Moment::OnFailure, environment))
        .await;
    if let Some(Err(problem)) = ran {
        run.sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::OnFailure,
            problem: problem.what,
        }));
    }
}

/// Runs the hooks of a moment that are this host's, in turn. Where nobody sits at another
/// end, the client is this host too.
async fn all(
    run: &Run<'_>,
    moment: Moment,
    environment: impl FnOnce() -> Result<HookEnvironment, Failure>,
) -> Result<(), Failure> {
    let afar = run.caller.control.are_a_clients();
    let ours = |hook: &&Hook| hook.on == RunsOn::Host || !afar;
    let hooks: Vec<&Hook> = run.app.config.hooks.of(moment).iter().filter(ours).collect();
    if hooks.is_empty() {
        return Ok(());
    }
    let name = moment.name();
    let environment = environment()?.telling("BG_HOOK", name);
    for hook in hooks {
        succeed(run, &environment, name, &hook.run, hook.timeout).await?;
    }
    Ok(())
}

/// Runs one command, which must exit 0.
///
/// # Errors
/// When it does not, with its last lines.
pub async fn succeed(
    run: &Run<'_>,
    environment: &HookEnvironment,
    name: &str,
    line: &str,
    timeout: Span,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut last = VecDeque::new();
    let ended = hear(run, environment, name, line, timeout, |line| {
        last.push_back(format!("{name} | {line}"));
        while last.len() > SHOWN_AGAIN {
            last.pop_front();
        }
    });
    let problem = match ended.await {
        Ok(status) if status.success() => {
            run.sink.emit(Event::HookRan {
                hook: name.to_owned(),
                command: environment.redact(line),
                took_ms: millis(began.elapsed()),
            });
            return Ok(());
        }
        Ok(status) => CommandError::Failed {
            command: environment.redact(line),
            status,
            output: String::new(),
        },
        Err(error) => error,
    };
    run.sink.emit(Event::HookFailed {
        hook: name.to_owned(),
        problem: environment.redact(&in_one_line(&problem)),
    });
    Err(Failure::failed(format!("`{name}` failed"))
        .because(problem)
        .showing(last)
        .with_traffic(traffic::unchanged(run.app)))
}

/// Runs one command to its end, whatever its status, and tells each line.
///
/// # Errors
/// When it cannot be started, or misses its deadline.
pub async fn hear(
    run: &Run<'_>,
    environment: &HookEnvironment,
    name: &str,
    line: &str,
    timeout: Span,
    mut also: impl FnMut(&str),
) -> Result<ExitStatus, CommandError> {
    let words = shlex::split(line).unwrap_or_default();
    let (program, args) = words
        .split_first()
        .map_or(("", [].as_slice()), |(program, args)| (program.as_str(), args));
    let mut command = Command::new(program)
        .args(args)
        .folder(&environment.folder)
        .deadline(timeout.0);
    for (name, value) in &environment.env {
        command = command.env(name, value);
    }
    let mut lines = 0;
    command
        .follow(|said| {
            lines += 1;
            if lines > MOST_LINES {
                return;
            }
            let said: String = environment.redact(said).chars().take(LONGEST_LINE).collect();
            also(&said);
            run.sink.emit(Event::HookSaid {
                hook: name.to_owned(),
                line: said,
            });
        })
        .await
}
