//! Where `bg` was typed, when the work is done on other machines: the hooks that run here,
//! once, before anything is sent and when all is over.

use std::time::Instant;

use model::config::hooks::{Hook, Moment, RunsOn};
use model::event::{Event, Sink, Step, Warning, millis};
use model::failure::{Failure, Kind, Traffic, in_one_line};
use sys::command::{Command, CommandError};

use super::args::Verb;
pub use super::invocation::Client;
use super::invocation::Invocation;
use crate::remote::interrupts::Interrupts;
use crate::remote::relay::Finished;
use crate::text::Show;
use crate::verbs::Answer;
use crate::verbs::deployed::Deployed;
use crate::verbs::host_table::{Fleet, OnHost};

/// What a hook is told, by name.
type Told = Vec<(&'static str, String)>;

/// Before anything is sent.
///
/// # Errors
/// When a hook fails: nothing is asked of any host then.
pub async fn before(invocation: &Invocation) -> Result<(), Failure> {
    if !matches!(invocation.verb, Verb::Deploy { plan: false, .. }) {
        return Ok(());
    }
    let ran = all(invocation, Moment::BeforeBuild, Vec::new()).await;
    if let Err(failure) = &ran {
        failed(invocation, failure.what.clone(), Traffic::Untouched.to_string()).await;
    }
    ran
}

/// When a single host has ended: as it did, or exit 6 where a hook fails after traffic moved.
pub async fn after(invocation: &Invocation, finished: Finished) -> Finished {
    if !invocation.verb.kind().is_coordinated() {
        return finished;
    }
    let finished = match &finished.result {
        Ok(Some(Answer::Deployed(done))) if done.switched => match moved(invocation, done).await {
            Ok(()) => finished,
            Err(failure) => failure.into(),
        },
        _ => finished,
    };
    if let Err(failure) = &finished.result {
        failed(invocation, failure.what.clone(), failure.traffic.to_string()).await;
    }
    finished
}

/// The same for several, which have one page for all of them.
pub async fn after_all(invocation: &Invocation, fleet: &mut Fleet) {
    if !invocation.verb.kind().is_coordinated() {
        return;
    }
    let done = fleet.hosts.iter().find_map(|host| match host.answer.as_deref() {
        Some(Answer::Deployed(done)) if done.switched => Some(done),
        _ => None,
    });
    if let (0, Some(done)) = (fleet.exit_code(), done) {
        fleet.hook = moved(invocation, done).await.err().map(|failure| failure.what);
    }
    if fleet.exit_code() != 0 {
        all_failed(invocation, fleet).await;
    }
}

/// When several were led to a verdict after that, and not left before it.
pub async fn after_leading(invocation: &Invocation, fleet: &Fleet) {
    if ![0, 130].contains(&fleet.exit_code()) {
        all_failed(invocation, fleet).await;
    }
}

async fn all_failed(invocation: &Invocation, fleet: &Fleet) {
    let each = |of: fn(&OnHost) -> Option<String>| {
        let hosts = fleet.hosts.iter();
        let words = hosts.filter_map(|host| Some(format!("{}: {}", host.host, of(host)?)));
        words.collect::<Vec<_>>().join("; ")
    };
    let what = each(|host| host.failure.as_ref().map(|failed| failed.what.clone()));
    let what = fleet.hook.clone().unwrap_or(what);
    failed(invocation, what, each(|host| Some(host.traffic()))).await;
}

async fn moved(invocation: &Invocation, done: &Deployed) -> Result<(), Failure> {
    let moment = match invocation.verb {
        Verb::Rollback { .. } => Moment::AfterRollback,
        _ => Moment::AfterSwitch,
    };
    let traffic = Traffic::Moved {
        live: done.live.clone(),
    };
    let mut told = vec![("BG_TRAFFIC", traffic.to_string())];
    // A run has its name on one host only; the color may differ too.
    if invocation.chosen.names.len() == 1 {
        let release = done.live.release.as_ref().map(ToString::to_string);
        told.extend([
            ("BG_RUN", done.run.clone()),
            ("BG_COLOR", done.live.color.to_string()),
            ("BG_LIVE_COLOR", done.live.color.to_string()),
            ("BG_RELEASE", release.unwrap_or_default()),
        ]);
    }
    let ran = all(invocation, moment, told).await;
    ran.map_err(|failure| {
        failure
            .hint("traffic stays on the new color; run the hook's command yourself")
            .with_traffic(traffic)
    })
}

async fn failed(invocation: &Invocation, what: String, traffic: String) {
    let told = vec![("BG_FAILURE", what), ("BG_TRAFFIC", traffic)];
    if let Err(problem) = all(invocation, Moment::OnFailure, told).await {
        invocation.ui.emit(Event::Warned(Warning::StepFailed {
            step: Step::OnFailure,
            problem: problem.what,
        }));
    }
}

async fn all(invocation: &Invocation, moment: Moment, told: Told) -> Result<(), Failure> {
    let Some(client) = &invocation.client else {
        return Ok(());
    };
    let hooks = client.hooks.of(moment).iter();
    for hook in hooks.filter(|hook| hook.on == RunsOn::Client) {
        let began = Instant::now();
        let mut interrupts = Interrupts::listen();
        let ran = tokio::select! {
            ran = run(invocation, client, moment, hook, &told) => ran,
            () = interrupts.first() => {
                let what = format!("`{}` was interrupted", moment.name());
                return Err(Failure::new(Kind::Interrupted, what));
            }
        };
        if let Err(error) = ran {
            invocation.ui.emit(Event::HookFailed {
                hook: moment.name().to_owned(),
                problem: in_one_line(&error),
            });
            return Err(Failure::failed(format!("`{}` failed", moment.name())).because(error));
        }
        invocation.ui.emit(Event::HookRan {
            hook: moment.name().to_owned(),
            command: hook.run.clone(),
            took_ms: millis(began.elapsed()),
        });
    }
    Ok(())
}

/// It finds all of the environment in which `bg` was typed.
async fn run(
    invocation: &Invocation,
    client: &Client,
    moment: Moment,
    hook: &Hook,
    told: &Told,
) -> Result<(), CommandError> {
    let words = shlex::split(&hook.run).unwrap_or_default();
    let (program, args) = words
        .split_first()
        .map_or(("", [].as_slice()), |(program, args)| (program.as_str(), args));
    let mut command = Command::new(program)
        .args(args)
        .folder(&client.folder)
        .deadline(hook.timeout.0);
    for (name, value) in std::env::vars_os() {
        command = command.env(name, value);
    }
    let verb = serde_json::to_value(&invocation.verb).unwrap_or_default();
    let verb = verb.as_object().and_then(|verb| verb.keys().next());
    let ours = [
        ("BG_HOOK", moment.name().to_owned()),
        ("BG_APP", client.app.clone()),
        ("BG_VERB", verb.cloned().unwrap_or_default()),
        ("BG_HOSTS", invocation.chosen.names.join(",")),
    ];
    for (name, value) in ours.iter().chain(told) {
        command = command.env(name, value);
    }
    let said = |line: &str| {
        invocation.ui.emit(Event::HookSaid {
            hook: moment.name().to_owned(),
            line: line.to_owned(),
        });
    };
    match command.follow(said).await? {
        status if status.success() => Ok(()),
        status => Err(CommandError::Failed {
            command: hook.run.clone(),
            status,
            output: String::new(),
        }),
    }
}
