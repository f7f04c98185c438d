//! Whether a worker that has started goes on, and what it said when it does not.

use std::time::{Duration, Instant};

use keeper::launcher::{self, work};
use model::failure::in_one_line;
use model::instance::Instance;
use state::instances;
use sys::command::Command;

use crate::app::App;
use crate::slot;
use crate::workers::acquire::Acquired;
use crate::workers::ended::{last_words, why_it_ended};
use crate::workers::trouble::Problem;
use crate::workers::wanted::Wanted;

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// How long after a refusal `ready_command` is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Waits until a worker has stayed up for its time and its command agrees.
pub(super) async fn ready(
    app: &App,
    instance: &Instance,
    wanted: Wanted<'_>,
    acquired: &Acquired,
) -> Result<(), Problem> {
    let until = Instant::now() + wanted.worker.ready.0;
    while !acquired.was_there && Instant::now() < until {
        still_there(app, instance, wanted, acquired).await?;
        tokio::time::sleep(GLANCE).await;
    }
    let Some(line) = &wanted.worker.ready_command else {
        return still_there(app, instance, wanted, acquired).await;
    };
    let deadline = Instant::now() + wanted.worker.ready_timeout.0;
    let command = command(app, wanted, line, acquired)?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refused = command.clone().deadline(left.max(GLANCE)).run().await.err();
        still_there(app, instance, wanted, acquired).await?;
        let Some(error) = refused else { return Ok(()) };
        if Instant::now() + AGAIN >= deadline {
            let redactor = slot::redactor(app, wanted.manifest);
            let text = format!(
                "its `ready_command` did not pass within {}: {}",
                wanted.worker.ready_timeout,
                redactor.redact(&in_one_line(&error))
            );
            let log = last_words(app, wanted, acquired.log_from).await;
            return Err(Problem { text, log });
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn command(app: &App, wanted: Wanted<'_>, line: &str, acquired: &Acquired) -> Result<Command, Problem> {
    let (layout, manifest) = (&app.layout, wanted.manifest);
    let problem = |error: &dyn std::error::Error| Problem::new(in_one_line(error));
    let words = work::words(layout, manifest, wanted.worker, line).map_err(|error| problem(&error))?;
    let color = work::color_of(layout, &manifest.id);
    let env = launcher::environment(layout, color, manifest).map_err(|error| problem(&error))?;
    let mut words = words.into_iter();
    let command = Command::new(words.next().unwrap_or_default())
        .args(words)
        .folder(launcher::folder(layout, manifest))
        .env("BG_WORKER", &wanted.worker.name)
        .env("BG_WORKER_PID", acquired.holder.pid.to_string());
    Ok(env
        .into_iter()
        .fold(command, |command, (name, value)| command.env(name, value)))
}

async fn still_there(
    app: &App,
    instance: &Instance,
    wanted: Wanted<'_>,
    acquired: &Acquired,
) -> Result<(), Problem> {
    if instances::lives(&acquired.holder) {
        return Ok(());
    }
    Err(why_it_ended(app, instance, wanted, &acquired.holder, acquired.log_from).await)
}
