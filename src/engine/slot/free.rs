//! Letting the old process of an idle slot go.

use std::time::{Duration, Instant};

use keeper::pm2::Pm2Error;
use model::color::{Color, Route};
use model::config::OpenConnections;
use model::event::{Event, Note, Sink, Warning, millis};
use model::failure::Failure;
use sys::process::{self, Process};
use sys::restart_inhibitor::RestartInhibitor;
use sys::sockets;

use crate::app::App;
use crate::slot::end::end;
use crate::slot::idle::IdleSlot;
use crate::slot::port::port_of_old;
use crate::slot::running::Running;
use crate::{adopted, preview, traffic, watch};

/// How long `connections = "wait"` waits: an hour, so that a forgotten websocket does not
/// hold a deploy for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Lets the old process of an idle slot go: a quiet time since it was last live, requests
/// in flight waited for, then SIGTERM, and only then PM2's entry.
///
/// # Errors
/// When connections stay open that may not be closed, or PM2 does not let go.
pub async fn free(app: &App, idle: &IdleSlot, sink: &dyn Sink) -> Result<(), Failure> {
    let finished = finish_requests(app, idle.color(), sink).await?;
    clear(app, idle, finished, sink).await
}

/// What runs in a slot whose requests were waited for; it still runs.
#[derive(Debug)]
pub struct Finished {
    old: Vec<Process>,
    still_open: usize,
    since: Instant,
}

/// The part of [`free`] that stops nothing and may be given up at any moment: previews end, a quiet
/// time since the slot was last live, then requests in flight waited for.
///
/// # Errors
/// When connections stay open that may not be closed, or PM2 cannot be asked.
pub async fn finish_requests(app: &App, color: Color, sink: &dyn Sink) -> Result<Finished, Failure> {
    let since = Instant::now();
    // Or its previewers would be among those who are waited for.
    preview::end_of(app, color, sink).map_err(|error| {
        Failure::failed(format!("the preview of {color} cannot be ended"))
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })?;
    // Or the net of what is live would go on to send it requests.
    watch::end(app, Route::to(color.other())).map_err(|error| {
        Failure::failed(format!("{color} cannot be taken from under {}", color.other()))
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })?;
    let old = running_in(app, color)
        .await
        .map_err(|error| pm2_failure(app, error))?;
    let mut still_open = 0;
    if !old.is_empty() {
        quiet(app, color, sink).await;
        still_open = drain(app, color, sink).await?;
    }
    Ok(Finished {
        old,
        still_open,
        since,
    })
}

/// The other part: SIGTERM, and only then PM2's entry.
///
/// # Errors
/// When PM2 does not let go.
pub async fn clear(app: &App, idle: &IdleSlot, finished: Finished, sink: &dyn Sink) -> Result<(), Failure> {
    let color = idle.color();
    let adopted = adopted::in_slot(app, color);
    stop(app, idle, &finished.old).await?;
    adopted
        .iter()
        .for_each(|adopted| adopted::tell_retired(adopted, sink));
    if !finished.old.is_empty() {
        sink.emit(Event::SlotFreed {
            color,
            closed: finished.still_open,
            took_ms: millis(finished.since.elapsed()),
        });
    }
    Ok(())
}

/// Ends processes of a slot and takes its entries out of PM2. While the hold is there, the
/// launcher that PM2 starts in their place waits instead of starting the app again.
async fn stop(app: &App, idle: &IdleSlot, old: &[Process]) -> Result<(), Failure> {
    let color = idle.color();
    if let Some(adopted) = adopted::in_slot(app, color) {
        return adopted::retire(app, &adopted, old).await;
    }
    // On a full disk without: PM2 starts the old one again for a moment, and takes it along below.
    let inhibitor = RestartInhibitor::take(&app.layout.inhibitor(color)).ok();
    let port = port_of_old(app, color);
    for process in old {
        let ended = end(*process, port, app.config.process.stop_timeout.0).await;
        ended.map_err(|error| {
            Failure::failed(format!("{color}'s process {} cannot be ended", process.pid)).because(error)
        })?;
    }
    let deleted = app.pm2.delete(&app.process(color)).await;
    inhibitor.into_iter().for_each(RestartInhibitor::release);
    deleted.map_err(|error| pm2_failure(app, error))
}

/// Stops what runs in a slot, at once: for a candidate that no visitor ever saw.
///
/// # Errors
/// When PM2 does not let go.
pub async fn discard(app: &App, idle: &IdleSlot) -> Result<(), Failure> {
    let old = running_in(app, idle.color()).await.unwrap_or_default();
    stop(app, idle, &old).await
}

