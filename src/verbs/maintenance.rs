//! `bg maintenance on|off`: the same swap, to a target of the same color.

use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::{cutover, preview as marks, resolve};
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Deployment, Failure, Kind, Traffic, in_one_line};
use model::journal::Verb;
use serde::{Deserialize, Serialize};

use super::preview;
use crate::text::Show;

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaintenanceSet {
    /// Whether visitors get the page.
    pub on: bool,
    /// Whether all do but previewers.
    #[serde(default)]
    pub but_preview: bool,
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
        let but = if self.but_preview {
            ", but whoever has a preview's link gets the preview"
        } else {
            ""
        };
        format!("visitors get {page}{but}; the live color is {}\n", self.live)
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Whether visitors get the page.
    pub on: bool,
    /// Whether all do but previewers.
    pub but_preview: bool,
}

/// Puts the maintenance page up, or takes it away.
///
/// # Errors
/// As a switch.
pub async fn maintenance(
    app: &App,
    ask: Ask,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<MaintenanceSet, Failure> {
    let Ask { on, but_preview } = ask;
    if but_preview && !on {
        return Err(Failure::new(
            Kind::Usage,
            "`--but-preview` goes with `maintenance on`",
        ));
    }
    if but_preview {
        preview::can_be_had(app)?;
    }
    let run = begin(app, Verb::Maintenance, patience, caller).await?;
    let words = if on { "page up" } else { "page taken down" };
    let answer = MaintenanceSet {
        on,
        but_preview,
        live: run.live(),
    };
    // Before the page is up, so that there is no moment at which the one holds without the other.
    if on
        && app.config.nginx.loopback_port.is_some()
        && let Err(error) = marks::close(app, !but_preview)
    {
        if but_preview {
            let error = Failure::failed("previewers cannot be let past the maintenance page").because(error);
            return resolve::unless_done(&run, Err(error)).await;
        }
        run.sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::Previews,
            problem: in_one_line(&error),
        }));
    }
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
