//! What a client looks at before it asks for a change, so that its request can name it.

use engine::app::App;
use engine::traffic;
use model::color::Share;
use model::failure::{Deployment, Failure};
use model::release::ReleaseId;
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;
use sys::store;

use crate::text::Show;

/// One host at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The app.
    pub app: String,
    /// What is live.
    pub live: Deployment,
    /// How many of the visitors get the other color, in a canary.
    #[serde(default)]
    pub share: Option<Share>,
    /// The latest name that a release was given here.
    pub newest: Option<ReleaseId>,
    /// The run that moved traffic here and never heard how the other hosts did.
    pub doubt: Option<String>,
}

impl Show for Observed {
    fn show(&self) -> String {
        String::new()
    }
}

/// Looks at the link and NGINX, nothing else.
///
/// # Errors
/// Exit 7 when they do not agree.
pub async fn observe(app: &App) -> Result<Observed, Failure> {
    let route = traffic::observe(app).await?;
    let state = Journal::told(&app.layout.journal()).unwrap_or_default();
    Ok(Observed {
        app: app.name().to_owned(),
        live: traffic::deployment(app, route.color),
        share: route.share,
        newest: newest(app),
        doubt: state.doubt.map(|run| run.to_string()),
    })
}

/// The latest name given to a release, also to one that never became whole.
#[must_use]
pub fn newest(app: &App) -> Option<ReleaseId> {
    let folders = store::names(&app.layout.releases()).unwrap_or_default();
    let given = folders.iter().filter_map(|name| name.parse().ok());
    let kept = releases::ids(&app.layout).unwrap_or_default();
    given.chain(kept).max()
}
