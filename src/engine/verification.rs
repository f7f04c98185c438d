//! The proof that NGINX follows the link: on its own endpoint and on the site's paths.

use std::net::SocketAddr;
use std::time::Duration;

use model::color::{Color, Route, Share};
use model::failure::Failure;
use nginx::switcher::{ReloadFailed, SwitchError};
use site::endpoint::{self, Pace, Sick};
use state::releases;

use crate::app::App;

mod before;

pub use before::{can_be_had, fails_alike};

/// Fresh connections in a row that must reach the new slot, on each path and listener.
/// Two NGINX workers share a listener at random, so eight in a row miss one of them once
/// in 128 times; the answer on `/.bg/` and the worker generation do not miss it.
const FRESH: u32 = 8;

/// On how much a switch was proven; no path where the maintenance page answers.
#[derive(Debug, Default)]
pub struct Verification {
    /// Paths.
    pub paths: usize,
    /// Listeners.
    pub listeners: usize,
    /// Where the slot was reached and is not healthy.
    pub sick: Vec<Sick>,
}

/// A slot that is reached and fails.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Unhealthy(pub Vec<Sick>);

fn lines(sick: &[Sick]) -> String {
    let lines: Vec<String> = sick.iter().map(Sick::to_string).collect();
    lines.join("\n  ")
}

