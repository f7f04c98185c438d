//! The one end of a run that did not reach its goal: what it has touched is given back, by what its
//! own records say that is.

use crate::model::event::{Event, Sink};
use crate::model::failure::{Failure, Traffic};
use crate::model::journal::{OpenRun, Phase, Verb};
use crate::model::release::ReleaseId;

use super::run::Run;
use super::{migrate, slot};

/// Passes on what came of `run`. Where it failed before its end was on record, the slot that it had
/// begun to replace gets back what that held, and the journal says that the run ended.
///
/// # Errors
/// As the run, and where traffic is now.
pub async fn unless_done<T>(run: &Run<'_>, done: Result<T, Failure>) -> Result<T, Failure> {
    let failure = match done {
        Ok(done) => return Ok(done),
        Err(failure) => failure,
    };
    match run.open() {
        Some(open) => Err(undo(run, &open, failure).await),
        None => Err(failure),
    }
}

async fn undo(run: &Run<'_>, open: &OpenRun, failure: Failure) -> Failure {
    let has_moved = !matches!(open.phase, Phase::Preparing | Phase::Replacing);
    // The journal stays open: the next command looks again, and finishes what is proven.
    if has_moved && matches!(failure.traffic, Traffic::Unknown { .. } | Traffic::Moved { .. }) {
        return failure;
    }
    migrate::look_back(run.app, &run.sink);
    if open.touched_slot {
        if let Err(moved) = run.still_idle().await {
            return run.leave(failure, moved);
        }
        // Visitors may have come to it before traffic was put back.
        let is_free = !has_moved || slot::drained(run.app, run.idle(), &run.sink).await;
        if is_free && !restored(run, open).await {
            return run.owe(failure);
        }
    }
    run.abort(&failure.what, unfit(open));
    failure.or_traffic(Traffic::Unchanged { live: run.live() })
}

/// What a deploy brought is not to be gone back to; what served before may be, whatever came in
/// the way this time.
fn unfit(open: &OpenRun) -> Option<&ReleaseId> {
    open.release
        .as_ref()
        .filter(|_| open.verb == Verb::Deploy && open.touched_slot)
}

/// `false` when the slot does not have what it held, and is to be tried once more.
async fn restored(run: &Run<'_>, open: &OpenRun) -> bool {
    let nonce = format!("{}-back", run.id);
    let before = open.replaces.as_ref();
    match slot::restore(run.app, run.idle(), before, &nonce, &run.sink).await {
        Ok(restored) => restored,
        Err(failure) => {
            run.sink.emit(Event::Warned { text: failure.what });
            false
        }
    }
}
