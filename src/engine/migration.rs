//! A migration that is under way, noted on disk: one that is cut short leaves the schema to a person.

use std::path::PathBuf;

use model::event::{Event, Sink, Warning};
use model::failure::Failure;
use model::release::ReleaseId;
use serde::{Deserialize, Serialize};
use sys::store;

use crate::app::App;
use crate::run::Run;

/// Left on disk while a migration runs.
#[derive(Debug, Serialize, Deserialize)]
struct UnderWay {
    run: String,
    release: ReleaseId,
    backup: Option<PathBuf>,
}

/// Notes that the migration for `release` begins.
///
/// # Errors
/// When that cannot be written: nothing may be migrated then.
pub fn begin(run: &Run<'_>, release: &ReleaseId, backup: Option<PathBuf>) -> Result<(), Failure> {
    let under_way = UnderWay {
        run: run.id.to_string(),
        release: release.clone(),
        backup,
    };
    let text = serde_json::to_vec(&under_way).unwrap_or_default();
    store::write_whole(&run.app.layout.migration(), &text, 0o640)
        .map_err(|error| Failure::failed("nothing was migrated, as that could not be noted").because(error))
}

/// Notes that it has ended, well or not.
pub fn end(run: &Run<'_>) {
    std::fs::remove_file(run.app.layout.migration()).ok();
}

/// Says what a migration that was cut short leaves to a person, once.
pub fn look_back(app: &App, sink: &dyn Sink) {
    let path = app.layout.migration();
    let Ok(text) = std::fs::read(&path) else { return };
    std::fs::remove_file(&path).ok();
    let Ok(UnderWay { run, release, backup }) = serde_json::from_slice(&text) else {
        sink.emit(Event::Warned(Warning::MigrationCutOffUnnamed));
        return;
    };
    sink.emit(Event::Warned(Warning::MigrationCutOff { run, release, backup }));
}
