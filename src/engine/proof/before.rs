//! What is known before traffic moves, or by the color that was live before: whether the site's
//! front lets a proof be had at all, and whether a color fails as the one before it did.

use std::collections::BTreeSet;
use std::time::Duration;

use model::color::{Color, Route};
use model::config::HealthCheck;
use model::failure::Failure;
use nginx::dump::Dump;
use site::front::{self, Door, Nonce, NotProven, Sick};

use crate::app::App;
use crate::health::{self, Pace};
use crate::provable::{self, Unprovable};
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
    let found = tokio::time::timeout(AT_ONCE, unprovable(app, live.color)).await;
    let (unprovable, open) = found.unwrap_or_default();
    if unprovable.is_empty() {
        return Ok(());
    }
    let pass = format!("include \"{}\";", app.nginx_files.proxy().display());
    Err(provable::refusal(&unprovable, &open, &pass))
}

/// That, and the paths that are passed on.
async fn unprovable(app: &App, live: Color) -> (Vec<Unprovable>, BTreeSet<String>) {
    let doors = app.paced_doors();
    let mut unprovable = Vec::new();
    let mut open = BTreeSet::new();
    for path in &app.config.nginx.paths {
        let found = turned_away(app, &doors, path, live).await;
        match found.is_empty() {
            true => drop(open.insert(path.clone())),
            false => unprovable.extend(found),
        }
    }
    if let Some(health) = app.config.health.first().filter(|_| !unprovable.is_empty())
        && turned_away(app, &doors, &health.path, live).await.is_empty()
    {
        open.insert(health.path.clone());
    }
    (unprovable, open)
}

/// The doors at which NGINX answers for `path` itself.
async fn turned_away(app: &App, doors: &[Door], path: &str, live: Color) -> Vec<Unprovable> {
    let port = slot::port_of_old(app, live);
    let slot = ([127, 0, 0, 1], port).into();
    let mut found = Vec::new();
    for door in doors {
        let proven = front::prove(door, path, app.name(), slot, 1, &Nonce::fresh()).await;
        if let Err(NotProven::Path { astray, .. }) = proven
            && astray.is_of_nginx()
            // Where its files are closed to us, the proof itself has to tell.
            && let Ok(dump) = Dump::read(app.nginx_files.conf())
        {
            let answer = front::answer(door, path).await;
            found.extend(provable::of_nginx(&dump, port, door, path, &answer).await);
        }
    }
    found.retain(Unprovable::stays);
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
