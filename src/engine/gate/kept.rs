//! The process of a color as PM2 keeps it, found again by a later command.

use keeper::pm2::{Daemon, Proc};
use model::color::Color;
use model::release::Manifest;
use sys::process::Process;
use sys::restart_inhibitor;

use crate::app::App;
use crate::gate::identity::{Identity, who_answers};
use crate::slot::Running;

/// Why a color is not what PM2 was told to keep there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// PM2 has no process for it.
    NoProcess(String),
    /// It has one, and that is not what it should be, or not what has the port.
    Other(String),
}

/// Whether PM2, whose list is `daemon`, keeps exactly what `manifest` says on a color's port. The app is not asked.
///
/// # Errors
/// What it has instead.
pub fn kept(app: &App, daemon: &Daemon, color: Color, manifest: Manifest) -> Result<(), Mismatch> {
    let running = found(app, daemon, color, manifest).map_err(Mismatch::NoProcess)?;
    match who_answers(&running) {
        Ok(()) => Ok(()),
        Err(Identity::NotYet(problem) | Identity::Wrong(problem)) => Err(Mismatch::Other(problem)),
    }
}

/// The process of a color that is kept warm, as PM2 has it now, for the brief gate.
///
/// # Errors
/// Why there is none that could be looked at.
pub async fn warm(app: &App, color: Color, manifest: Manifest) -> Result<Running, String> {
    // One that was told to end may answer for a moment still.
    if restart_inhibitor::is_left(&app.layout.inhibitor(color)) {
        return Err("its stop has begun but not finished".to_owned());
    }
    let daemon = app.pm2.list().await.map_err(|error| error.to_string())?;
    found(app, &daemon, color, manifest)
}

fn found(app: &App, daemon: &Daemon, color: Color, manifest: Manifest) -> Result<Running, String> {
    let name = match &manifest.adopted {
        Some(adopted) => adopted.pm2_name.clone(),
        None => app.process(color),
    };
    let entries: Vec<&Proc> = match daemon {
        Daemon::Down => return Err("PM2's daemon is down".to_owned()),
        Daemon::Up(entries) => entries.iter().filter(|entry| entry.name == name).collect(),
    };
    let [entry] = entries.as_slice() else {
        return Err(match entries.len() {
            0 => format!("PM2 has no `{name}`"),
            count => format!("PM2 has {count} entries named `{name}`"),
        });
    };
    let process = entry
        .pid
        .and_then(Process::of)
        .filter(|_| entry.status == "online");
    let process = process.ok_or_else(|| format!("`{name}` is {} and has no process", entry.status))?;
    Ok(Running::found(app, color, manifest, process))
}
