//! Traffic goes back to where a run found it, and that is proven.

use model::color::Route;
use nginx::mover::MoveError;

use crate::app::App;
use crate::proof::{Proof, Unproven, prove_back};

/// Makes NGINX follow the link, which is back at `route`, and proves that it does.
///
/// # Errors
/// When the proof fails: why NGINX did not follow, if it did not, else what it answered.
pub(super) async fn back_at(app: &App, route: Route, slot_is_full: bool) -> Result<Proof, Unproven> {
    let followed = app.mover.follow().await;
    prove_back(app, route, slot_is_full, followed).await
}

/// Moves the route back from `to` and proves it.
///
/// # Errors
/// As [`back_at`], and when the link stays where it is.
pub(super) async fn back_from(
    app: &App,
    to: Route,
    route: Route,
    slot_is_full: bool,
) -> Result<Proof, Unproven> {
    let followed = match app.mover.swap(to, route, None, || ()).await {
        Ok(()) => Ok(()),
        Err(MoveError::Behind(unfollowed)) => Err(unfollowed),
        Err(error) => return Err(Unproven::Unmoved(error)),
    };
    prove_back(app, route, slot_is_full, followed).await
}
