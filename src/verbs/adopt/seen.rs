//! What visitors get: looked at on every listener before, and proven on every one after.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::host::app::App;
use crate::host::front::{self, Door, Nonce};
use crate::host::nginx::takeover::Takeover;
use crate::model::color::Route;
use crate::model::failure::in_one_line;
use crate::model::listen::Listener;
use crate::model::release::ReleaseId;

use super::record::Seen;

/// How often a path is looked at again while NGINX's new workers take over.
const AGAIN: Duration = Duration::from_millis(50);

/// Fresh connections that must come from the process, on each path.
const FRESH: u32 = 4;

/// A path that does not answer as it did.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Differs(String);

/// Asks every path of every server, by each of its listeners. Listeners that cannot be asked
/// over TCP are named.
pub async fn before(app: &App, takeover: &Takeover) -> (Vec<Seen>, Vec<String>) {
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for server in &takeover.servers {
        let name = |name: &&String| !name.is_empty() && !name.starts_with(['~', '*', '.', '_']);
        let host = server.names.iter().find(name).cloned();
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let usual = vec!["80".to_owned()];
        let listens = if server.listens.is_empty() {
            &usual
        } else {
            &server.listens
        };
        // Where bg.toml names some of this server's, those are what is proven; the others answer
        // as before.
        let named = |path: &String| app.config.nginx.paths.contains(path);
        let is_named = server.paths.iter().any(named);
        let all_paths = server.paths.iter();
        let mut paths: Vec<(String, bool)> = all_paths
            .map(|path| (path.clone(), !is_named || named(path)))
            .collect();
        if server.hidden {
            let wanted = app
                .config
                .nginx
                .paths
                .iter()
                .filter(|path| !server.paths.contains(path));
            paths.extend(wanted.map(|path| (path.clone(), true)));
        }
        let served = app
            .config
            .nginx
            .static_files
            .iter()
            .map(|served| (served.url.clone(), false));
        paths.extend(served);
        for listen in listens {
            let Ok(listener) = listen.parse::<Listener>() else {
                notes.push(format!(
                    "`listen {listen}` at {} cannot be asked, and is not proven",
                    server.place
                ));
                continue;
            };
            if listener.http3 {
                continue;
            }
            let door = Door {
                address: listener.address,
                tls: listener.tls,
                host: host.clone(),
                secret: None,
            };
            for (path, to_the_app) in &paths {
                all.push(look(&door, path, *to_the_app).await);
            }
        }
    }
    (all, notes)
}

async fn look(door: &Door, path: &str, to_the_app: bool) -> Seen {
    Seen {
        address: door.address,
        tls: door.tls,
        host: door.host.clone(),
        path: path.to_owned(),
        status: front::status(door, path).await.ok(),
        to_the_app,
    }
}

/// Every listener says that the process is live, every path comes from it, and each answers
/// as before.
///
/// # Errors
/// The first that does not within the time for a proof.
pub async fn proven(app: &App, seen: &[Seen], route: Route, release: &ReleaseId) -> Result<usize, Differs> {
    let port = app.config.process.ports.of(route.color);
    let upstream = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + app.config.timeouts.proof.0;
    let mut proofs = 0;
    for seen in seen {
        loop {
            match prove(app, seen, route, release, upstream).await {
                Ok(()) => break,
                Err(differs) if Instant::now() >= deadline => return Err(differs),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
        proofs += 1;
    }
    Ok(proofs)
}

async fn prove(
    app: &App,
    seen: &Seen,
    route: Route,
    release: &ReleaseId,
    upstream: SocketAddr,
) -> Result<(), Differs> {
    // What did not answer before has nothing to prove.
    if seen.status.is_none() {
        return Ok(());
    }
    let door = Door {
        secret: Some(app.layout.secret()),
        ..seen.door()
    };
    front::prove_route(&door, app.name(), route, Some(release.as_str()))
        .await
        .map_err(|error| Differs(in_one_line(&error)))?;
    if seen.to_the_app {
        front::prove(&door, &seen.path, app.name(), upstream, FRESH, &Nonce::fresh())
            .await
            .map_err(|error| Differs(in_one_line(&error)))?;
    }
    as_before(seen).await
}

/// Each path answers with the status that it had.
///
/// # Errors
/// The first that does not, asked a few times.
pub async fn unchanged(seen: &[Seen], patience: Duration) -> Result<(), Differs> {
    let deadline = Instant::now() + patience;
    for seen in seen {
        loop {
            match as_before(seen).await {
                Ok(()) => break,
                Err(differs) if Instant::now() >= deadline => return Err(differs),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
    Ok(())
}

async fn as_before(seen: &Seen) -> Result<(), Differs> {
    let Some(before) = seen.status else {
        return Ok(());
    };
    let door = seen.door();
    let words = |status: u16| status.to_string();
    let now = front::status(&door, &seen.path).await;
    let now = match now {
        Ok(status) if status == before => return Ok(()),
        Ok(status) => words(status),
        Err(error) => in_one_line(&error),
    };
    Err(Differs(format!(
        "`{}` on {door} answered {before} before, and now {now}",
        seen.path
    )))
}
