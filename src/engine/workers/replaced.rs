//! The entry of PM2 that did a worker's job before there was a `[[worker]]`: its owner's, so
//! it is stopped and started again and never deleted.

use std::path::PathBuf;

use keeper::pm2::Proc;
use model::config::Worker;
use model::failure::in_one_line;
use sys::process::{self, Process};
use sys::store;

use crate::app::App;
use crate::workers::trouble::Problem;

/// Stops it, if it runs, and notes that it was so.
pub(super) async fn stop(app: &App, worker: &Worker) -> Result<(), Problem> {
    let Some(name) = &worker.replaces else {
        return Ok(());
    };
    for entry in named(app, name).await? {
        if matches!(entry.status.as_str(), "stopped" | "errored") {
            continue;
        }
        let note = note(app, worker);
        std::fs::create_dir_all(app.layout.instances()).ok();
        store::write_whole(&note, name.as_bytes(), 0o644)
            .map_err(|error| Problem::new(in_one_line(&error)))?;
        let family = entry.pid.map(process::tree).unwrap_or_default();
        let family: Vec<Process> = family.into_iter().filter_map(Process::of).collect();
        let stopped = app.pm2.lay_to_rest(&entry).await;
        stopped
            .map_err(|error| Problem::new(format!("`{name}` was not stopped: {}", in_one_line(&error))))?;
        // PM2 kills the processes that it finds, and nothing else may go on with its work.
        for left in family {
            let ended = process::end(left, worker.stop_timeout.0).await;
            ended.map_err(|error| Problem::new(format!("process {} of `{name}`: {error}", left.pid)))?;
        }
    }
    Ok(())
}

/// Starts it again where the worker that had replaced it is not to run.
pub(super) async fn start_again(app: &App, worker: &str) -> Result<(), Problem> {
    let note = app.layout.replaced(worker);
    let Ok(name) = std::fs::read_to_string(&note) else {
        return Ok(());
    };
    for entry in named(app, &name).await? {
        if entry.is_running() {
            continue;
        }
        let started = app.pm2.wake_up(&entry).await;
        started.map_err(|error| {
            Problem::new(format!("`{name}` was not started again: {}", in_one_line(&error)))
        })?;
    }
    std::fs::remove_file(&note).ok();
    Ok(())
}

fn note(app: &App, worker: &Worker) -> PathBuf {
    app.layout.replaced(&worker.name)
}

/// The entries of that name.
pub(super) async fn named(app: &App, name: &str) -> Result<Vec<Proc>, Problem> {
    let named = app.pm2.named(name).await;
    named.map_err(|error| Problem::new(in_one_line(&error)))
}
