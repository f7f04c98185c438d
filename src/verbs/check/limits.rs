//! What the kernel allows, against what NGINX and the app ask for.

use engine::app::App;
use model::color::Color;
use sys::{limits, sockets};

use super::super::setup::facts::HostFacts;
use super::app as settings;
use super::finding::Report;

/// What systemd and most shells give; an app with fewer was given fewer.
const FILES: u64 = 1024;

pub(super) fn look(report: &mut Report, app: &App, facts: &HostFacts) {
    let before = report.findings.len();
    workers(report, app, facts);
    slots(report, app);
    backlog(report, app);
    if report.findings.len() == before {
        report.fine("limits", "open files and waiting connections are enough");
    }
}

/// NGINX counts its connections to upstreams among `worker_connections`.
fn workers(report: &mut Report, app: &App, facts: &HostFacts) {
    let Ok(master) = app.nginx.master() else { return };
    let wanted = facts.dump.worker_connections();
    let serving = master
        .workers()
        .into_iter()
        .filter(|worker| !worker.shutting_down);
    let least = serving
        .filter_map(|worker| limits::open_files(worker.pid.try_into().ok()?))
        .min();
    if let Some(least) = least.filter(|least| *least < wanted) {
        report.warn(
            "limits",
            format!("a worker of NGINX may open {least} files and has {wanted} `worker_connections`"),
            &format!(
                "`worker_rlimit_nofile {};` at the top of {}",
                wanted * 2,
                app.entry.nginx_conf.display()
            ),
        );
    }
}

fn slots(report: &mut Report, app: &App) {
    for color in Color::BOTH {
        let holder = sockets::holder(app.config.process.ports.of(color));
        let Some(files) = holder.and_then(|holder| limits::open_files(holder.pid)) else {
            continue;
        };
        if files < FILES {
            report.warn(
                "limits",
                format!("{color} may open {files} files: each connection, file and socket of the app is one"),
                "`LimitNOFILE=65536` in PM2's unit, or `ulimit -n` where PM2's daemon is started; a daemon has it from when it is started on",
            );
        }
    }
}

fn backlog(report: &mut Report, app: &App) {
    let asked = settings::gunicorn(app).and_then(|gunicorn| gunicorn.backlog());
    let (Some(asked), Some(given)) = (asked, limits::waiting_connections()) else {
        return;
    };
    if given < asked {
        report.warn(
            "limits",
            format!("gunicorn has {asked} connections wait and the kernel lets {given}: more are refused under load"),
            &format!("sysctl -w net.core.somaxconn={asked}, and the same in /etc/sysctl.d; or `--backlog {given}`"),
        );
    }
}
