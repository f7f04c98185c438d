//! What visitors can have the app believe, or get to see, by the site's own configuration.

use std::collections::BTreeSet;

use engine::adopted;
use engine::app::App;
use model::color::Color;
use model::release::ReleaseId;
use nginx::readers::Reader;
use release::statics::{self, Unserved};
use site::{endpoint, render};
use state::releases;

use super::super::setup::facts::HostFacts;
use super::finding::Report;

/// A name of nobody's (RFC 6761).
const NOBODYS: &str = "no-such-name.invalid";

pub(super) async fn look(report: &mut Report, app: &App, facts: &HostFacts) {
    let Ok(root) = render::root_variable(app.name()) else {
        return;
    };
    let id = root.trim_end_matches("_root");
    upgrades(report, app, facts, id);
    hosts(report, app, facts, id).await;
    links(report, app, facts, &root);
    served(report, app);
}

fn upgrades(report: &mut Report, app: &App, facts: &HostFacts, id: &str) {
    let color = format!("{id}_color");
    let found = facts.dump.handed_on(&color, "Upgrade", "http_upgrade");
    for place in &found {
        let fix = match place.file.starts_with(app.nginx_files.folder()) {
            true => "`bg setup` writes that file again".to_owned(),
            false => format!(
                "`proxy_set_header Upgrade {id}_upgrade;` and `proxy_set_header Connection {id}_connection;`"
            ),
        };
        let what = format!(
            "`$http_upgrade` is handed on at {place}: where the app speaks `h2c`, a visitor tunnels past the site's locations and the maintenance page"
        );
        report.warn("upgrade", what, &fix);
    }
    if found.is_empty() {
        report.fine("upgrade", "nothing but `websocket` is handed on to the app");
    }
}

async fn hosts(report: &mut Report, app: &App, facts: &HostFacts, id: &str) {
    let color = format!("{id}_color");
    let handed = |raw: &str| {
        let mut places = facts.dump.handed_on(&color, "Host", raw);
        places.extend(facts.dump.handed_on(&color, "X-Forwarded-Host", raw));
        // What our own files make of it is one of the site's names.
        places.retain(|place| !place.file.starts_with(app.nginx_files.folder()));
        places
    };
    let fix = format!("`proxy_set_header Host {id}_host;`, which is one of the site's names");
    let raw = handed("http_host");
    for place in &raw {
        let what =
            format!("`$http_host` is handed on at {place}: the app is told whatever name a visitor makes up");
        report.warn("host", what, &fix);
    }
    let mut others = Vec::new();
    for endpoint in &app.endpoints {
        let path = app.config.nginx.paths.first().map_or("/", String::as_str);
        if endpoint::answers_for(endpoint, NOBODYS, path).await {
            others.push(endpoint.address.to_string());
        }
    }
    if others.is_empty() {
        return report.fine("host", "no other name than the site's is known to reach the app");
    }
    let reach = format!(
        "other names than the site's reach the app on {}",
        others.join(", ")
    );
    let refuse = "`nginx.refuse_unknown_names = true` in bg.toml and `bg setup` refuse them, where no other site is asked first";
    let told = handed("host");
    for place in &told {
        report.warn(
            "host",
            format!("{reach}, and `$host` is handed on at {place}"),
            &format!("{fix}; or {refuse}"),
        );
    }
    let has_name = app.config.nginx.server_names.iter().any(|name| name != "_");
    if !has_name {
        let fix = "the names of the site as `nginx.server_names` in bg.toml, and `bg setup`";
        report.warn(
            "host",
            format!("{reach}, which is told any of them: the site has no name"),
            fix,
        );
    } else if raw.is_empty() && told.is_empty() {
        report.fine(
            "host",
            format!("{reach}, which is told one of the site's; {refuse}"),
        );
    }
}

/// Both colors' files, as they lie there. An adopted one has links to what NGINX served before
/// and nothing else.
fn served(report: &mut Report, app: &App) {
    if app.config.nginx.static_files.is_empty() {
        return;
    }
    let workers = Reader::of_workers(&app.nginx);
    let held: BTreeSet<ReleaseId> = Color::BOTH
        .into_iter()
        .filter(|color| adopted::in_slot(app, *color).is_none())
        .filter_map(|color| releases::slot(&app.layout, color))
        .collect();
    let mut all_well = !held.is_empty();
    for id in held {
        let unserved = statics::unserved(&app.layout, &app.config, &id, workers.as_ref());
        let Some(first) = unserved.first() else { continue };
        all_well = false;
        let more = match unserved.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let fix = match first {
            Unserved::Missing { .. } => {
                "create the folder that `[[nginx.static]]` names, then deploy".to_owned()
            }
            Unserved::Closed { path, .. } => format!("`chmod -R go+rX {}`", path.display()),
        };
        report.wrong("static files", format!("{first}{more}"), &fix);
    }
    if all_well {
        report.fine("static files", "NGINX can read what it serves of both colors");
    }
}

fn links(report: &mut Report, app: &App, facts: &HostFacts, root: &str) {
    let followed = facts.dump.follows_links(root);
    for place in &followed {
        let what = format!(
            "links are followed in the folder served at {place}: one in the repository would serve the source, or what is shared"
        );
        let written =
            place.file.starts_with(app.nginx_files.folder()) || place.file == app.nginx_files.site();
        let fix = match facts.site_is_ours && written {
            true => "`bg setup` writes that file again".to_owned(),
            false => format!("`disable_symlinks on \"from={root}\";` beside it"),
        };
        report.warn("links", what, &fix);
    }
    let mut told = Vec::new();
    for color in Color::BOTH {
        let Some(id) = releases::slot(&app.layout, color) else {
            continue;
        };
        let links = statics::links(&app.layout, &app.config, &id);
        if !links.is_empty() && followed.is_empty() && !told.contains(&id) {
            let what = format!(
                "NGINX does not follow links: {} of {id}",
                statics::in_words(&links)
            );
            report.warn("links", what, "a copy in its place; or its path in `shared`");
            told.push(id);
        }
    }
    if followed.is_empty() && told.is_empty() {
        report.fine("links", "NGINX follows no link in what it serves of a release");
    }
}
