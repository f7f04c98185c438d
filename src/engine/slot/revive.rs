//! A release that was live before, started again.

use model::config::duration::Span;
use model::event::{Event, Quiet, Sink};
use model::failure::Failure;
use model::release::ReleaseId;

use crate::app::App;
use crate::slot::{IdleSlot, read_manifest, start};
use crate::{adopted, gate};

/// Starts a kept release in a slot and puts it through the gate, without its soak: it was
/// live before.
///
/// # Errors
/// When it does not start or does not pass.
pub async fn revive(
    app: &App,
    idle: IdleSlot,
    release: &ReleaseId,
    nonce: &str,
    sink: &dyn Sink,
) -> Result<gate::Gated, Failure> {
    let color = idle.color();
    let mut manifest = read_manifest(app, release)?;
    adopted::can_be_started(app, &manifest)?;
    manifest.config.gate.soak = Span::seconds(0);
    let running = start(app, idle, manifest, nonce, &Quiet).await?;
    let passed = gate::full(app, &running, &Quiet)
        .await
        .map_err(|refusal| refusal.into_failure(color))?;
    sink.emit(Event::Revived {
        color,
        release: release.clone(),
    });
    Ok(passed)
}
