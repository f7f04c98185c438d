//! What visitors meet: NGINX's own word on where traffic goes, and the proof that it
//! really goes there.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use model::color::{Color, Route};
use model::preview::Token;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use web::http::{Answer, HttpError};

mod listener;
mod mismatch;
mod pace;
mod secret;
mod verification;

pub use listener::{Endpoint, Manner};
pub use mismatch::{Mismatch, NotVerified, Sick, VerificationFailed};
pub use pace::Pace;
pub use secret::Secret;
pub use verification::{Expectation, Verified, VerifiedAll, verify, verify_all, verify_route, verify_routes};

/// The request header that asks for a proof, and the response header that carries it:
/// `<nonce> <address of the upstream>`, written by NGINX.
pub const PROOF_HEADER: &str = "X-Bg-Proof";

/// The request header that carries a preview's token, and the response header with the color that
/// is shown.
const PREVIEW_HEADER: HeaderName = HeaderName::from_static("x-bg-preview");

/// NGINX answers the question about the route by itself: this is only reached when it, or
/// the machine, is stuck.
const LIVE_DEADLINE: Duration = Duration::from_secs(5);

/// A value that was never used before, 8 to 64 of `[A-Za-z0-9-]`: an answer that carries
/// it was made for this very request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one, 32 hex digits. The standard library seeds its hashers from the system's
    /// randomness; nothing secret hangs on it.
    #[must_use]
    pub fn fresh() -> Nonce {
        let half = || RandomState::new().build_hasher().finish();
        Nonce(format!("{:016x}{:016x}", half(), half()))
    }

    /// The one for the `n`-th request of a series.
    #[must_use]
    pub fn nth(&self, n: u64) -> Nonce {
        Nonce(format!("{}-{n}", self.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// NGINX's own word on the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAnswer {
    /// The color that new requests go to.
    pub color: Color,
    /// Whether visitors get the maintenance page.
    pub maintenance: bool,
    /// The release that NGINX names, if it names one.
    pub release: Option<String>,
}

impl LiveAnswer {
    /// Both as one.
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            color: self.color,
            maintenance: self.maintenance,
            share: None,
        }
    }
}

/// NGINX did not say where traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Nothing listens there.
    #[error("NGINX does not listen on {endpoint}: is it running, and does the site have this `listen`?")]
    NotListening {
        /// Where.
        endpoint: Endpoint,
    },
    /// No usable answer.
    #[error("NGINX gave no usable answer on {endpoint}: {source}")]
    NoAnswer {
        /// Where.
        endpoint: Endpoint,
        /// What happened.
        source: HttpError,
    },
    /// 404.
    #[error("{endpoint} answered 404: `include bg/{app}/route.conf;` is not reached on this listener")]
    NotIncluded {
        /// Where.
        endpoint: Endpoint,
        /// The app.
        app: String,
    },
    /// 500, as from a `proxy_pass` with a variable that nobody has set.
    #[error("{endpoint} answered 500: a server block without `include bg/{app}/route.conf;`, it seems")]
    Unset {
        /// Where.
        endpoint: Endpoint,
        /// The app.
        app: String,
    },
    /// A redirect, as from a listener that only sends visitors to HTTPS.
    #[error("{endpoint} redirects to `{location}` before `include bg/{app}/route.conf;` is reached")]
    Redirected {
        /// Where.
        endpoint: Endpoint,
        /// The app.
        app: String,
        /// The Location header.
        location: String,
    },
    /// Any other status than 200.
    #[error("{endpoint} answered {status} where NGINX should say which color is live: {said}")]
    Status {
        /// Where.
        endpoint: Endpoint,
        /// The status.
        status: u16,
        /// The start of the body.
        said: String,
    },
    /// 200 from something else, as from an app that answers every path.
    #[error(
        "{endpoint} answered something else than the live color: `include bg/{app}/route.conf;` \
         is not reached on this listener; it said: {said}"
    )]
    NotOurs {
        /// Where.
        endpoint: Endpoint,
        /// The app.
        app: String,
        /// The start of the body.
        said: String,
    },
    /// Another app's answer.
    #[error("{endpoint} answered for the app `{found}`, not for `{app}`")]
    OtherApp {
        /// Where.
        endpoint: Endpoint,
        /// The app asked for.
        app: String,
        /// The app that answered.
        found: String,
    },
    /// The site has no listener.
    #[error("the site has no listener")]
    NoDoor,
    /// Two listeners of one site answer differently.
    #[error("{endpoint} answers from {found}, another listener of the site from {other}")]
    Listeners {
        /// Where.
        endpoint: Endpoint,
        /// What it answers.
        found: Route,
        /// What another one answers.
        other: Route,
    },
    /// The body and the header name different colors.
    #[error("{endpoint} contradicts itself: the body says {body}, NGINX's variable says {header}")]
    Contradiction {
        /// Where.
        endpoint: Endpoint,
        /// The color in the body.
        body: String,
        /// The color in the header.
        header: Color,
    },
}

