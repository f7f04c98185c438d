//! A color's slot: letting its old process go, starting a release in it.

mod free;
mod idle;
mod port;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::net::TcpStream;

use crate::host::app::App;
use crate::host::hold::{self, Hold};
use crate::host::launcher;
use crate::host::pm2::{Pm2Error, Spec};
use crate::host::process::{self, Ended, Process};
use crate::host::{releases, sockets};
use crate::model::color::Color;
use crate::model::config::duration::Span;
use crate::model::event::{Event, Quiet, Sink};
use crate::model::failure::Failure;
use crate::model::release::{Manifest, ReleaseId};

use super::gate::{self, millis};
use super::{adopted, traffic};

pub(super) use free::running_in;
pub use free::{Finished, clear, drained, finish_requests, free, has_lost_one, runs_anything};
pub use idle::IdleSlot;
pub use port::{Foreign, foreign, is_ours_to_take, is_where_nginx_asks, port_of_old};
pub(super) use said::{Mark, last_lines, length, shown};
pub use said::{log_since, redactor};

/// Added to the app's own time to stop before PM2 kills it: PM2 must never be the first.
pub(super) const PM2_MARGIN: Duration = Duration::from_secs(5);

/// PM2's own second lets an app that crashes after two loop for ever.
const MIN_UPTIME: Duration = Duration::from_secs(10);

/// How often a server that was told to end is come by.
const NUDGE: Duration = Duration::from_millis(50);

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
    log_from: Mark,
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

/// Ends processes of a slot and takes its entries out of PM2. While the hold is there, the
/// launcher that PM2 starts in their place waits instead of starting the app again.
async fn stop(app: &App, idle: &IdleSlot, old: &[Process]) -> Result<(), Failure> {
    let color = idle.color();
    if let Some(adopted) = adopted::in_slot(app, color) {
        return adopted::retire(app, &adopted, old).await;
    }
    // On a full disk without: PM2 starts the old one again for a moment, and takes it along below.
    let hold = Hold::take(&app.layout.hold(color)).ok();
    let port = port_of_old(app, color);
    for process in old {
        let ended = end(*process, port, app.config.process.stop_timeout.0).await;
        ended.map_err(|error| {
            Failure::failed(format!("{color}'s process {} cannot be ended", process.pid)).because(error)
        })?;
    }
    let deleted = app.pm2.delete(&app.process(color)).await;
    hold.into_iter().for_each(Hold::lift);
    deleted.map_err(|error| pm2_failure(app, error))
}

/// Ends a server that listens on `port`, with all that it has started.
pub(super) async fn end(server: Process, port: u16, grace: Duration) -> Result<Ended, Errno> {
    tokio::select! {
        ended = process::end(server, grace) => ended,
        never = nudge(port) => match never {},
    }
}

/// Comes by a port again and again, and goes without a word. A gunicorn with threads looks
/// whether it was told to end when somebody comes, else only once a second.
async fn nudge(port: u16) -> Infallible {
    loop {
        tokio::time::sleep(NUDGE).await;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok();
    }
}

/// Stops what runs in a slot, at once: for a candidate that no visitor ever saw.
///
/// # Errors
/// When PM2 does not let go.
pub async fn discard(app: &App, idle: &IdleSlot) -> Result<(), Failure> {
    let old = running_in(app, idle.color()).await.unwrap_or_default();
    stop(app, idle, &old).await
}

