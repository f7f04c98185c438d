//! The proof: requests through NGINX that must come back from the expected slot.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{
    Astray, Door, FrontError, LiveAnswer, Nonce, NotProven, PROOF_HEADER, Unproven, live_answer, secret,
};
use crate::host::http::{Answer, Client, HttpError};
use crate::model::color::Route;

/// One request of the proof may take this long. It is the gate's default too.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The pause before a failed proof is tried again: short beside the 25 to 142 ms in which
/// old workers still answered after a reload, long beside one request.
const PAUSE: Duration = Duration::from_millis(25);

/// `PROOF_HEADER` as reqwest wants it.
const PROOF_NAME: HeaderName = HeaderName::from_static("x-bg-proof");

/// What has to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The app.
    pub app: String,
    /// The route that NGINX must name on every listener.
    pub route: Route,
    /// The release it must name, if that is to be compared.
    pub release: Option<String>,
    /// The slot that must answer, 127.0.0.1 and its port.
    pub upstream: SocketAddr,
    /// How many requests in a row, on fresh connections, per path and listener.
    pub fresh: u32,
}

/// One path on one listener is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// How many requests in a row reached the slot.
    pub requests: u32,
    /// The status of the last one.
    pub status: u16,
}

/// Every path on every listener is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenAll {
    /// How many paths; 0 while the maintenance page is up, when only the route can be shown.
    pub paths: usize,
    /// How many listeners.
    pub listeners: usize,
}

/// Sends `fresh` requests (at least one) for `path`, one after the other, each on a fresh connection with
/// a nonce of its own made from `nonce`; each must have been answered by `expected`, with
/// a status below 500.
///
/// # Errors
/// The first request that shows something else.
pub async fn prove(
    door: &Door,
    path: &str,
    app: &str,
    expected: SocketAddr,
    fresh: u32,
    nonce: &Nonce,
) -> Result<Proven, NotProven> {
    let series = async {
        let client = Client::new(door.address, &door.host, door.tls).map_err(Astray::NoAnswer)?;
        let headers = secret::headers(door);
        let mut status = 0;
        for n in 0..fresh.max(1) {
            status = prove_once(&client, &headers, path, app, expected, &nonce.nth(n.into())).await?;
        }
        Ok(status)
    };
    let status = series.await.map_err(|astray: Astray| NotProven::Path {
        path: path.to_owned(),
        door: door.clone(),
        astray: Box::new(astray),
    })?;
    Ok(Proven {
        requests: fresh.max(1),
        status,
    })
}

async fn prove_once(
    client: &Client,
    headers: &HeaderMap,
    path: &str,
    app: &str,
    expected: SocketAddr,
    nonce: &Nonce,
) -> Result<u16, Astray> {
    let value = HeaderValue::from_str(nonce.as_str()).map_err(|_| {
        let what = nonce.as_str().to_owned();
        Astray::NoAnswer(HttpError::BadRequest { what })
    })?;
    let mut headers = headers.clone();
    headers.insert(PROOF_NAME, value);
    let answer = client
        .ask("GET", path, headers, ATTEMPT)
        .await
        .map_err(Astray::NoAnswer)?;
    look(&answer, app, expected, nonce)?;
    Ok(answer.status)
}

fn look(answer: &Answer, app: &str, expected: SocketAddr, nonce: &Nonce) -> Result<(), Astray> {
    let status = answer.status;
    let Some(proof) = answer.header(PROOF_HEADER) else {
        return Err(Astray::NotIncluded {
            status,
            app: app.to_owned(),
        });
    };
    let (found_nonce, found) = proof.split_once(' ').unwrap_or((proof, ""));
    if found_nonce != nonce.as_str() {
        Err(Astray::Replayed)
    } else if found.is_empty() {
        Err(Astray::NoUpstream { status })
    } else if found.contains(", ") || found.contains(" : ") {
        // A comma: the next server of a group was tried. A colon: an internal redirect.
        Err(Astray::SeveralUpstreams {
            found: found.to_owned(),
        })
    } else if found != expected.to_string() {
        Err(Astray::OtherUpstream {
            found: found.to_owned(),
            wanted: expected,
        })
    } else if status >= 500 {
        Err(Astray::Failed {
            status,
            upstream: expected,
            said: answer.excerpt(),
        })
    } else {
        Ok(())
    }
}