/// Why NGINX is not known to follow the link.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    /// It did not read the link.
    #[error(transparent)]
    ReloadFailed(#[from] ReloadFailed),
    /// The link itself does not say so.
    #[error("the live link was not put back")]
    Unmoved(#[source] SwitchError),
    /// The link does not name the step of a canary, and NGINX answers by color alone.
    #[error("the live link says {found}")]
    Step {
        /// What it says.
        found: String,
    },
    /// It did not answer as it should.
    #[error("NGINX does not answer from {color}")]
    Answers {
        /// What it should answer from.
        color: Color,
        /// What it did.
        #[source]
        source: endpoint::VerificationFailed,
    },
    /// It does, and that color fails where the one before it did not.
    #[error("{color} answers but is unhealthy")]
    Unhealthy {
        /// Which.
        color: Color,
        /// How.
        #[source]
        source: Unhealthy,
    },
    /// It does, and a worker does not run on that release.
    #[error("{problem}")]
    Worker {
        /// What failed.
        what: String,
        /// Why.
        problem: String,
    },
    /// It does, and not on another host of the fleet.
    #[error("another host of the fleet did not switch")]
    Elsewhere,
}

impl Unverified {
    /// Why traffic, which came from `from`, does not stay on `to`.
    #[must_use]
    pub fn into_failure(self, from: Color, to: Color) -> Failure {
        let (what, hint) = match &self {
            Unverified::Elsewhere => (
                format!("another host failed to switch, so {to} was rolled back on this host too"),
                "the command that asked all hosts names that host; `bg status` there shows why".to_owned(),
            ),
            Unverified::Worker { what, .. } => (
                what.clone(),
                "`bg logs --worker NAME` shows the whole log; with `on_failure = \"keep\"` of `[[worker]]`, traffic stays on the new color".to_owned(),
            ),
            Unverified::Unhealthy { color, .. } => (
                format!("{color} fails requests that {from} answers"),
                format!("`bg logs {color}` shows the app's errors"),
            ),
            _ => (
                format!("traffic was not proven to reach {to}"),
                "`bg check` finds the cause".to_owned(),
            ),
        };
        Failure::failed(what).because(self).hint(hint)
    }
}

/// Makes NGINX follow the link to `route` and proves that it does.
///
/// # Errors
/// When it does not within its deadline.
pub async fn reached(app: &App, route: Route, slot_is_full: bool) -> Result<Verification, Unverified> {
    app.switcher.follow().await?;
    verify(app, route, slot_is_full).await
}

/// A reload that fails leaves the old configuration in force, and that may well be the one
/// that is wanted: the proof alone decides.
pub(super) async fn prove_back(
    app: &App,
    route: Route,
    slot_is_full: bool,
    followed: Result<(), ReloadFailed>,
) -> Result<Verification, Unverified> {
    let proven = match verify(app, route, slot_is_full).await {
        // Paths that go past the link answer now as they did before: it moved nothing there.
        Err(Unverified::Answers { source, .. }) if source.is_past_the_link() => {
            verify(app, route, false).await
        }
        other => other,
    };
    proven.map_err(|unverified| followed.err().map_or(unverified, Unverified::from))
}

/// How many each of `claims` is asked for: where NGINX limits requests, as many as half of the
/// time lets through.
fn fresh(pace: Option<Pace>, claims: usize, deadline: Duration) -> u32 {
    let Some(pace) = pace else { return FRESH };
    let claims = u32::try_from(claims).unwrap_or(u32::MAX).max(1);
    (pace.within(deadline / 2) / claims).clamp(1, FRESH)
}

/// Proves that NGINX answers by `route`, on its own endpoint and on the site's paths. A slot
/// that is reached and fails is proven too: whether it may be live is another question.
///
/// # Errors
/// What it answered instead.
pub async fn verify(app: &App, route: Route, slot_is_full: bool) -> Result<Verification, Unverified> {
    let shares = shown(app, route);
    let mut all = Verification::default();
    for (color, group) in shares {
        let proven = verify_group(app, route, slot_is_full, color, group).await?;
        all.paths = proven.paths;
        all.listeners = proven.listeners;
        all.sick.extend(proven.sick);
    }
    Ok(all)
}

/// The same of the live color alone, whatever the visitors of a canary get; where it fails, it failed
/// before.
///
/// # Errors
/// As [`verify`].
pub async fn verify_live(app: &App, route: Route) -> Result<Verification, Unverified> {
    let cookie = endpoint::group_cookie(app.name(), "out");
    let proven = verify_group(app, route, true, route.color, Some(cookie)).await?;
    Ok(Verification {
        sick: Vec::new(),
        ..proven
    })
}

/// Whether the link names `step`: what NGINX answers is the same at many steps of a canary.
///
/// # Errors
/// What it names instead.
pub fn is_at(app: &App, step: Route) -> Result<(), Unverified> {
    let found = match app.link.read() {
        Ok(route) if route == step => return Ok(()),
        Ok(route) => route.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Unverified::Step { found })
}

/// Which colors visitors get on `route`, and as whom `bg` has to ask for each.
fn shown(app: &App, route: Route) -> Vec<(Color, Option<String>)> {
    let asking = |group: &str| Some(endpoint::group_cookie(app.name(), group));
    match route.share {
        None if app.config.nginx.loopback_port.is_none() => vec![(route.color, None)],
        // Whose requests are not led by a server of NGINX's own, which would answer for the slot.
        None => vec![(route.color, asking("out"))],
        Some(Share::ALL) => vec![(route.color.other(), asking("in"))],
        Some(_) => vec![(route.color, asking("out")), (route.color.other(), asking("in"))],
    }
}

async fn verify_group(
    app: &App,
    route: Route,
    slot_is_full: bool,
    color: Color,
    cookie: Option<String>,
) -> Result<Verification, Unverified> {
    let deadline = app.config.timeouts.proof.0;
    let paths = &app.config.nginx.paths;
    let endpoints = app.paced_doors();
    let port = app.config.process.ports.of(color);
    let proof = endpoint::Expectation {
        app: app.name().to_owned(),
        route,
        release: releases::slot(&app.layout, route.color).map(String::from),
        upstream: SocketAddr::from(([127, 0, 0, 1], port)),
        fresh: fresh(app.pace(), endpoints.len() * paths.len(), deadline),
        cookie,
    };
    let proven = if slot_is_full {
        endpoint::verify_all(&endpoints, paths, &proof, deadline).await
    } else {
        endpoint::verify_routes(&endpoints, &proof, deadline).await
    };
    proven
        .map(|proven| Verification {
            paths: proven.paths,
            listeners: proven.listeners,
            sick: proven.sick,
        })
        .map_err(|source| Unverified::Answers { color, source })
}
