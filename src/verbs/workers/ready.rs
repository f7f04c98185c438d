//! Whether a worker that has started goes on, and what it said when it does not.

use std::time::{Duration, Instant};

use crate::host::app::App;
use crate::host::command::Command;
use crate::host::launcher::{self, work};
use crate::host::seats;
use crate::model::failure::in_one_line;
use crate::model::seat::{Occupant, Seat};
use crate::verbs::slot;

use super::Wanted;
use super::seat::{Sat, entry};
use super::trouble::Problem;

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// How long after a refusal `ready_command` is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long PM2 may take to write down a worker's last words.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Waits until a worker has stayed up for its time and its command agrees.
pub(super) async fn ready(app: &App, seat: &Seat, wanted: Wanted<'_>, sat: &Sat) -> Result<(), Problem> {
    let until = Instant::now() + wanted.worker.ready.0;
    while !sat.was_there && Instant::now() < until {
        still_there(app, seat, wanted, sat).await?;
        tokio::time::sleep(GLANCE).await;
    }
    let Some(line) = &wanted.worker.ready_command else {
        return still_there(app, seat, wanted, sat).await;
    };
    let deadline = Instant::now() + wanted.worker.ready_timeout.0;
    let command = command(app, wanted, line, sat)?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refused = command.clone().deadline(left.max(GLANCE)).run().await.err();
        still_there(app, seat, wanted, sat).await?;
        let Some(error) = refused else { return Ok(()) };
        if Instant::now() + AGAIN >= deadline {
            let redactor = slot::redactor(app, wanted.manifest);
            let text = format!(
                "its `ready_command` did not pass within {}: {}",
                wanted.worker.ready_timeout,
                redactor.redact(&in_one_line(&error))
            );
            let log = last_words(app, wanted, sat.log_from).await;
            return Err(Problem { text, log });
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn command(app: &App, wanted: Wanted<'_>, line: &str, sat: &Sat) -> Result<Command, Problem> {
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
        .env("BG_WORKER_PID", sat.occupant.pid.to_string());
    Ok(env
        .into_iter()
        .fold(command, |command, (name, value)| command.env(name, value)))
}

async fn still_there(app: &App, seat: &Seat, wanted: Wanted<'_>, sat: &Sat) -> Result<(), Problem> {
    if seats::lives(&sat.occupant) {
        return Ok(());
    }
    Err(why_it_ended(app, seat, wanted, &sat.occupant, sat.log_from).await)
}

/// What is known of a worker that has ended.
pub(super) async fn why_it_ended(
    app: &App,
    seat: &Seat,
    wanted: Wanted<'_>,
    died: &Occupant,
    log_from: u64,
) -> Problem {
    let age = jiff::Timestamp::now().duration_since(died.since).as_secs_f64();
    let log = last_words(app, wanted, log_from).await;
    let code = match entry(app, seat).await {
        Ok(Some(entry)) => entry.exit_code,
        _ => None,
    };
    let code = code.map_or(String::new(), |code| format!(" with exit code {code}"));
    Problem {
        text: format!("its process ended {:.1} s after its start{code}", age.max(0.0)),
        log,
    }
}

/// The last lines of a worker since its log was `from` bytes long.
pub(super) async fn last_words(app: &App, wanted: Wanted<'_>, from: u64) -> Vec<String> {
    tokio::time::sleep(LAST_WORDS).await;
    let redactor = slot::redactor(app, wanted.manifest);
    let name = &wanted.worker.name;
    slot::last_lines(&app.layout.worker_log(name), from, &redactor, name)
}
