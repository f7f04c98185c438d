//! The proof: requests through NGINX that must come back from the expected slot.

use std::net::SocketAddr;
use std::time::Duration;

use model::color::Route;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::Instant;
use web::http::{Answer, Client, HttpError};

use crate::endpoint::listener;
use crate::endpoint::{
    Endpoint, EndpointError, LiveAnswer, Mismatch, Nonce, NotVerified, PROOF_HEADER, Sick,
    VerificationFailed, live_answer,
};

/// One request of the proof may take this long. It is the gate's default too.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The pause before a failed proof is tried again: short beside the 25 to 142 ms in which
/// old workers still answered after a reload, long beside one request.
const PAUSE: Duration = Duration::from_millis(25);

/// A slot that answers 500 and more is asked again for this long: an app that warms up
/// comes to itself, and visitors meet one that does not no longer than that.
const RECOVERY: Duration = Duration::from_secs(1);

/// What NGINX says by itself of a slot that it asked and that did not answer.
const UNANSWERED: [u16; 2] = [502, 504];

/// `PROOF_HEADER` as reqwest wants it.
const PROOF_NAME: HeaderName = HeaderName::from_static("x-bg-proof");

/// What has to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
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
    /// A cookie that they carry, `name=value`: in a canary, that of the visitors who get the slot.
    pub cookie: Option<String>,
}

/// One path on one listener is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many requests in a row reached the slot.
    pub requests: u32,
    /// The status of the last one.
    pub status: u16,
    /// The last one, where the slot failed: reached, and not healthy.
    pub sick: Option<Sick>,
}

/// Every path on every listener is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAll {
    /// How many paths; 0 while the maintenance page is up, when only the route can be shown.
    pub paths: usize,
    /// How many listeners.
    pub listeners: usize,
    /// Where the slot was reached and answered 500 or more.
    pub sick: Vec<Sick>,
}

/// Sends `fresh` requests (at least one) for `path`, one after the other, each on a fresh connection with
/// a nonce of its own made from `nonce`; each must have been answered by `expected`. The
/// first answer of 500 or more ends them: it may have taken long.
///
/// # Errors
/// The first request that shows something else.
pub async fn verify(
    endpoint: &Endpoint,
    path: &str,
    app: &str,
    expected: SocketAddr,
    fresh: u32,
    nonce: &Nonce,
) -> Result<Verified, NotVerified> {
    verify_with(endpoint, path, app, expected, fresh, nonce, None).await
}

async fn verify_with(
    endpoint: &Endpoint,
    path: &str,
    app: &str,
    expected: SocketAddr,
    fresh: u32,
    nonce: &Nonce,
    cookie: Option<&str>,
) -> Result<Verified, NotVerified> {
    let series = async {
        let client = endpoint.client().map_err(Mismatch::NoAnswer)?;
        let mut headers = endpoint.headers();
        if let Some(cookie) = cookie {
            listener::add_cookie(&mut headers, cookie);
        }
        let mut proven = Verified {
            requests: 0,
            status: 0,
            sick: None,
        };
        while proven.requests < fresh.max(1) && proven.sick.is_none() {
            let nonce = nonce.nth(proven.requests.into());
            endpoint.turn().await;
            let answer = prove_once(&client, &headers, path, app, expected, &nonce).await?;
            proven.requests += 1;
            proven.status = answer.status;
            proven.sick = (answer.status >= 500).then(|| Sick {
                path: path.to_owned(),
                endpoint: endpoint.clone(),
                status: answer.status,
                said: answer.excerpt(),
            });
        }
        Ok(proven)
    };
    series.await.map_err(|mismatch: Mismatch| NotVerified::Path {
        path: path.to_owned(),
        endpoint: endpoint.clone(),
        mismatch: Box::new(mismatch),
    })
}

async fn prove_once(
    client: &Client,
    headers: &HeaderMap,
    path: &str,
    app: &str,
    expected: SocketAddr,
    nonce: &Nonce,
) -> Result<Answer, Mismatch> {
    let value = HeaderValue::from_str(nonce.as_str()).map_err(|_| {
        let what = nonce.as_str().to_owned();
        Mismatch::NoAnswer(HttpError::BadRequest { what })
    })?;
    let mut headers = headers.clone();
    headers.insert(PROOF_NAME, value);
    let answer = client
        .ask("GET", path, headers, ATTEMPT)
        .await
        .map_err(Mismatch::NoAnswer)?;
    look(&answer, app, expected, nonce)?;
    Ok(answer)
}

