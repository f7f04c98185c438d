//! What visitors get: looked at on every listener before, and proven on every one after.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use engine::app::{self, App};
use engine::verifiable::{self, Unverifiable};
use model::color::Route;
use model::failure::in_one_line;
use model::release::ReleaseId;
use nginx::dump::Dump;
use site::endpoint::{self, Endpoint, Nonce, Pace};
use site::takeover::{Taken, Takeover};

use super::asked;
use super::record::Seen;

/// How often a path is looked at again while NGINX's new workers take over.
const AGAIN: Duration = Duration::from_millis(50);

/// Fresh connections that must come from the process, on each path.
const FRESH: u32 = 4;

/// A path that does not answer as it did.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Differs(String);

/// What was found before.
#[derive(Debug, Default)]
pub struct Looked {
    /// What each path of each listener answers.
    pub seen: Vec<Seen>,
    /// What is not proven, and need not be.
    pub notes: Vec<String>,
    /// What every later switch would be proven on and cannot be.
    pub unverifiable: Vec<Unverifiable>,
    /// Paths of the site that the app itself answers.
    pub open: BTreeSet<String>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The app, as it will be.
    pub app: &'a App,
    /// The port that it holds.
    pub port: u16,
    /// NGINX's configuration.
    pub dump: &'a Dump,
}

/// Asks every path of every server, by each of its listeners, and whatever later switches are
/// proven on.
pub async fn before(site: Site<'_>, takeover: &Takeover) -> Looked {
    let Site { app, dump, .. } = site;
    let mut looked = Looked::default();
    for server in &takeover.servers {
        of_server(site, server, &mut looked).await;
    }
    let mut others: Vec<String> = app.config.nginx.paths.clone();
    others.extend(app.config.health.first().map(|check| check.path.clone()));
    for endpoint in &app.endpoints {
        let leads = |server: &Taken| dump.gives(endpoint.address, &endpoint.host, &server.place);
        if !takeover.servers.iter().any(leads) {
            let path = app.config.nginx.paths.first().map_or("/", String::as_str);
            let elsewhere = asked::elsewhere(path, endpoint, &takeover.servers);
            looked.unverifiable.push(elsewhere);
            continue;
        }
        for path in &others {
            let is_known = |seen: &Seen| {
                let (seen_at, endpoint) = (seen.endpoint(), plain(app, endpoint));
                (seen_at.address, &seen_at.host) == (endpoint.address, &endpoint.host) && seen.path == *path
            };
            if !looked.seen.iter().any(is_known) {
                let wanted = app.config.nginx.paths.contains(path);
                look(site, &plain(app, endpoint), path, wanted, &mut looked).await;
            }
        }
    }
    looked
}

async fn of_server(site: Site<'_>, server: &Taken, looked: &mut Looked) {
    let Site { app, dump, .. } = site;
    let (listeners, others) = asked::listeners(server);
    for listen in others {
        looked.notes.push(format!(
            "`listen {listen}` at {} cannot be asked, and is not proven",
            server.place
        ));
    }
    let paths = paths(app, server);
    let is_named = |address: SocketAddr| app.endpoints.iter().any(|endpoint| endpoint.address == address);
    let one_is_named = listeners.iter().any(|listener| is_named(listener.address));
    for listener in listeners {
        let names = &app.config.nginx.server_names;
        let Some(host) = asked::name(dump, server, listener.address, names) else {
            looked.notes.push(format!(
                "no name that can be asked for leads to the server at {} on {}, which is not proven",
                server.place, listener.text
            ));
            continue;
        };
        let endpoint = Endpoint {
            address: listener.address,
            tls: listener.tls,
            host,
            secret: None,
            manner: app::manner(&app.config, &listener),
            pace: app.pace(),
        };
        for (path, to_the_app) in &paths {
            let wanted = *to_the_app && (!one_is_named || is_named(listener.address));
            look(site, &endpoint, path, wanted, looked).await;
        }
    }
}

/// The paths of a server, and which of them are proven: where bg.toml names some of this
/// server's, those, and the others answer as before.
fn paths(app: &App, server: &Taken) -> Vec<(String, bool)> {
    let wanted = &app.config.nginx.paths;
    let is_named = server.paths.iter().any(|path| wanted.contains(path));
    let own = server.paths.iter();
    let mut paths: Vec<(String, bool)> = own
        .map(|path| (path.clone(), !is_named || wanted.contains(path)))
        .collect();
    if server.hidden {
        let others = wanted.iter().filter(|path| !server.paths.contains(path));
        paths.extend(others.map(|path| (path.clone(), true)));
    }
    let served = app.config.nginx.static_files.iter();
    paths.extend(served.map(|served| (served.url.clone(), false)));
    paths
}

