//! Letting the old process of an idle slot go.

use std::time::{Duration, Instant};

use crate::host::app::App;
use crate::host::process::Process;
use crate::host::sockets;
use crate::model::color::Color;
use crate::model::config::OpenConnections;
use crate::model::event::{Event, Sink};
use crate::model::failure::Failure;

use super::{pm2_failure, stop};
use crate::verbs::gate::millis;
use crate::verbs::traffic;

/// How long `connections = "wait"` waits: an hour, so that a forgotten websocket does not
/// hold a deploy for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Lets the old process of an idle slot go: a quiet time since it was last live, requests
/// in flight waited for, then SIGTERM, and only then PM2's entry.
///
/// # Errors
/// When connections stay open that may not be closed, or PM2 does not let go.
pub async fn free(app: &App, color: Color, sink: &dyn Sink) -> Result<(), Failure> {
    let started = Instant::now();
    let name = app.process(color);
    let entries = app
        .pm2
        .named(&name)
        .await
        .map_err(|error| pm2_failure(app, error))?;
    let old: Vec<Process> = entries
        .iter()
        .filter_map(|entry| Process::of(entry.pid?))
        .collect();
    let mut closed = 0;
    if !old.is_empty() {
        quiet(app, color, sink).await;
        closed = drain(app, color, sink).await?;
    }
    stop(app, color, &old).await?;
    if !entries.is_empty() {
        sink.emit(Event::SlotFreed {
            color,
            closed,
            took_ms: millis(started.elapsed()),
        });
    }
    Ok(())
}

/// An upload that began before the swap connects to the old color only when its body has
/// arrived, so no count of connections shows it: time has to pass.
async fn quiet(app: &App, color: Color, sink: &dyn Sink) {
    let left = app.config.drain.quiet.0.saturating_sub(app.link.age());
    if left.is_zero() {
        return;
    }
    sink.emit(Event::Noted {
        text: format!(
            "{color} may still finish requests from before the last switch: {:.0} s more",
            left.as_secs_f64().ceil()
        ),
    });
    tokio::time::sleep(left).await;
}

async fn drain(app: &App, color: Color, sink: &dyn Sink) -> Result<usize, Failure> {
    let settings = &app.config.drain;
    let port = app.config.process.ports.of(color);
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
            sink.emit(Event::Noted {
                text: format!(
                    "{open} connections to {color} are still open: waiting up to {}",
                    settings.timeout
                ),
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits up to the drain time until no request is in flight to a color. `false` when some
/// still are.
pub async fn drained(app: &App, color: Color) -> bool {
    let port = app.config.process.ports.of(color);
    let deadline = Instant::now() + app.config.drain.timeout.0;
    while sockets::open_connections(port) > 0 {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

fn still_open(app: &App, color: Color, open: usize) -> Failure {
    Failure::failed(format!(
        "{color} still has {open} open connections and may not be stopped"
    ))
    .hint("`drain.connections = \"close\"` closes them after the drain time; or try again later")
    .with_traffic(traffic::unchanged(app))
}
