//! NGINX and the site: version, switch way, includes, other ways to a slot, files that
//! must not be served, folders that its workers must be able to enter.

use std::path::{Path, PathBuf};

use engine::app::App;
use engine::verification;
use model::color::Color;
use model::config::SwitchStrategy;
use nginx::readers::Reader;
use site::endpoint;

use super::super::setup::facts::{self, HostFacts};
use super::finding::Report;

/// What must never be answered with 200, whatever the app says.
const SECRETS: [&str; 3] = ["/.env", "/.git/config", "/bg.toml"];

pub(super) async fn look(report: &mut Report, app: &App, facts: &HostFacts, set_up: bool) {
    report.fine("nginx", facts.build.text.clone());
    if facts.running {
        report.fine(
            "nginx runs",
            format!("pid file {}", app.entry.nginx_pid.display()),
        );
    } else {
        report.wrong(
            "nginx runs",
            format!("`{}` names no running NGINX", app.entry.nginx_pid.display()),
            "start it: `systemctl start nginx`",
        );
    }
    switch_way(report, app, facts);
    includes(report, app, facts).await;
    if set_up {
        listeners(report, app).await;
        proofs(report, app).await;
    }
    other_ways(report, app, facts);
    caches(report, app, facts);
    folders(report, app);
    secrets(report, app).await;
}

fn switch_way(report: &mut Report, app: &App, facts: &HostFacts) {
    let way = |way: SwitchStrategy| format!("{way:?}").to_lowercase();
    report.fine(
        "switch way",
        format!("{} ({})", way(app.entry.switch), app.entry.switch_reason),
    );
    if app.entry.switch != facts.entry.switch {
        report.warn(
            "switch way",
            format!(
                "today `bg setup` would choose {}: {}",
                way(facts.entry.switch),
                facts.entry.switch_reason
            ),
            "`bg setup` changes it; nothing else ever does",
        );
    }
}

async fn includes(report: &mut Report, app: &App, facts: &HostFacts) {
    let route = app.nginx_files.route();
    let servers = facts::site(&app.config, &app.nginx_files, &facts.dump);
    for server in &servers {
        if server.includes.contains(&route) {
            report.fine(
                "site",
                format!("the server at {} includes the route", server.place),
            );
        } else {
            report.wrong(
                "site",
                format!(
                    "the server at {} answers for this site and does not include the route",
                    server.place
                ),
                &format!("add `include \"{}\";` to it", route.display()),
            );
        }
    }
}

async fn listeners(report: &mut Report, app: &App) {
    let route = app.nginx_files.route();
    for endpoint in &app.endpoints {
        match endpoint::live_answer(endpoint, app.name()).await {
            Ok(answer) => report.fine(
                "listener",
                format!("{} answers from {}", endpoint.address, answer.color),
            ),
            Err(error) => report.wrong(
                "listener",
                error.to_string(),
                &format!(
                    "the server on {} needs `include \"{}\";`",
                    endpoint.address,
                    route.display()
                ),
            ),
        }
    }
}

async fn proofs(report: &mut Report, app: &App) {
    let Ok(route) = app.link.read() else { return };
    match verification::can_be_had(app, route).await {
        Ok(()) => report.fine("proof", "the app itself answers every path that proves a switch"),
        Err(failure) => {
            let found = format!("no switch could be verified: {}", failure.excerpt.join("; "));
            report.wrong("proof", found, &failure.hints.join("; "));
        }
    }
}

fn other_ways(report: &mut Report, app: &App, facts: &HostFacts) {
    let mut clean = true;
    for color in Color::BOTH {
        let port = app.config.process.ports.of(color);
        for found in facts.dump.others_that_pass_to(port, &app.nginx_files.folder()) {
            clean = false;
            report.wrong(
                "other ways",
                format!(
                    "`{}` at {} goes to {color}'s port past the switch",
                    found.text, found.place
                ),
                &format!(
                    "replace that `proxy_pass` by `include \"{}\";`",
                    app.nginx_files.proxy().display()
                ),
            );
        }
    }
    if clean {
        report.fine("other ways", "nothing else in NGINX goes to a slot's port");
    }
}

fn caches(report: &mut Report, app: &App, facts: &HostFacts) {
    let live = app.entry.switch == SwitchStrategy::Live;
    for server in facts::site(&app.config, &app.nginx_files, &facts.dump) {
        let reached = server.includes.contains(&app.nginx_files.route());
        let cache = server.open_file_cache.as_deref().unwrap_or("off");
        if live && !reached && !cache.starts_with("off") {
            report.warn(
                "file cache",
                format!(
                    "`open_file_cache {cache}` is on in the server at {}",
                    server.place
                ),
                "the included route turns it off there: a cached link would be stale",
            );
        }
        let symlinks = server.disable_symlinks.as_deref().unwrap_or("off");
        if symlinks != "off" {
            report.wrong(
                "symlinks",
                format!(
                    "`disable_symlinks {symlinks}` hides the link from NGINX in the server at {}",
                    server.place
                ),
                "`disable_symlinks off;` in that server",
            );
        }
    }
}

/// NGINX's workers look through the link as their own user; a folder that they cannot
/// enter silently means blue.
fn folders(report: &mut Report, app: &App) {
    let mut places = vec![app.nginx_files.link_folder().to_owned()];
    if !app.config.nginx.static_files.is_empty() {
        places.push(app.layout.slots());
        places.push(app.layout.releases());
    }
    let Some(workers) = Reader::of_workers(&app.nginx) else {
        return;
    };
    let name = workers.name();
    for place in places {
        let closed = ancestors(&place)
            .into_iter()
            .find(|folder| folder.is_dir() && !workers.may_enter(folder));
        match closed {
            None => report.fine("folders", format!("`{name}` can look into {}", place.display())),
            Some(folder) => report.wrong(
                "folders",
                format!(
                    "NGINX's user `{name}` cannot enter {}, on the way to {}",
                    folder.display(),
                    place.display()
                ),
                &format!("chmod o+x {}", folder.display()),
            ),
        }
    }
}

async fn secrets(report: &mut Report, app: &App) {
    for endpoint in &app.endpoints {
        for path in SECRETS {
            match endpoint::status(endpoint, path).await {
                Ok(200) => report.wrong(
                    "secrets",
                    format!("{} answers `{path}` with 200", endpoint.address),
                    "NGINX serves a folder that it must not: serve an explicit sub-folder only",
                ),
                Ok(_) => report.fine(
                    "secrets",
                    format!("`{path}` is not served on {}", endpoint.address),
                ),
                Err(_) => {}
            }
        }
    }
}

/// The folders on the way to `path`, outermost first.
fn ancestors(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = path.ancestors().map(PathBuf::from).collect();
    all.reverse();
    all
}
