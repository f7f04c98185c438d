//! One host of several, for whoever leads all of them through a canary or a bake.

use engine::app::App;
use engine::watch as watched;
use jiff::Timestamp;
use model::bake::Bake;
use model::color::Route;
use model::failure::{Deployment, Failure};
use serde::{Deserialize, Serialize};

use super::{bake, watch};
use crate::text::Show;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Led {
    /// What is live.
    pub live: Deployment,
    /// What is watched, or was last, of what visitors get.
    pub bake: Option<Bake>,
    /// Whether the next step of a canary is to come.
    pub is_due: bool,
    /// Whether what failed fails on what was live before as well, where that was asked.
    pub fails_as_well: Option<bool>,
}

impl Show for Led {
    fn show(&self) -> String {
        String::new()
    }
}

/// Tells whoever watches that somebody leads, and looks at what is known. With `weigh` it asks the
/// release before for what failed.
///
/// # Errors
/// When the link cannot be read, or nobody can be told.
pub async fn lead(app: &App, weigh: bool) -> Result<Led, Failure> {
    let route: Route = app.link.read().map_err(|error| {
        Failure::unknown("cannot tell what visitors get", "the link cannot be read").because(error)
    })?;
    watched::lead(app).map_err(|error| Failure::failed("the host cannot be led").because(error))?;
    let bake = bake::of_live(app, Some(route));
    let fails_as_well = match &bake {
        Some(bake) if weigh => Some(watch::fails_as_well(app, bake).await),
        _ => None,
    };
    let is_due = |bake| watch::is_due(app, bake, Timestamp::now());
    Ok(Led {
        live: engine::traffic::deployment(app, route.color),
        is_due: bake.as_ref().is_some_and(is_due),
        bake,
        fails_as_well,
    })
}
