//! A color's slot: letting its old process go, starting a release in it.

mod end;
mod free;
mod idle;
mod port;
mod revive;
mod running;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use keeper::launcher;
use keeper::pm2::Spec;
use model::color::Color;
use model::event::{Event, Sink, millis};
use model::failure::Failure;
use model::release::{Manifest, ReleaseId};
use state::releases;
use sys::process::Process;
use sys::{restart_inhibitor, sockets};

use crate::app::App;
use crate::traffic;
pub use end::end;
pub use free::{
    Finished, clear, discard, drained, finish_requests, free, has_lost_one, running_in, runs_anything,
    still_open_words,
};
pub use idle::{IdleSlot, is_none_in_use};
pub use port::{foreign, is_ours_to_take, is_where_nginx_asks, port_of_old};
pub use revive::revive;
pub use running::{Running, app_folder, log_since};
pub use said::{Mark, last_lines, length, redactor, shown};

/// Added to the app's own time to stop before PM2 kills it: PM2 must never be the first.
pub(super) const PM2_MARGIN: Duration = Duration::from_secs(5);

/// PM2's own second lets an app that crashes after two loop for ever.
const MIN_UPTIME: Duration = Duration::from_secs(10);

/// Points the slot at a release and starts that.
///
/// # Errors
/// When the port is taken, or PM2 does not start it.
pub async fn start(
    app: &App,
    idle: IdleSlot,
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
        .map_err(|error| failed("cannot install the launcher").because(error))?;
    restart_inhibitor::clear(&app.layout.inhibitor(color));
    Ok(())
}

/// Leaves nothing in a slot; its process was stopped before.
pub(super) fn empty(app: &App, idle: &IdleSlot) {
    releases::empty_slot(&app.layout, idle.color()).ok();
    releases::write_answer(&app.nginx_files, app.name(), idle.color(), None).ok();
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
