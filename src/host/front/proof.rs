//! The proof: requests through NGINX that must come back from the expected slot.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Door, FrontError, LiveAnswer, Nonce, PROOF_HEADER, live_answer};
use crate::host::http::{Answer, Client, HttpError};
use crate::model::color::Route;

/// One request of the proof may take this long. It is the gate's default too.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The pause before a failed proof is tried again: short beside the 25 to 142 ms in which
/// old workers still answered after a reload, long beside one request.
const PAUSE: Duration = Duration::from_millis(25);

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

/// A request that does not show what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// There is nothing to ask: without a listener or a path nothing can be shown.
    #[error("there is no {what} to prove anything on")]
    Nothing {
        /// `listener` or `path`.
        what: &'static str,
    },
    /// NGINX's own word cannot be had.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// NGINX's own word is another one.
    #[error("NGINX says on {door} that {found} is live, not {wanted}")]
    OtherRoute {
        /// Where.
        door: Door,
        /// What it says.
        found: Route,
        /// What it should say.
        wanted: Route,
    },
    /// The route is right and the release is another one.
    #[error("NGINX names the release `{found}` on {door}, not `{wanted}`")]
    OtherRelease {
        /// Where.
        door: Door,
        /// What it names, `none` if nothing.
        found: String,
        /// What it should name.
        wanted: String,
    },
    /// No usable answer.
    #[error("`{path}` on {door}: {source}")]
    NoAnswer {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// What happened.
        source: HttpError,
    },
    /// The answer has no proof in it.
    #[error(
        "`{path}` on {door} answered {status} without passing through `include bg/{app}/proxy.conf;`: \
         does its location have a `proxy_pass` of its own?"
    )]
    NotIncluded {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// The status.
        status: u16,
        /// The app.
        app: String,
    },
    /// The proof is another request's.
    #[error("`{path}` on {door} came with the proof of another request: a cache answers in between")]
    Replayed {
        /// The path.
        path: String,
        /// Where.
        door: Door,
    },
    /// NGINX answered without asking a slot.
    #[error("`{path}` on {door} was answered {status} by NGINX itself: no slot was asked")]
    NoUpstream {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// The status.
        status: u16,
    },
    /// Another slot answered.
    #[error("`{path}` on {door} still goes to {found}, not to {wanted}")]
    OtherUpstream {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// Who answered.
        found: String,
        /// Who should.
        wanted: SocketAddr,
    },
    /// More than one upstream was tried.
    #[error("`{path}` on {door} went to more than one upstream: {found}")]
    SeveralUpstreams {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// All of them, in NGINX's words.
        found: String,
    },
    /// The right slot, and an error.
    #[error("`{path}` on {door} was answered {status} by {upstream}: {said}")]
    Failed {
        /// The path.
        path: String,
        /// Where.
        door: Door,
        /// The status, 500 or more.
        status: u16,
        /// The slot.
        upstream: SocketAddr,
        /// The start of the body.
        said: String,
    },
}

/// No proof before the deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no proof within {} s{}", .after.as_secs_f64(), lines(.failures))]
pub struct Unproven {
    /// The deadline.
    pub after: Duration,
    /// The last failure of each path and listener that has one.
    pub failures: Vec<NotProven>,
}

impl Unproven {
    /// Whether all that is missing is the sign of our proxying: the site answers on those
    /// paths, with a way of its own.
    #[must_use]
    pub fn is_past_the_link(&self) -> bool {
        self.failures
            .iter()
            .all(|failure| matches!(failure, NotProven::NotIncluded { status, .. } if *status < 500))
    }
}

fn lines(failures: &[NotProven]) -> String {
    failures.iter().map(|failure| format!("\n  {failure}")).collect()
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
    let no_answer = |source| NotProven::NoAnswer {
        path: path.to_owned(),
        door: door.clone(),
        source,
    };
    let client = Client::new(door.address, &door.host, door.tls).map_err(no_answer)?;
    let mut status = 0;
    for n in 0..fresh.max(1) {
        let nonce = nonce.nth(n.into());
        let value = HeaderValue::from_str(nonce.as_str()).map_err(|_| {
            let what = nonce.as_str().to_owned();
            no_answer(HttpError::BadRequest { what })
        })?;
        let headers = HeaderMap::from_iter([(PROOF_NAME, value)]);
        let answer = client
            .ask("GET", path, headers, ATTEMPT)
            .await
            .map_err(no_answer)?;
        look(&answer, door, path, app, expected, &nonce)?;
        status = answer.status;
    }
    Ok(Proven {
        requests: fresh.max(1),
        status,
    })
}

/// `PROOF_HEADER` as reqwest wants it.
const PROOF_NAME: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static("x-bg-proof");

fn look(
    answer: &Answer,
    door: &Door,
    path: &str,
    app: &str,
    expected: SocketAddr,
    nonce: &Nonce,
) -> Result<(), NotProven> {
    let (path, door, status) = (path.to_owned(), door.clone(), answer.status);
    let Some(proof) = answer.header(PROOF_HEADER) else {
        return Err(NotProven::NotIncluded {
            path,
            door,
            status,
            app: app.to_owned(),
        });
    };
    let (found_nonce, found) = proof.split_once(' ').unwrap_or((proof, ""));
    if found_nonce != nonce.as_str() {
        Err(NotProven::Replayed { path, door })
    } else if found.is_empty() {
        Err(NotProven::NoUpstream { path, door, status })
    } else if found.contains(", ") || found.contains(" : ") {
        // A comma: the next server of a group was tried. A colon: an internal redirect.
        Err(NotProven::SeveralUpstreams {
            path,
            door,
            found: found.to_owned(),
        })
    } else if found != expected.to_string() {
        Err(NotProven::OtherUpstream {
            path,
            door,
            found: found.to_owned(),
            wanted: expected,
        })
    } else if status >= 500 {
        Err(NotProven::Failed {
            path,
            door,
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
            Some(path) => NotProven::NoAnswer { path, door, source },
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