impl EndpointError {
    /// Whether nothing at all is there, or something that is not NGINX speaking for the app.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        match self {
            EndpointError::NotListening { .. }
            | EndpointError::NotIncluded { .. }
            | EndpointError::Unset { .. }
            | EndpointError::Redirected { .. }
            | EndpointError::Status { .. }
            | EndpointError::NotOurs { .. }
            | EndpointError::OtherApp { .. }
            | EndpointError::NoDoor => true,
            EndpointError::NoAnswer { .. }
            | EndpointError::Listeners { .. }
            | EndpointError::Contradiction { .. } => false,
        }
    }
}

/// The body of the live answer.
#[derive(Deserialize)]
struct Body {
    app: String,
    color: Option<String>,
    release: Option<String>,
}

/// Asks on every listener at once; they must agree.
///
/// # Errors
/// The first listener that gives no answer, or another than the rest.
pub async fn live_answers(endpoints: &[Endpoint], app: &str) -> Result<LiveAnswer, EndpointError> {
    let mut asked = tokio::task::JoinSet::new();
    for endpoint in endpoints.iter().cloned() {
        let app = app.to_owned();
        asked.spawn(async move {
            live_answer(&endpoint, &app)
                .await
                .map(|answer| (endpoint, answer))
        });
    }
    let mut agreed: Option<LiveAnswer> = None;
    for answered in asked.join_all().await {
        let (endpoint, answer) = answered?;
        match &agreed {
            Some(other) if other.route() != answer.route() => {
                return Err(EndpointError::Listeners {
                    endpoint,
                    found: answer.route(),
                    other: other.route(),
                });
            }
            _ => agreed = Some(answer),
        }
    }
    agreed.ok_or(EndpointError::NoDoor)
}

/// The status that `path` is answered with.
///
/// # Errors
/// When there is no answer.
pub async fn status(endpoint: &Endpoint, path: &str) -> Result<u16, HttpError> {
    answer(endpoint, path).await.map(|answer| answer.status)
}

/// What `path` is answered with, to whoever asks as the site's front wants to be asked.
///
/// # Errors
/// When there is no answer.
pub async fn answer(endpoint: &Endpoint, path: &str) -> Result<Answer, HttpError> {
    let client = endpoint.client()?;
    endpoint.turn().await;
    client
        .ask("GET", path, endpoint.manner.headers(), LIVE_DEADLINE)
        .await
}

/// What `path` is answered with within `limit`, to whoever has `token` or to a visitor without;
/// `more` goes along.
///
/// # Errors
/// When there is no answer.
pub async fn page(
    endpoint: &Endpoint,
    path: &str,
    token: Option<&Token>,
    more: Option<(HeaderName, HeaderValue)>,
    limit: Duration,
) -> Result<Answer, HttpError> {
    let client = endpoint.client()?;
    endpoint.turn().await;
    let mut headers = endpoint.manner.headers();
    let value = token.and_then(|token| HeaderValue::from_str(&token.to_string()).ok());
    headers.extend(value.map(|value| (PREVIEW_HEADER, value)));
    headers.extend(more);
    client.ask("GET", path, headers, limit).await
}

/// The cookie of who wants to be in a canary of `app`, or out of it.
#[must_use]
pub fn group_cookie(app: &str, group: &str) -> String {
    format!("bg_{}_canary={group}", app.replace('-', "_"))
}

/// Asks for `path` as a visitor of `app` who is watched, with `nonce` to be found in what NGINX
/// writes down.
///
/// # Errors
/// When there is no answer within `limit`.
pub async fn watched(
    endpoint: &Endpoint,
    app: &str,
    path: &str,
    nonce: &Nonce,
    limit: Duration,
) -> Result<Answer, HttpError> {
    let client = endpoint.client()?;
    endpoint.turn().await;
    let mut headers = endpoint.manner.headers();
    listener::add_cookie(&mut headers, &group_cookie(app, "facts"));
    let value = HeaderValue::from_str(nonce.as_str()).ok();
    headers.extend(value.map(|value| (HeaderName::from_static("x-bg-proof"), value)));
    client.ask("GET", path, headers, limit).await
}

