//! A participant among the hosts of a fleet: nobody moves traffic before all are ready, and
//! whoever moved goes back when one did not.

use model::event::{Event, Sink, Warning};
use model::failure::Failure;

use crate::app::App;
use crate::control::Verdict;
use crate::gate::{self, Gated};
use crate::reload_works::reload_would_work;
use crate::run::Run;
use crate::slot;
use crate::verification::Unverified;

/// Says that this host is ready, and waits until all are.
///
/// # Errors
/// When the color is not healthy any more by then.
pub async fn ready(run: &Run<'_>, passed: Gated) -> Result<Gated, Failure> {
    if run.caller.fleet.is_none() {
        return Ok(passed);
    }
    reload_would_work(run.app).await?;
    let deployment = passed.deployment();
    run.sink.emit(Event::Ready {
        color: deployment.color,
        release: deployment.release,
    });
    run.caller.control.go().await;
    still_healthy(run.app, passed).await
}

/// The slowest host may take minutes, in which this one's candidate can die.
async fn still_healthy(app: &App, passed: Gated) -> Result<Gated, Failure> {
    let deployment = passed.deployment();
    let Some(release) = deployment.release.filter(|_| passed.forced_because().is_none()) else {
        return Ok(passed);
    };
    let color = deployment.color;
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
    match run.caller.control.verdict().await {
        Verdict::Stay => Ok(()),
        Verdict::Unheard => {
            run.doubt();
            run.sink.emit(Event::Warned(Warning::InDoubt));
            Ok(())
        }
        Verdict::Back => {
            let (from, to) = (run.from.color, run.idle());
            Err(Unverified::Elsewhere.into_failure(from, to))
        }
    }
}