fn look(answer: &Answer, app: &str, expected: SocketAddr, nonce: &Nonce) -> Result<(), Mismatch> {
    let status = answer.status;
    let Some(proof) = answer.header(PROOF_HEADER) else {
        return Err(Mismatch::NotIncluded {
            status,
            app: app.to_owned(),
        });
    };
    let (found_nonce, found) = proof.split_once(' ').unwrap_or((proof, ""));
    if found_nonce != nonce.as_str() {
        Err(Mismatch::Replayed)
    } else if found.is_empty() {
        Err(Mismatch::NoUpstream { status })
    } else if found.contains(", ") || found.contains(" : ") {
        // A comma: the next server of a group was tried. A colon: an internal redirect.
        Err(Mismatch::SeveralUpstreams {
            found: found.to_owned(),
        })
    } else if found != expected.to_string() {
        Err(Mismatch::OtherUpstream {
            found: found.to_owned(),
            wanted: expected,
        })
    } else if UNANSWERED.contains(&status) {
        Err(Mismatch::Failed {
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
pub async fn verify_route(
    endpoint: &Endpoint,
    app: &str,
    route: Route,
    release: Option<&str>,
) -> Result<LiveAnswer, NotVerified> {
    let answer = live_answer(endpoint, app).await?;
    if answer.route() != route.without_share() {
        return Err(NotVerified::OtherRoute {
            endpoint: endpoint.clone(),
            found: answer.route(),
            wanted: route,
        });
    }
    match release {
        Some(wanted) if answer.release.as_deref() != Some(wanted) => Err(NotVerified::OtherRelease {
            endpoint: endpoint.clone(),
            found: answer.release.unwrap_or_else(|| "none".into()),
            wanted: wanted.to_owned(),
        }),
        _ => Ok(answer),
    }
}

/// What one of the parallel proofs is about: a path, or the route alone.
#[derive(Clone, Debug)]
struct Claim {
    endpoint: Endpoint,
    path: Option<String>,
}

impl Claim {
    /// Reached; where the slot failed, how.
    async fn check(&self, proof: &Expectation) -> Result<Option<Sick>, NotVerified> {
        let Expectation {
            app,
            route,
            release,
            upstream,
            fresh,
            cookie,
        } = proof;
        match &self.path {
            None => verify_route(&self.endpoint, app, *route, release.as_deref())
                .await
                .map(|_| None),
            Some(path) => {
                let (nonce, cookie) = (Nonce::fresh(), cookie.as_deref());
                verify_with(&self.endpoint, path, app, *upstream, *fresh, &nonce, cookie)
                    .await
                    .map(|proven| proven.sick)
            }
        }
    }

    /// Without a failure yet when the deadline came: the request itself took too long.
    fn too_slow(&self, after: Duration) -> NotVerified {
        let (endpoint, source) = (self.endpoint.clone(), HttpError::NoAnswer { after });
        match self.path.clone() {
            None => EndpointError::NoAnswer { endpoint, source }.into(),
            Some(path) => {
                let mismatch = Box::new(Mismatch::NoAnswer(source));
                NotVerified::Path {
                    path,
                    endpoint,
                    mismatch,
                }
            }
        }
    }
}

/// Proves the route on every endpoint and, unless the maintenance page is up, every path on
/// every endpoint, all at the same time, each again and again until it succeeds once.
///
/// # Errors
/// When something is not proven within `deadline`: the last failure of each.
pub async fn verify_all(
    endpoints: &[Endpoint],
    paths: &[String],
    proof: &Expectation,
    deadline: Duration,
) -> Result<VerifiedAll, VerificationFailed> {
    let nothing = |what| VerificationFailed {
        after: Duration::ZERO,
        failures: vec![NotVerified::Nothing { what }],
    };
    if endpoints.is_empty() {
        return Err(nothing("listener"));
    }
    if paths.is_empty() && !proof.route.maintenance {
        return Err(nothing("path"));
    }
    let paths: &[String] = if proof.route.maintenance { &[] } else { paths };
    prove_claims(endpoints, paths, proof, deadline).await
}

/// Proves the route alone on every endpoint: for a color that nothing was deployed to yet.
///
/// # Errors
/// As [`verify_all`].
pub async fn verify_routes(
    endpoints: &[Endpoint],
    proof: &Expectation,
    deadline: Duration,
) -> Result<VerifiedAll, VerificationFailed> {
    prove_claims(endpoints, &[], proof, deadline).await
}

async fn prove_claims(
    endpoints: &[Endpoint],
    paths: &[String],
    proof: &Expectation,
    deadline: Duration,
) -> Result<VerifiedAll, VerificationFailed> {
    let until = Instant::now() + deadline;
    let mut running = JoinSet::new();
    for endpoint in endpoints {
        let shown = std::iter::once(None).chain(paths.iter().cloned().map(Some));
        for path in shown {
            let claim = Claim {
                endpoint: endpoint.clone(),
                path,
            };
            running.spawn(insist(claim, proof.clone(), until, deadline));
        }
    }
    let (mut failures, mut sick) = (Vec::new(), Vec::new());
    for claim in running.join_all().await {
        match claim {
            Ok(found) => sick.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    failures.sort_by_cached_key(ToString::to_string);
    sick.sort_by_cached_key(ToString::to_string);
    if failures.is_empty() {
        Ok(VerifiedAll {
            paths: paths.len(),
            listeners: endpoints.len(),
            sick,
        })
    } else {
        Err(VerificationFailed {
            after: deadline,
            failures,
        })
    }
}

async fn insist(
    claim: Claim,
    proof: Expectation,
    until: Instant,
    deadline: Duration,
) -> Result<Option<Sick>, NotVerified> {
    let (mut last, mut failed): (_, Option<(Sick, Instant)>) = (None, None);
    loop {
        let ends = failed.as_ref().map_or(until, |(_, ends)| *ends);
        match tokio::time::timeout_at(ends, claim.check(&proof)).await {
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(sick))) => {
                let ends = ends.min(Instant::now() + RECOVERY);
                failed = Some((sick, failed.map_or(ends, |(_, before)| before)));
            }
            Ok(Err(failure)) => (last, failed) = (Some(failure), None),
            Err(_) => {
                return match failed {
                    Some((sick, _)) => Ok(Some(sick)),
                    None => Err(last.unwrap_or_else(|| claim.too_slow(deadline))),
                };
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