/// Points the slot at a release and starts that.
///
/// # Errors
/// When the port is taken, or PM2 does not start it.
pub async fn start(
    app: &App,
    idle: &IdleSlot,
    manifest: Manifest,
    nonce: &str,
    sink: &dyn Sink,
) -> Result<Running, Failure> {
    let (color, since) = (idle.color(), Instant::now());
    let port = manifest.ports.of(color);
    is_ours_to_take(app, color).await?;
    if let Some(holder) = sockets::holder(port) {
        return Err(
            Failure::failed(format!("port {port} of {color} is taken by {holder}")).hint(format!(
                "end that process, or give {color} another port in `process.ports`"
            )),
        );
    }
    hold_ready(app, color, &manifest.id)?;
    let log_from = Mark::now(app, color, &manifest);
    let spec = Spec {
        name: app.process(color),
        script: app.layout.launcher(),
        args: vec![
            "launch".into(),
            "--root".into(),
            app.layout.root().display().to_string(),
            "--color".into(),
            color.name().into(),
        ],
        folder: app_folder(app, &manifest),
        env: BTreeMap::from([("BG_NONCE".to_owned(), nonce.to_owned())]),
        log: app.layout.log(color),
        kill_timeout: app.config.process.stop_timeout.0 + PM2_MARGIN,
        min_uptime: MIN_UPTIME,
    };
    let started = app.pm2.start(&spec, &app.layout.state()).await;
    let running = |process: Process| Running {
        color,
        folder: app_folder(app, &manifest),
        manifest: manifest.clone(),
        process,
        nonce: Some(nonce.to_owned()),
        since,
        log_from: log_from.clone(),
    };
    let process = started.as_ref().ok().and_then(|proc| Process::of(proc.pid?));
    let Some(process) = process else {
        let mut log = log_from.since(app, color, &manifest);
        // PM2 has tried several times by now, each with the same words.
        let mut seen = BTreeSet::new();
        log.retain(|line| seen.insert(line.clone()));
        let failure = Failure::failed(format!("{color} was not started")).showing(log);
        return Err(match started {
            Err(error) => failure.because(error),
            Ok(_) => failure.hint(format!("`bg logs {color}` shows what it printed")),
        });
    };
    sink.emit(Event::Started {
        color,
        port,
        pid: process.pid,
        took_ms: millis(since.elapsed()),
    });
    Ok(running(process))
}

/// What a start needs on disk: the slot's link, NGINX's answer, the launcher.
fn hold_ready(app: &App, color: Color, release: &ReleaseId) -> Result<(), Failure> {
    let failed = |what: &str| Failure::failed(format!("{what} for {color}"));
    releases::point_slot(&app.layout, color, release)
        .map_err(|error| failed("the slot cannot be set").because(error))?;
    releases::write_answer(&app.nginx_files, app.name(), color, Some(release))
        .map_err(|error| failed("NGINX's answer cannot be written").because(error))?;
    // This very program, also where another version was installed over it meanwhile.
    let program = Path::new("/proc/self/exe");
    launcher::install(program, &app.layout)
        .map_err(|error| failed("the launcher cannot be put in place").because(error))?;
    hold::clear(&app.layout.hold(color));
    Ok(())
}

/// Leaves nothing in a slot; its process was stopped before.
pub(super) fn empty(app: &App, idle: &IdleSlot) {
    releases::empty_slot(&app.layout, idle.color()).ok();
    releases::write_answer(&app.nginx_files, app.name(), idle.color(), None).ok();
}

/// Starts a kept release in a slot and puts it through the gate, without its soak: it was
/// live before.
///
/// # Errors
/// When it does not start or does not pass.
pub async fn revive(
    app: &App,
    idle: &IdleSlot,
    release: &ReleaseId,
    nonce: &str,
    sink: &dyn Sink,
) -> Result<gate::Gated, Failure> {
    let color = idle.color();
    let mut manifest = read_manifest(app, release)?;
    adopted::can_be_started(app, &manifest)?;
    manifest.config.gate.soak = Span::seconds(0);
    let running = start(app, idle, manifest, nonce, &Quiet).await?;
    let passed = gate::full(app, &running, &Quiet)
        .await
        .map_err(|refusal| refusal.into_failure(color))?;
    sink.emit(Event::Revived {
        color,
        release: release.clone(),
    });
    Ok(passed)
}

/// The manifest of a release.
///
/// # Errors
/// When it is not kept any more.
pub fn read_manifest(app: &App, release: &ReleaseId) -> Result<Manifest, Failure> {
    releases::read(&app.layout, release).map_err(|error| {
        Failure::failed(format!("release {release} cannot be used"))
            .because(error)
            .hint("`bg releases` lists those that are kept")
            .with_traffic(traffic::unchanged(app))
    })
}

fn pm2_failure(app: &App, error: Pm2Error) -> Failure {
    Failure::failed("PM2 did not do its part")
        .because(error)
        .hint(format!(
            "`PM2_HOME={} pm2 list` shows what it knows",
            app.entry.pm2_home.display()
        ))
        .with_traffic(traffic::unchanged(app))
}
