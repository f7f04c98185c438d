//! Where every command that changes something begins.

use std::time::Duration;

use jiff::Timestamp;
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Deployment, Failure, Traffic, in_one_line};
use model::journal::{RunId, Verb};
use model::release::ReleaseId;
use model::wire::Expected;
use state::run_logs;
use sys::command;

use crate::app::App;
use crate::caller::Caller;
use crate::run::{Run, interrupted, open};
use crate::{drift, preview, recover, traffic, watch};

/// Takes the lock, finishes or undoes what a killed run left, looks where traffic is,
/// and begins.
///
/// # Errors
/// Exit 4 when another run goes on past `patience`; exit 7 when nobody can say where
/// traffic is; exit 1 when the caller saw something else live.
pub async fn begin<'a>(
    app: &'a App,
    verb: Verb,
    patience: Duration,
    caller: &'a Caller<'a>,
) -> Result<Run<'a>, Failure> {
    let command = verb.to_string();
    let (lock, mut journal) = tokio::select! {
        opened = open(app, &command, patience, caller) => opened?,
        lost = caller.control.stopped() => return Err(interrupted(app, lost)),
    };
    let id = RunId::new(
        Timestamp::now(),
        std::process::id(),
        run_logs::forget_old(&app.layout).as_ref(),
    );
    command::mark_run(&id.0);
    recover::recover(app, &mut journal, caller).await?;
    let drift = drift::look(app, journal.state(), app.link.read().ok());
    let (from, drift) = tokio::join!(traffic::observe(app), drift);
    let from = from?;
    drift::tell(&drift, caller)?;
    as_seen(&traffic::deployment(app, from.color), caller.expected.as_ref())?;
    if let Err(error) = preview::settle(app, from.color, caller) {
        caller.emit(Event::Warned(Warning::StepFailed {
            step: Step::Previews,
            problem: in_one_line(&error),
        }));
    }
    if let Err(error) = watch::settle(app, from) {
        caller.emit(Event::Warned(Warning::StepFailed {
            step: Step::Watch,
            problem: in_one_line(&error),
        }));
    }
    Run::opened(app, (id, verb, from), (lock, journal), caller)
}

/// A request that was made in view of something else is stale, or comes twice.
fn as_seen(live: &Deployment, expected: Option<&Expected>) -> Result<(), Failure> {
    let words = |release: Option<&ReleaseId>| release.map_or("nothing".to_owned(), ReleaseId::to_string);
    match expected {
        Some(expected) if expected.live != live.release => Err(Failure::failed(format!(
            "the live release changed from {1} to {0} after this command was issued",
            words(live.release.as_ref()),
            words(expected.live.as_ref())
        ))
        .hint("`bg status` shows what is live; then type the command again")
        .with_traffic(Traffic::Unchanged { live: live.clone() })),
        _ => Ok(()),
    }
}