/// What runs in a slot: what PM2 keeps under its name, and what PM2 has lost, because its
/// daemon was killed or the app put itself into the background.
pub async fn running_in(app: &App, color: Color) -> Result<Vec<Process>, Pm2Error> {
    let entries = app.pm2.named(&adopted::process_name(app, color)).await?;
    let kept = entries.iter().filter_map(|entry| Process::of(entry.pid?));
    Ok(kept.chain(lost(app, color)).collect())
}

/// Whether anything of a slot runs, be it that PM2 has lost it. Where PM2 cannot tell, it may.
pub async fn runs_anything(app: &App, color: Color) -> bool {
    !running_in(app, color)
        .await
        .is_ok_and(|running| running.is_empty())
}

/// Whether a slot's port is held by a process of its own that PM2 has lost.
#[must_use]
pub fn has_lost_one(app: &App, color: Color, kept: &Running) -> bool {
    lost(app, color).is_some_and(|lost| !process::tree(kept.process.pid).contains(&lost.pid))
}

/// A process that holds a slot's port and was started for it.
fn lost(app: &App, color: Color) -> Option<Process> {
    if let Some(adopted) = adopted::in_slot(app, color) {
        return adopted::still_there(&adopted);
    }
    let holder = sockets::holder(port_of_old(app, color))?;
    let ours = process::env_has(holder.pid, "BG_APP", app.name())
        && process::env_has(holder.pid, "BG_COLOR", color.name())
        && process::cwd(holder.pid)?.starts_with(app.layout.releases());
    Process::of(holder.pid).filter(|_| ours)
}

/// An upload that began before the swap connects to the old color only when its body has
/// arrived, so no count of connections shows it: time has to pass.
async fn quiet(app: &App, color: Color, sink: &dyn Sink) {
    let left = app.config.drain.quiet.0.saturating_sub(app.link.age());
    if left.is_zero() {
        return;
    }
    sink.emit(Event::Noted(Note::WaitingForLateRequests {
        color,
        wait_ms: millis(left),
    }));
    tokio::time::sleep(left).await;
}

async fn drain(app: &App, color: Color, sink: &dyn Sink) -> Result<usize, Failure> {
    let settings = &app.config.drain;
    let port = port_of_old(app, color);
    let patience = match settings.connections {
        OpenConnections::Wait => LONGEST_WAIT,
        OpenConnections::Close | OpenConnections::Refuse => settings.timeout.0,
    };
    let deadline = Instant::now() + patience;
    let mut told = false;
    loop {
        let open = sockets::open_connections(port) + app.nginx.old_workers();
        if open == 0 {
            return Ok(0);
        }
        if Instant::now() >= deadline {
            return match settings.connections {
                OpenConnections::Close => Ok(sockets::open_connections(port)),
                OpenConnections::Wait | OpenConnections::Refuse => Err(still_open(app, color, open)),
            };
        }
        if !told {
            told = true;
            let closes = matches!(settings.connections, OpenConnections::Close);
            sink.emit(Event::Noted(Note::WaitingForConnections {
                color,
                open,
                wait_ms: millis(patience),
                stop_ms: closes.then(|| millis(app.config.process.stop_timeout.0)),
            }));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// For a color that traffic was put back from: its quiet time, then up to the drain time until
/// no request is in flight to it. `false`, which is told, when some still are.
pub async fn drained(app: &App, color: Color, sink: &dyn Sink) -> bool {
    quiet(app, color, sink).await;
    let port = port_of_old(app, color);
    let deadline = Instant::now() + app.config.drain.timeout.0;
    while sockets::open_connections(port) + app.nginx.old_workers() > 0 {
        if Instant::now() >= deadline {
            sink.emit(Event::Warned(Warning::LeftBusy { color }));
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// `2 connections to green are still open`.
#[must_use]
pub fn still_open_words(color: Color, open: usize) -> String {
    match open {
        1 => format!("1 connection to {color} is still open"),
        _ => format!("{open} connections to {color} are still open"),
    }
}

fn still_open(app: &App, color: Color, open: usize) -> Failure {
    Failure::failed(format!(
        "{}, so {color} was not stopped",
        still_open_words(color, open)
    ))
    .hint("`drain.connections = \"close\"` in bg.toml closes them after `drain.timeout`; or try again later")
    .with_traffic(traffic::unchanged(app))
}

fn pm2_failure(app: &App, error: Pm2Error) -> Failure {
    Failure::failed("PM2 failed")
        .because(error)
        .hint(format!(
            "`PM2_HOME={} pm2 list` shows PM2's processes",
            app.entry.pm2_home.display()
        ))
        .with_traffic(traffic::unchanged(app))
}
