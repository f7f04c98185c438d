//! A release's process in a slot.

use std::path::PathBuf;
use std::time::Instant;

use keeper::launcher;
use model::color::Color;
use model::release::Manifest;
use sys::process::Process;

use crate::app::App;
use crate::slot::said::Mark;

/// A release's process in a slot.
#[derive(Debug)]
pub struct Running {
    /// The color.
    pub color: Color,
    /// What it runs.
    pub manifest: Manifest,
    /// Its process.
    pub process: Process,
    /// The folder that it must have as its own.
    pub folder: PathBuf,
    /// What its environment must carry; unknown for one that was found running.
    pub nonce: Option<String>,
    /// When it was started or found.
    pub since: Instant,
    pub(super) log_from: Mark,
}

impl Running {
    /// One that was found running.
    #[must_use]
    pub fn found(app: &App, color: Color, manifest: Manifest, process: Process) -> Running {
        Running {
            color,
            folder: app_folder(app, &manifest),
            log_from: Mark::now(app, color, &manifest),
            manifest,
            process,
            nonce: None,
            since: Instant::now(),
        }
    }
}

/// The folder of a release in which the app runs.
#[must_use]
pub fn app_folder(app: &App, manifest: &Manifest) -> PathBuf {
    match &manifest.adopted {
        Some(adopted) => adopted.folder.clone(),
        None => launcher::folder(&app.layout, manifest),
    }
}

/// The app's own lines since it was started, secrets taken out.
#[must_use]
pub fn log_since(app: &App, running: &Running) -> Vec<String> {
    running.log_from.since(app, running.color, &running.manifest)
}
