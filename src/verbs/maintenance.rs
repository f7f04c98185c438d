//! `bg maintenance on|off`: the same swap, to a target of the same color.

use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::{cutover, resolve};
use model::event::{Event, Sink};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::Verb;
use serde::{Deserialize, Serialize};

use crate::text::Show;

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaintenanceSet {
    /// Whether visitors get the page.
    pub on: bool,
    /// The color behind it.
    pub live: Deployment,
}

impl Show for MaintenanceSet {
    fn show(&self) -> String {
        let page = if self.on {
            "the maintenance page"
        } else {
            "the app"
        };
        format!("visitors get {page}; the live color is {}\n", self.live)
    }
}

/// Puts the maintenance page up, or takes it away.
///
/// # Errors
/// As a switch.
pub async fn maintenance(
    app: &App,
    on: bool,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<MaintenanceSet, Failure> {
    let run = begin(app, Verb::Maintenance, patience, caller).await?;
    let words = if on { "page up" } else { "page taken down" };
    let answer = MaintenanceSet { on, live: run.live() };
    if on == run.from.maintenance {
        run.was_needless();
        return Ok(answer);
    }
    resolve::unless_done(&run, cutover::page(&run, on).await).await?;
    run.commit(run.live(), on, words.to_owned())
        .map_err(|failure| failure.with_traffic(Traffic::Moved { live: run.live() }))?;
    run.sink.emit(Event::MaintenanceSet { on });
    Ok(answer)
}
