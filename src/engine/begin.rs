//! Where every command that changes something begins.

use std::time::Duration;

use jiff::Timestamp;
use model::failure::{Failure, Standing, Traffic};
use model::journal::{RunId, Verb};
use model::release::ReleaseId;
use model::wire::Saw;
use state::stories;
use sys::command;

use crate::app::App;
use crate::caller::Caller;
use crate::run::{Run, interrupted, open};
use crate::{drift, recover, traffic};

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
        lost = caller.orders.stopped() => return Err(interrupted(app, lost)),
    };
    let id = RunId::new(
        Timestamp::now(),
        std::process::id(),
        stories::forget_old(&app.layout).as_ref(),
    );
    command::mark_run(&id.0);
    recover::recover(app, &mut journal, caller).await?;
    let drift = drift::look(app, journal.story(), app.link.read().ok());
    let (from, drift) = tokio::join!(traffic::observe(app), drift);
    let from = from?;
    drift::tell(&drift, caller)?;
    as_seen(&traffic::standing(app, from.color), caller.saw.as_ref())?;
    Run::opened(app, (id, verb, from), (lock, journal), caller)
}

/// A request that was made in view of something else is stale, or comes twice.
fn as_seen(live: &Standing, saw: Option<&Saw>) -> Result<(), Failure> {
    let words = |release: Option<&ReleaseId>| release.map_or("nothing".to_owned(), ReleaseId::to_string);
    match saw {
        Some(saw) if saw.live != live.release => Err(Failure::failed(format!(
            "the live release changed from {1} to {0} after this command was issued",
            words(live.release.as_ref()),
            words(saw.live.as_ref())
        ))
        .hint("`bg status` shows what is live; then type the command again")
        .with_traffic(Traffic::Unchanged { live: live.clone() })),
        _ => Ok(()),
    }
}
