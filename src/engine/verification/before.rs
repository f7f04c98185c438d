//! What is known before traffic moves, or by the color that was live before: whether the site's
//! front lets a proof be had at all, and whether a color fails as the one before it did.

use std::collections::BTreeSet;
use std::time::Duration;

use model::color::{Color, Route};
use model::config::HealthCheck;
use model::failure::Failure;
use nginx::dump::Dump;
use site::endpoint::{self, Endpoint, Nonce, NotVerified, Sick};

use crate::app::App;
use crate::health::{self, Pace};
use crate::verifiable::{self, Unverifiable};
use crate::{gate, slot};

/// NGINX answers itself at once. Nobody who leaves a color that hangs waits longer than this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Looks for what NGINX answers itself where a switch would have to be proven, by a line of its
/// own configuration that stays whatever is live: after the swap that could only be put back,
/// and not even that could be proven.
///
/// # Errors
/// Every such path and listener, its line and a way on.
pub async fn can_be_had(app: &App, live: Route) -> Result<(), Failure> {
    if live.maintenance {
        return Ok(());
    }
    let found = tokio::time::timeout(AT_ONCE, unverifiable(app, live.color)).await;
    let (unverifiable, open) = found.unwrap_or_default();
    if unverifiable.is_empty() {
        return Ok(());
    }
    let pass = format!("include \"{}\";", app.nginx_files.proxy().display());
    Err(verifiable::refusal(&unverifiable, &open, &pass))
}

/// That, and the paths that are passed on.
async fn unverifiable(app: &App, live: Color) -> (Vec<Unverifiable>, BTreeSet<String>) {
    let endpoints = app.paced_doors();
    let mut unverifiable = Vec::new();
    let mut open = BTreeSet::new();
    for path in &app.config.nginx.paths {
        let found = turned_away(app, &endpoints, path, live).await;
        match found.is_empty() {
            true => drop(open.insert(path.clone())),
            false => unverifiable.extend(found),
        }
    }
    if let Some(health) = app.config.health.first().filter(|_| !unverifiable.is_empty())
        && turned_away(app, &endpoints, &health.path, live).await.is_empty()
    {
        open.insert(health.path.clone());
    }
    (unverifiable, open)
}

/// The endpoints at which NGINX answers for `path` itself.
async fn turned_away(app: &App, endpoints: &[Endpoint], path: &str, live: Color) -> Vec<Unverifiable> {
    let port = slot::port_of_old(app, live);
    let slot = ([127, 0, 0, 1], port).into();
    let mut found = Vec::new();
    for endpoint in endpoints {
        let proven = endpoint::verify(endpoint, path, app.name(), slot, 1, &Nonce::fresh()).await;
        if let Err(NotVerified::Path { mismatch, .. }) = proven
            && mismatch.is_of_nginx()
            // Where its files are closed to us, the proof itself has to tell.
            && let Ok(dump) = Dump::read(app.nginx_files.conf())
        {
            let answer = endpoint::answer(endpoint, path).await;
            found.extend(verifiable::of_nginx(&dump, port, endpoint, path, &answer).await);
        }
    }
    found.retain(Unverifiable::stays);
    found
}

/// Whether `color`, which is still warm, answers each path with the status that the other color
/// gave. It is asked only then, past NGINX, so that no other switch waits for it.
pub async fn fails_alike(app: &App, color: Color, sick: &[Sick]) -> bool {
    let config = &app.config;
    let target = gate::target(config, slot::port_of_old(app, color));
    let check = |sick: &Sick| HealthCheck {
        expect: vec![sick.status],
        ..HealthCheck::of(&sick.path)
    };
    let checks: Vec<HealthCheck> = sick.iter().map(check).collect();
    let round = health::round(&target, &checks, 1, config.gate.attempt.0, Pace::AtOnce).await;
    round.is_healthy()
}