/// NGINX's own word on one listener against what it should be. While the maintenance page
/// is up this is all the proof there can be: no request of a visitor reaches a slot.
///
/// # Errors
/// When it names another route or release, or cannot be had.
pub async fn prove_route(
    door: &Door,
    app: &str,
    route: Route,
    release: Option<&str>,
) -> Result<LiveAnswer, NotProven> {
    let answer = live_answer(door, app).await?;
    if answer.route() != route {
        return Err(NotProven::OtherRoute {
            door: door.clone(),
            found: answer.route(),
            wanted: route,
        });
    }
    match release {
        Some(wanted) if answer.release.as_deref() != Some(wanted) => Err(NotProven::OtherRelease {
            door: door.clone(),
            found: answer.release.unwrap_or_else(|| "none".into()),
            wanted: wanted.to_owned(),
        }),
        _ => Ok(answer),
    }
}

/// What one of the parallel proofs is about: a path, or the route alone.
#[derive(Clone, Debug)]
struct Claim {
    door: Door,
    path: Option<String>,
}

impl Claim {
    async fn check(&self, proof: &Proof) -> Result<(), NotProven> {
        let Proof {
            app,
            route,
            release,
            upstream,
            fresh,
        } = proof;
        match &self.path {
            None => prove_route(&self.door, app, *route, release.as_deref())
                .await
                .map(drop),
            Some(path) => prove(&self.door, path, app, *upstream, *fresh, &Nonce::fresh())
                .await
                .map(drop),
        }
    }

    /// Without a failure yet when the deadline came: the request itself took too long.
    fn too_slow(&self, after: Duration) -> NotProven {
        let (door, source) = (self.door.clone(), HttpError::NoAnswer { after });
        match self.path.clone() {
            None => FrontError::NoAnswer { door, source }.into(),
            Some(path) => {
                let astray = Box::new(Astray::NoAnswer(source));
                NotProven::Path { path, door, astray }
            }
        }
    }
}

/// Proves the route on every door and, unless the maintenance page is up, every path on
/// every door, all at the same time, each again and again until it succeeds once.
///
/// # Errors
/// When something is not proven within `deadline`: the last failure of each.
pub async fn prove_all(
    doors: &[Door],
    paths: &[String],
    proof: &Proof,
    deadline: Duration,
) -> Result<ProvenAll, Unproven> {
    let nothing = |what| Unproven {
        after: Duration::ZERO,
        failures: vec![NotProven::Nothing { what }],
    };
    if doors.is_empty() {
        return Err(nothing("listener"));
    }
    if paths.is_empty() && !proof.route.maintenance {
        return Err(nothing("path"));
    }
    let paths: &[String] = if proof.route.maintenance { &[] } else { paths };
    prove_claims(doors, paths, proof, deadline).await
}

/// Proves the route alone on every door: for a color that nothing was deployed to yet.
///
/// # Errors
/// As [`prove_all`].
pub async fn prove_routes(doors: &[Door], proof: &Proof, deadline: Duration) -> Result<ProvenAll, Unproven> {
    prove_claims(doors, &[], proof, deadline).await
}

async fn prove_claims(
    doors: &[Door],
    paths: &[String],
    proof: &Proof,
    deadline: Duration,
) -> Result<ProvenAll, Unproven> {
    let until = Instant::now() + deadline;
    let mut running = JoinSet::new();
    for door in doors {
        let shown = std::iter::once(None).chain(paths.iter().cloned().map(Some));
        for path in shown {
            let claim = Claim {
                door: door.clone(),
                path,
            };
            running.spawn(insist(claim, proof.clone(), until, deadline));
        }
    }
    let mut failures: Vec<NotProven> = running
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    failures.sort_by_cached_key(ToString::to_string);
    if failures.is_empty() {
        Ok(ProvenAll {
            paths: paths.len(),
            listeners: doors.len(),
        })
    } else {
        Err(Unproven {
            after: deadline,
            failures,
        })
    }
}

async fn insist(claim: Claim, proof: Proof, until: Instant, deadline: Duration) -> Result<(), NotProven> {
    let mut last = None;
    loop {
        match tokio::time::timeout_at(until, claim.check(&proof)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => last = Some(failure),
            Err(_) => return Err(last.unwrap_or_else(|| claim.too_slow(deadline))),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
