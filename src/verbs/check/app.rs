//! The app as it is started: settings that lose requests, and what it opens to the network.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::app::App;
use engine::{adopted, slot};
use keeper::pm2::Daemon;
use model::color::Color;
use model::gunicorn::{Around, Gunicorn};
use nginx::syntax;
use state::releases;
use sys::store::read_plain;
use sys::{process, sockets};

use super::finding::Report;
use crate::verbs::{data, guess};

/// NGINX's own `keepalive_timeout` of an upstream.
const UPSTREAM_IDLE: Duration = Duration::from_secs(60);

/// That of the file which `bg setup` will write.
const OUR_IDLE: Duration = Duration::from_secs(1);

/// Longer than any settings file; what comes after it is not looked at.
const LONGEST: u64 = 256 << 10;

/// How this app has gunicorn started, the settings file of the live release taken in; `None`
/// for another server.
pub(super) fn gunicorn(app: &App) -> Option<Gunicorn> {
    let config = &app.config;
    let variable = config.env.set.get("GUNICORN_CMD_ARGS").map(String::as_str);
    let found = Gunicorn::of(&config.process.run, variable)?;
    let file = live_folder(app).map(|folder| folder.join(found.file()));
    let text = file
        .and_then(|file| read_plain(&file, LONGEST).ok())
        .unwrap_or_default();
    Some(found.with_file(&String::from_utf8_lossy(&text)))
}

/// The app's folder in the live release.
pub(super) fn live_folder(app: &App) -> Option<PathBuf> {
    let color = app.link.read().ok()?.color;
    let release = releases::slot(&app.layout, color)?;
    let manifest = slot::read_manifest(app, &release).ok()?;
    Some(slot::app_folder(app, &manifest))
}

/// `process.run`, as far as it is gunicorn.
pub(super) fn settings(report: &mut Report, app: &App) {
    let Some(gunicorn) = gunicorn(app) else { return };
    let process = &app.config.process;
    let dangers = gunicorn.dangers(Around {
        upstream_idle: upstream_idle(app),
        stop_timeout: process.stop_timeout.0,
        workers: process.workers,
    });
    if dangers.is_empty() {
        report.fine("app server", "no setting of gunicorn loses requests");
    }
    for danger in dangers {
        report.warn("app server", danger.to_string(), &danger.fix());
    }
}

/// What the live release wrote into its own folder.
pub(super) fn data(report: &mut Report, app: &App) {
    let Ok(route) = app.link.read() else { return };
    match data::left_behind(app, route.color) {
        Some(failure) => report.warn("data", failure.what.clone(), &failure.hints.join("; ")),
        None if live_folder(app).is_some() => {
            report.fine("data", "the live release keeps nothing in its own folder");
        }
        None => {}
    }
}

/// What the app will write beside its code, by its sources: those of the live release, or of the
/// checkout that we are in.
pub(super) async fn data_to_come(report: &mut Report, app: &App) {
    let (config, source) = (&app.config, &app.config.source);
    let folder = source.folder.as_deref().unwrap_or(Path::new(""));
    let live = live_folder(app).and_then(|home| {
        let depth = folder.components().count();
        home.ancestors().nth(depth).map(Path::to_owned)
    });
    let top = match (live, &source.git) {
        (Some(top), _) => Some(top),
        (None, Some(git)) if Path::new(git).join(".git").is_dir() => Some(PathBuf::from(git)),
        (None, Some(git)) => guess::checkout_of(git).await,
        (None, None) => None,
    };
    let Some(top) = top else { return };
    let mut missing = guess::data(&top, &top.join(folder));
    missing.retain(|path| config.shares(path).is_none() && !config.is_scratch(path));
    if missing.is_empty() {
        return;
    }
    let all = config.shared.iter().chain(&missing);
    let all: Vec<String> = all.map(|path| path.display().to_string()).collect();
    report.warn(
        "data",
        format!(
            "by its sources the app keeps data in `{}`, beside its code, and the next release would not have it",
            missing.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("`, `")
        ),
        &format!("write `shared = {all:?}` in bg.toml; `scratch` names what may go"),
    );
}