/// What a previewer gets, by NGINX's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The color; none where it is not a preview's answer.
    pub color: Option<Color>,
    /// Whether every cache is told to keep none of it.
    pub is_private: bool,
}

/// What whoever has `token` is shown at `path`.
///
/// # Errors
/// When there is no answer within `limit`.
pub async fn previewed(
    endpoint: &Endpoint,
    path: &str,
    token: &Token,
    limit: Duration,
) -> Result<Shown, HttpError> {
    let answer = page(endpoint, path, Some(token), None, limit).await?;
    let color = answer.header(PREVIEW_HEADER.as_str());
    Ok(Shown {
        color: color.and_then(|color| color.parse().ok()),
        is_private: answer
            .header("cache-control")
            .is_some_and(|said| said.contains("no-store")),
    })
}

/// Whether the app answers for `host` where NGINX listens as `endpoint`, by NGINX's own word.
pub async fn answers_for(endpoint: &Endpoint, host: &str, path: &str) -> bool {
    let value = HeaderValue::from_str(Nonce::fresh().as_str());
    let other = Endpoint {
        host: host.to_owned(),
        ..endpoint.clone()
    };
    let (Ok(client), Ok(value)) = (other.client(), value) else {
        return false;
    };
    let mut headers = endpoint.headers();
    headers.insert(HeaderName::from_static("x-bg-proof"), value);
    let answer = client.ask("GET", path, headers, LIVE_DEADLINE).await;
    answer.is_ok_and(|answer| answer.header(PROOF_HEADER).is_some())
}

/// Asks NGINX where the traffic of `app` goes: `GET /.bg/<app>/live`. The header
/// `X-Bg-Color` is NGINX's own routing variable and decides.
///
/// # Errors
/// When the answer is not NGINX's, or not about this app, or contradicts itself.
pub async fn live_answer(endpoint: &Endpoint, app: &str) -> Result<LiveAnswer, EndpointError> {
    let door_error = |source| match source {
        HttpError::Refused => EndpointError::NotListening {
            endpoint: endpoint.clone(),
        },
        source => EndpointError::NoAnswer {
            endpoint: endpoint.clone(),
            source,
        },
    };
    let client = endpoint.client().map_err(door_error)?;
    let path = format!("/.bg/{app}/live");
    endpoint.turn().await;
    // In a canary, what is live and not what a visitor like us would get.
    let mut headers = endpoint.headers();
    listener::add_cookie(&mut headers, &group_cookie(app, "out"));
    let answer = client
        .ask("GET", &path, headers, LIVE_DEADLINE)
        .await
        .map_err(door_error)?;
    if answer.status == 200 {
        read_live(&answer, endpoint, app)
    } else {
        Err(wrong_status(&answer, endpoint, app))
    }
}

fn wrong_status(answer: &Answer, endpoint: &Endpoint, app: &str) -> EndpointError {
    let (endpoint, app) = (endpoint.clone(), app.to_owned());
    match answer.status {
        404 => EndpointError::NotIncluded { endpoint, app },
        500 => EndpointError::Unset { endpoint, app },
        301 | 302 | 303 | 307 | 308 => EndpointError::Redirected {
            endpoint,
            app,
            location: answer.header("location").unwrap_or("nowhere").to_owned(),
        },
        status => EndpointError::Status {
            endpoint,
            status,
            said: answer.excerpt(),
        },
    }
}

fn read_live(answer: &Answer, endpoint: &Endpoint, app: &str) -> Result<LiveAnswer, EndpointError> {
    let not_ours = || EndpointError::NotOurs {
        endpoint: endpoint.clone(),
        app: app.to_owned(),
        said: answer.excerpt(),
    };
    let body: Body = serde_json::from_slice(&answer.body).map_err(|_| not_ours())?;
    if body.app != app {
        return Err(EndpointError::OtherApp {
            endpoint: endpoint.clone(),
            app: app.to_owned(),
            found: body.app,
        });
    }
    let named = answer
        .header("x-bg-color")
        .and_then(|name| name.parse::<Color>().ok());
    let color = named.ok_or_else(not_ours)?;
    match body.color {
        Some(said) if said != color.name() => Err(EndpointError::Contradiction {
            endpoint: endpoint.clone(),
            body: said,
            header: color,
        }),
        _ => Ok(LiveAnswer {
            color,
            maintenance: answer.header("x-bg-maintenance") == Some("1"),
            release: body.release.filter(|release| !release.is_empty()),
        }),
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
