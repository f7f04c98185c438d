//! Traffic goes back to where a run found it, and that is proven.

use model::color::Route;
use nginx::switcher::SwitchError;

use crate::app::App;
use crate::verification::{Unverified, Verification, prove_back};

/// Makes NGINX follow the link, which is back at `route`, and proves that it does.
///
/// # Errors
/// When the proof fails: why NGINX did not follow, if it did not, else what it answered.
pub(super) async fn back_at(app: &App, route: Route, slot_is_full: bool) -> Result<Verification, Unverified> {
    let followed = app.switcher.follow().await;
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
) -> Result<Verification, Unverified> {
    let followed = match app.switcher.swap(to, route, None, || ()).await {
        Ok(()) => Ok(()),
        Err(SwitchError::ReloadFailed(failed)) => Err(failed),
        Err(error) => return Err(Unverified::Unmoved(error)),
    };
    prove_back(app, route, slot_is_full, followed).await
}
