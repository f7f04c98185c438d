//! `keep.warm`: how long the old color's process stays up after a switch.

use std::time::Duration;

use engine::app::App;
use engine::slot::{self, IdleSlot};
use engine::{adopted, marks, preview, process_list};
use jiff::Timestamp;
use model::color::{Color, Route};
use model::config::KeepWarm;
use model::event::Sink;
use model::failure::Failure;
use state::releases;
use sys::command::Command;
use sys::lock::{Holder, Lock};

/// How long the end of the warm time waits for a command that runs just then.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How often a preview is looked at whose end is waited for.
const GLANCE: Duration = Duration::from_secs(10);

/// Whether the old color's process stays up after a switch, be it for a time.
#[must_use]
pub fn stays_warm(app: &App) -> bool {
    app.config.keep.warm != KeepWarm::Never
}

/// After a switch: keeps the old color, stops it, or has it stopped later.
///
/// # Errors
/// When it cannot be stopped.
pub async fn down(app: &App, replaced: &IdleSlot, sink: &dyn Sink) -> Result<(), Failure> {
    let color = replaced.color();
    // It could not be started again: it goes when its slot is needed, and not before.
    if adopted::in_slot(app, color).is_some() {
        return Ok(());
    }
    match app.config.keep.warm {
        KeepWarm::Always => Ok(()),
        KeepWarm::Never => stop(app, replaced, sink).await,
        KeepWarm::For(time) => Command::new(app.layout.launcher())
            .args([
                "stop-standby",
                "--app",
                app.name(),
                "--color",
                color.name(),
                "--after",
            ])
            .arg(time.to_string().replace(' ', ""))
            .unmarked()
            .detach()
            .map_err(|error| {
                Failure::failed(format!("{color} will not be stopped after {time}")).because(error)
            }),
    }
}

/// Waits for the end of the warm time and of the color's last requests, and stops the color
/// unless traffic moved since or it holds another release. The lock is taken only then: a
/// rollback never waits for this.
///
/// # Errors
/// When it cannot be stopped.
pub async fn later(app: &App, color: Color, after: Duration, sink: &dyn Sink) -> Result<(), Failure> {
    let held = releases::slot(&app.layout, color);
    tokio::time::sleep(after).await;
    let (finished, _lock) = loop {
        while preview_left(app, color).is_some() || marks::is_watched(app, Route::to(color.other())) {
            tokio::time::sleep(GLANCE).await;
        }
        let finished = slot::finish_requests(app, color, sink).await?;
        let lock = Lock::wait(
            &app.layout.lock(),
            &Holder::this("stop-standby"),
            PATIENCE,
            |_| (),
        )
        .await
        .map_err(|error| Failure::failed(format!("{color} was not stopped")).because(error))?;
        // One may have been opened meanwhile.
        if preview_left(app, color).is_none() && !marks::is_watched(app, Route::to(color.other())) {
            break (finished, lock);
        }
    };
    // The link is a little older than the wait where nobody moved it since.
    let other = releases::slot(&app.layout, color) != held;
    if other || app.link.age() < after {
        return Ok(());
    }
    let Some(idle) = IdleSlot::unless_live(app, color).await else {
        return Ok(());
    };
    slot::clear(app, &idle, finished, sink).await?;
    save(app).await
}

/// How long `color` is still shown to previewers, where it is.
fn preview_left(app: &App, color: Color) -> Option<Duration> {
    let all = preview::shown(app).into_iter();
    let last = all
        .filter(|shown| shown.color == color)
        .map(|shown| shown.terms.until)
        .max()?;
    let left = last.duration_since(Timestamp::now());
    left.is_positive().then(|| left.unsigned_abs())
}

async fn stop(app: &App, idle: &IdleSlot, sink: &dyn Sink) -> Result<(), Failure> {
    slot::free(app, idle, sink).await?;
    save(app).await
}

async fn save(app: &App) -> Result<(), Failure> {
    process_list::save(app)
        .await
        .map_err(|error| Failure::failed("the process list was not saved").because(error))
}