/// When NGINX lets a connection to a slot go, from our own file.
fn upstream_idle(app: &App) -> Duration {
    let file = app.nginx_files.upstreams();
    let Ok(text) = fs::read_to_string(&file) else {
        return OUR_IDLE;
    };
    let directives = syntax::parse(&file, &text);
    let mut in_upstreams = directives.iter().flat_map(|upstream| &upstream.block);
    let said = in_upstreams.find(|d| d.name == "keepalive_timeout");
    said.and_then(|d| seconds(d.args.first()?))
        .unwrap_or(UPSTREAM_IDLE)
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches('s').parse().ok()?;
    Some(Duration::from_secs(number))
}

/// Whether what runs in the slots can be reached past NGINX.
pub(super) fn addresses(report: &mut Report, app: &App) {
    let mut looked_at = 0;
    let mut open = 0;
    for color in Color::BOTH {
        let port = app.config.process.ports.of(color);
        let adopted = adopted::in_slot(app, color);
        let pid = match &adopted {
            Some(adopted) => adopted::still_there(adopted).map(|process| process.pid),
            None => holder_of_ours(app, color, port),
        };
        let Some(pid) = pid else {
            continue;
        };
        looked_at += 1;
        for address in sockets::open_to_the_network(&process::tree(pid)) {
            open += 1;
            report.warn(
                "loopback",
                format!(
                    "{color}'s process {pid} listens on {address}, which other machines can reach past NGINX"
                ),
                &match adopted {
                    Some(_) => format!(
                        "releases are started on 127.0.0.1: deploy one, and until then keep others from port {} with a \
                         firewall",
                        address.port()
                    ),
                    None => format!(
                        "bind it to 127.0.0.1:{}, or keep others out with a firewall",
                        address.port()
                    ),
                },
            );
        }
    }
    if looked_at > 0 && open == 0 {
        report.fine("loopback", "the app listens on this machine only");
    }
}

/// The first process of a slot, if one that was started for it holds its port.
fn holder_of_ours(app: &App, color: Color, port: u16) -> Option<u32> {
    let holder = sockets::holder(port)?;
    process::env_has(holder.pid, "BG_APP", app.name()).then_some(())?;
    process::env_has(holder.pid, "BG_COLOR", color.name()).then_some(holder.pid)
}

/// The port that the next release is to be started on, held by somebody else. What PM2 keeps
/// may be this slot's: freeing it is the deploy's business.
pub(super) async fn next_port(report: &mut Report, app: &App) {
    let Ok(route) = app.link.read() else { return };
    let color = route.color.other();
    let port = app.config.process.ports.of(color);
    let listeners = sockets::listener(port);
    if listeners.is_empty() {
        return;
    }
    if let Some(foreign) = slot::foreign(app, color).await {
        report.wrong("ports", foreign.to_string(), &foreign.way_out());
        return;
    }
    let kept = app.pm2.list().await.map(Daemon::entries).unwrap_or_default();
    let first: Vec<u32> = kept.iter().filter_map(|entry| entry.pid).collect();
    // Most servers hold the socket in their first process: whole trees, and whoever else it
    // may be, cost a look at every process of the host.
    let all_in_pm2 = |pids: &[u32]| {
        listeners
            .iter()
            .all(|one| sockets::owner(one.inode, pids).is_some())
    };
    if all_in_pm2(&first) {
        return;
    }
    let Some(holder) = sockets::holder(port) else {
        return;
    };
    let in_a_tree = || first.iter().any(|pid| process::tree(*pid).contains(&holder.pid));
    if process::env_has(holder.pid, "BG_APP", app.name()) || in_a_tree() {
        return;
    }
    report.wrong(
        "ports",
        format!("port {port} of {color} is taken by {holder}"),
        &format!("end that process, or give {color} another port in `process.ports`"),
    );
}
