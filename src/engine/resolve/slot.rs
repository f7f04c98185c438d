//! The slot gets back what it held before a run replaced that.

use model::event::{Event, Note, Quiet, Sink, Step, Warning};
use model::failure::Failure;
use model::release::ReleaseId;
use state::releases;

use crate::app::App;
use crate::slot::{self, IdleSlot, read_manifest};
use crate::{adopted, gate};

/// Stops the candidate and starts what the slot held before, so that a rollback stays ready.
/// `true` when the slot has that again: it runs and answers, or nothing was there.
///
/// # Errors
/// When the candidate cannot be stopped.
pub(super) async fn restore(
    app: &App,
    idle: IdleSlot,
    before: Option<&ReleaseId>,
    nonce: &str,
    sink: &dyn Sink,
) -> Result<bool, Failure> {
    let color = idle.color();
    if let Some(before) = before
        && let Some(still) = adopted_again(app, &idle, before, sink).await
    {
        return Ok(still);
    }
    if let Some(before) = before
        && is_untouched(app, &idle, before).await
    {
        return Ok(true);
    }
    slot::discard(app, &idle).await?;
    let Some(before) = before else {
        slot::empty(app, &idle);
        return Ok(true);
    };
    match slot::revive(app, idle, before, nonce, &Quiet).await {
        Ok(_) => {
            sink.emit(Event::Noted(Note::SlotRestored {
                color,
                release: before.clone(),
            }));
            Ok(true)
        }
        Err(failure) => {
            sink.emit(Event::Warned(Warning::SlotNotRestored {
                color,
                release: before.clone(),
                problem: failure.what,
            }));
            Ok(false)
        }
    }
}

/// Whether a slot still runs what it held: a run that ends while it waits for the slot's
/// last requests has not touched it, and they must not be cut.
async fn is_untouched(app: &App, idle: &IdleSlot, before: &ReleaseId) -> bool {
    let color = idle.color();
    if releases::slot(&app.layout, color).as_ref() != Some(before) {
        return false;
    }
    let Ok(manifest) = read_manifest(app, before) else {
        return false;
    };
    match gate::warm(app, color, manifest).await {
        Ok(running) => gate::brief(app, &running).await.is_ok(),
        Err(_) => false,
    }
}

/// Where the slot still is an adopted process's own, that is left alone; `None` where `before`
/// is no such process.
async fn adopted_again(app: &App, idle: &IdleSlot, before: &ReleaseId, sink: &dyn Sink) -> Option<bool> {
    let adopted = releases::read(&app.layout, before).ok()?.adopted?;
    let color = idle.color();
    let entries = app.pm2.named(&adopted.pm2_name).await.unwrap_or_default();
    let its_own = releases::slot(&app.layout, color).as_ref() == Some(before);
    if its_own && (!entries.is_empty() || adopted::still_there(&adopted).is_some()) {
        return Some(true);
    }
    if !its_own && let Err(failure) = slot::discard(app, idle).await {
        sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::StopCandidate,
            problem: failure.what,
        }));
    }
    slot::empty(app, idle);
    sink.emit(Event::Warned(Warning::AdoptedNotRestored {
        color,
        process: adopted.pm2_name,
    }));
    Some(false)
}