/// As a visitor comes there, at our own pace.
fn plain(app: &App, endpoint: &Endpoint) -> Endpoint {
    Endpoint {
        secret: None,
        pace: app.pace(),
        ..endpoint.clone()
    }
}

async fn look(site: Site<'_>, endpoint: &Endpoint, path: &str, wanted: bool, looked: &mut Looked) {
    let app = site.app;
    let answer = endpoint::answer(endpoint, path).await;
    let unverifiable = verifiable::of_nginx(site.dump, site.port, endpoint, path, &answer).await;
    let is_file = app
        .config
        .nginx
        .static_files
        .iter()
        .any(|served| served.url == *path);
    let is_switched = app.endpoints.iter().any(|own| plain(app, own) == *endpoint);
    let is_needed = is_switched && app.config.nginx.paths.iter().any(|own| own == path);
    let to_the_app = wanted && unverifiable.is_none();
    match unverifiable {
        Some(unverifiable) if is_needed && wanted => looked.unverifiable.push(unverifiable),
        Some(unverifiable) if wanted => looked.notes.push(format!(
            "{}; it has to answer as before, and is not proven",
            unverifiable.sentence()
        )),
        None if is_switched && !is_file => {
            looked.open.insert(path.to_owned());
        }
        _ => {}
    }
    looked.seen.push(Seen {
        address: endpoint.address,
        tls: endpoint.tls,
        host: endpoint.host.clone(),
        path: path.to_owned(),
        status: answer.ok().map(|answer| answer.status),
        to_the_app,
        manner: endpoint.manner.clone(),
    });
}

/// Every listener says that the process is live, every path that can be proven comes from it, and
/// each answers as before.
///
/// # Errors
/// The first that does not within the time for a proof.
pub async fn proven(app: &App, seen: &[Seen], route: Route, release: &ReleaseId) -> Result<Proven, Differs> {
    let port = app.config.process.ports.of(route.color);
    let upstream = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + app.config.timeouts.proof.0;
    let mut proven = Proven::default();
    // What did not answer before has nothing to prove.
    for seen in seen.iter().filter(|seen| seen.status.is_some()) {
        loop {
            match verify(app, seen, route, release, upstream).await {
                Ok(()) => break,
                Err(differs) if Instant::now() >= deadline => return Err(differs),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
        match seen.to_the_app {
            true => proven.by_the_app += 1,
            false => proven.by_others += 1,
        }
    }
    Ok(proven)
}

/// On how much it was proven.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proven {
    /// Paths, on each listener, that the process answers.
    pub by_the_app: usize,
    /// Those that answer as before, whoever does.
    pub by_others: usize,
}

async fn verify(
    app: &App,
    seen: &Seen,
    route: Route,
    release: &ReleaseId,
    upstream: SocketAddr,
) -> Result<(), Differs> {
    let endpoint = Endpoint {
        secret: Some(app.layout.secret()),
        pace: app.pace(),
        ..seen.endpoint()
    };
    if seen.to_the_app {
        endpoint::verify_route(&endpoint, app.name(), route, Some(release.as_str()))
            .await
            .map_err(|error| Differs(in_one_line(&error)))?;
        endpoint::verify(
            &endpoint,
            &seen.path,
            app.name(),
            upstream,
            FRESH,
            &Nonce::fresh(),
        )
        .await
        .map_err(|error| Differs(in_one_line(&error)))?;
    }
    as_before(seen, app.pace()).await
}

/// Each path answers with the status that it had.
///
/// # Errors
/// The first that does not, asked a few times.
pub async fn unchanged(seen: &[Seen], patience: Duration) -> Result<(), Differs> {
    let deadline = Instant::now() + patience;
    for seen in seen {
        loop {
            match as_before(seen, None).await {
                Ok(()) => break,
                Err(differs) if Instant::now() >= deadline => return Err(differs),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
    Ok(())
}

async fn as_before(seen: &Seen, pace: Option<Pace>) -> Result<(), Differs> {
    let Some(before) = seen.status else {
        return Ok(());
    };
    let endpoint = Endpoint {
        pace,
        ..seen.endpoint()
    };
    let words = |status: u16| status.to_string();
    let now = endpoint::status(&endpoint, &seen.path).await;
    let now = match now {
        Ok(status) if status == before => return Ok(()),
        Ok(status) => words(status),
        Err(error) => in_one_line(&error),
    };
    Err(Differs(format!(
        "`{}` on {endpoint} answered {before} before, and now {now}",
        seen.path
    )))
}
