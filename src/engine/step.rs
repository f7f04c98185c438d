//! In step with the other hosts of a fleet: nobody moves traffic before all are ready, and
//! whoever moved goes back when one did not.

use model::event::{Event, Sink};
use model::failure::Failure;

use crate::app::App;
use crate::gate::{self, Gated};
use crate::orders::Verdict;
use crate::proof::Unproven;
use crate::reload_works::reload_would_work;
use crate::run::Run;
use crate::slot;

/// Says that this host is ready, and waits until all are.
///
/// # Errors
/// When the color is not healthy any more by then.
pub async fn ready(run: &Run<'_>, passed: Gated) -> Result<Gated, Failure> {
    if run.caller.fleet.is_none() {
        return Ok(passed);
    }
    reload_would_work(run.app).await?;
    let standing = passed.standing();
    run.sink.emit(Event::Ready {
        color: standing.color,
        release: standing.release,
    });
    run.caller.orders.go().await;
    still_healthy(run.app, passed).await
}

/// The slowest host may take minutes, in which this one's candidate can die.
async fn still_healthy(app: &App, passed: Gated) -> Result<Gated, Failure> {
    let standing = passed.standing();
    let Some(release) = standing.release.filter(|_| passed.forced_because().is_none()) else {
        return Ok(passed);
    };
    let color = standing.color;
    let manifest = slot::read_manifest(app, &release)?;
    let running = gate::warm(app, color, manifest).await.map_err(|problem| {
        Failure::failed(format!("{color} died while the other hosts got ready: {problem}"))
    })?;
    gate::brief(app, &running)
        .await
        .map_err(|refusal| refusal.into_failure(color))
}

/// Waits for the word on how the other hosts did. Without it the proven color stays, and
/// is in doubt.
///
/// # Errors
/// When another host did not move, and this one is not to stay where it is.
pub async fn agree(run: &Run<'_>) -> Result<(), Failure> {
    if run.caller.fleet.is_none() {
        return Ok(());
    }
    match run.caller.orders.verdict().await {
        Verdict::Stay => Ok(()),
        Verdict::Unheard => {
            run.doubt();
            run.sink.emit(Event::Warned {
                text: "lost the client before all hosts confirmed, so this host is in doubt: `bg switch --converge RELEASE` settles that"
                    .to_owned(),
            });
            Ok(())
        }
        Verdict::Back => {
            let (from, to) = (run.from.color, run.idle());
            Err(Unproven::Elsewhere.into_failure(from, to))
        }
    }
}
