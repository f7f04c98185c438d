//! What is kept of releases' requests.

use std::collections::BTreeSet;
use std::fs;

use model::ledger::Ledger;
use model::release::ReleaseId;
use state::releases;
use sys::store::{self, FileError};

use crate::app::App;

/// The most that is kept of one: its places and steps are few.
const LONGEST: u64 = 1 << 20;

/// What is known of a release; nothing where it was never watched.
#[must_use]
pub fn of(app: &App, release: &ReleaseId) -> Ledger {
    let bytes = store::read_plain(&app.layout.ledger(release), LONGEST).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Keeps what is known of it.
///
/// # Errors
/// When it cannot be written.
pub fn keep(app: &App, release: &ReleaseId, ledger: &Ledger) -> Result<(), FileError> {
    let folder = app.layout.ledgers();
    fs::create_dir_all(&folder).map_err(FileError::at("create", &folder))?;
    let text = serde_json::to_vec(ledger).unwrap_or_default();
    store::write_whole(&app.layout.ledger(release), &text, 0o640)
}

/// Forgets what is known of releases that are gone.
///
/// # Errors
/// When nobody can tell which are kept.
pub fn forget(app: &App) -> Result<(), FileError> {
    let kept: BTreeSet<_> = releases::ids(&app.layout)?
        .iter()
        .map(|id| app.layout.ledger(id))
        .collect();
    let files = fs::read_dir(app.layout.ledgers()).into_iter().flatten().flatten();
    files
        .map(|entry| entry.path())
        .filter(|path| !kept.contains(path))
        .for_each(|path| {
            fs::remove_file(path).ok();
        });
    Ok(())
}
