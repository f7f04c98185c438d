//! A message to a webhook when traffic moved, or did not.

use engine::run::Run;
use engine::slot;
use model::config::notify::Format;
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Failure, Kind, Traffic, in_one_line};
use serde_json::{Value, json};
use web::webhook;

use super::deployed::Deployed;
use super::hooks::environment::{HookEnvironment, secrets};

/// Tells whoever wants to hear how `done` went; one that does not answer is only warned of.
pub async fn tell(run: &Run<'_>, done: &Result<Deployed, Failure>) {
    let Some(url) = url(run).filter(|_| is_news(run, done)) else {
        return;
    };
    let message = HookEnvironment::of_root(run).redact(&message(run, done).to_string());
    if let Err(error) = webhook::post(&url, message).await {
        run.sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::Notify,
            problem: in_one_line(&error),
        }));
    }
}

fn url(run: &Run<'_>) -> Option<String> {
    let notify = &run.app.config.notify;
    let secret = notify.webhook_env.as_ref().and_then(|name| {
        let known = secrets(run);
        known.get(name).map(|value| value.expose().to_owned())
    });
    if secret.is_none()
        && notify.webhook.is_none()
        && let Some(name) = &notify.webhook_env
    {
        run.sink.emit(Event::Warned(Warning::NoWebhook {
            variable: name.clone(),
        }));
    }
    secret.or_else(|| notify.webhook.clone())
}

/// Of several hosts that moved, the primary speaks for all; of those that did not, whoever
/// has a reason of its own.
fn is_news(run: &Run<'_>, done: &Result<Deployed, Failure>) -> bool {
    let speaks = run
        .caller
        .fleet
        .as_ref()
        .is_none_or(|step| step.primary == Some(true));
    match done {
        Ok(deployed) => deployed.switched && speaks,
        Err(failure) => speaks || failure.kind != Kind::Interrupted,
    }
}

fn message(run: &Run<'_>, done: &Result<Deployed, Failure>) -> Value {
    let text = text(run, done);
    match run.app.config.notify.format {
        Format::Slack => json!({"text": text}),
        Format::Discord => json!({"content": text}),
        Format::Json => facts(run, done, &text),
    }
}

fn facts(run: &Run<'_>, done: &Result<Deployed, Failure>, text: &str) -> Value {
    let release = run.release();
    let manifest = release
        .as_ref()
        .and_then(|id| slot::read_manifest(run.app, id).ok());
    let (outcome, error) = match done {
        Ok(_) => ("done", None),
        Err(failure) => ("failed", Some(&failure.what)),
    };
    json!({
        "text": text,
        "app": run.app.name(),
        "host": host(),
        "verb": run.verb,
        "release": release,
        "commit": manifest.as_ref().map(|manifest| &manifest.commit),
        "subject": manifest.as_ref().map(|manifest| &manifest.subject),
        "outcome": outcome,
        "traffic": traffic(done),
        "exit_code": done.as_ref().map_or_else(Failure::exit_code, |_| 0),
        "error": error,
        "run": run.id.to_string(),
    })
}

fn traffic(done: &Result<Deployed, Failure>) -> Traffic {
    match done {
        Ok(deployed) => Traffic::Moved {
            live: deployed.live.clone(),
        },
        Err(failure) => failure.traffic.clone(),
    }
}

fn text(run: &Run<'_>, done: &Result<Deployed, Failure>) -> String {
    let (app, host, verb) = (run.app.name(), host(), run.verb);
    match done {
        Ok(deployed) => format!(
            "{app} on {host}: {verb} done, {} is live, {} was before",
            deployed.live, deployed.other
        ),
        Err(failure) => format!(
            "{app} on {host}: {verb} failed: {}; traffic {}",
            failure.what, failure.traffic
        ),
    }
}

fn host() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "this host".to_owned())
}
