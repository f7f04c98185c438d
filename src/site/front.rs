//! What visitors meet: NGINX's own word on where traffic goes, and the proof that it
//! really goes there.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use model::color::{Color, Route};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use web::http::{Answer, HttpError};

mod door;
mod pace;
mod proof;
mod secret;
mod unproven;

pub use door::{Door, Manner};
pub use pace::Pace;
pub use proof::{Proof, Proven, ProvenAll, prove, prove_all, prove_route, prove_routes};
pub use secret::Secret;
pub use unproven::{Astray, NotProven, Sick, Unproven};

/// The request header that asks for a proof, and the response header that carries it:
/// `<nonce> <address of the upstream>`, written by NGINX.
pub const PROOF_HEADER: &str = "X-Bg-Proof";

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
        }
    }
}

/// NGINX did not say where traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// Nothing listens there.
    #[error("NGINX does not listen on {door}: is it running, and does the site have this `listen`?")]
    NotListening {
        /// Where.
        door: Door,
    },
    /// No usable answer.
    #[error("NGINX gave no usable answer on {door}: {source}")]
    NoAnswer {
        /// Where.
        door: Door,
        /// What happened.
        source: HttpError,
    },
    /// 404.
    #[error("{door} answered 404: `include bg/{app}/route.conf;` is not reached on this listener")]
    NotIncluded {
        /// Where.
        door: Door,
        /// The app.
        app: String,
    },
    /// 500, as from a `proxy_pass` with a variable that nobody has set.
    #[error("{door} answered 500: a server block without `include bg/{app}/route.conf;`, it seems")]
    Unset {
        /// Where.
        door: Door,
        /// The app.
        app: String,
    },
    /// A redirect, as from a listener that only sends visitors to HTTPS.
    #[error("{door} redirects to `{location}` before `include bg/{app}/route.conf;` is reached")]
    Redirected {
        /// Where.
        door: Door,
        /// The app.
        app: String,
        /// The Location header.
        location: String,
    },
    /// Any other status than 200.
    #[error("{door} answered {status} where NGINX should say which color is live: {said}")]
    Status {
        /// Where.
        door: Door,
        /// The status.
        status: u16,
        /// The start of the body.
        said: String,
    },
    /// 200 from something else, as from an app that answers every path.
    #[error(
        "{door} answered something else than the live color: `include bg/{app}/route.conf;` \
         is not reached on this listener; it said: {said}"
    )]
    NotOurs {
        /// Where.
        door: Door,
        /// The app.
        app: String,
        /// The start of the body.
        said: String,
    },
    /// Another app's answer.
    #[error("{door} answered for the app `{found}`, not for `{app}`")]
    OtherApp {
        /// Where.
        door: Door,
        /// The app asked for.
        app: String,
        /// The app that answered.
        found: String,
    },
    /// The site has no listener.
    #[error("the site has no listener")]
    NoDoor,
    /// Two listeners of one site answer differently.
    #[error("{door} answers from {found}, another listener of the site from {other}")]
    Listeners {
        /// Where.
        door: Door,
        /// What it answers.
        found: Route,
        /// What another one answers.
        other: Route,
    },
    /// The body and the header name different colors.
    #[error("{door} contradicts itself: the body says {body}, NGINX's variable says {header}")]
    Contradiction {
        /// Where.
        door: Door,
        /// The color in the body.
        body: String,
        /// The color in the header.
        header: Color,
    },
}

impl FrontError {
    /// Whether nothing at all is there, or something that is not NGINX speaking for the app.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        match self {
            FrontError::NotListening { .. }
            | FrontError::NotIncluded { .. }
            | FrontError::Unset { .. }
            | FrontError::Redirected { .. }
            | FrontError::Status { .. }
            | FrontError::NotOurs { .. }
            | FrontError::OtherApp { .. }
            | FrontError::NoDoor => true,
            FrontError::NoAnswer { .. } | FrontError::Listeners { .. } | FrontError::Contradiction { .. } => {
                false
            }
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
pub async fn live_answers(doors: &[Door], app: &str) -> Result<LiveAnswer, FrontError> {
    let mut asked = tokio::task::JoinSet::new();
    for door in doors.iter().cloned() {
        let app = app.to_owned();
        asked.spawn(async move { live_answer(&door, &app).await.map(|answer| (door, answer)) });
    }
    let mut agreed: Option<LiveAnswer> = None;
    for answered in asked.join_all().await {
        let (door, answer) = answered?;
        match &agreed {
            Some(other) if other.route() != answer.route() => {
                return Err(FrontError::Listeners {
                    door,
                    found: answer.route(),
                    other: other.route(),
                });
            }
            _ => agreed = Some(answer),
        }
    }
    agreed.ok_or(FrontError::NoDoor)
}

/// The status that `path` is answered with.
///
/// # Errors
/// When there is no answer.
pub async fn status(door: &Door, path: &str) -> Result<u16, HttpError> {
    answer(door, path).await.map(|answer| answer.status)
}

/// What `path` is answered with, to whoever asks as the site's front wants to be asked.
///
/// # Errors
/// When there is no answer.
pub async fn answer(door: &Door, path: &str) -> Result<Answer, HttpError> {
    let client = door.client()?;
    door.turn().await;
    client
        .ask("GET", path, door.manner.headers(), LIVE_DEADLINE)
        .await
}

/// Whether the app answers for `host` where NGINX listens as `door`, by NGINX's own word.
pub async fn answers_for(door: &Door, host: &str, path: &str) -> bool {
    let value = HeaderValue::from_str(Nonce::fresh().as_str());
    let other = Door {
        host: host.to_owned(),
        ..door.clone()
    };
    let (Ok(client), Ok(value)) = (other.client(), value) else {
        return false;
    };
    let mut headers = door.headers();
    headers.insert(HeaderName::from_static("x-bg-proof"), value);
    let answer = client.ask("GET", path, headers, LIVE_DEADLINE).await;
    answer.is_ok_and(|answer| answer.header(PROOF_HEADER).is_some())
}

/// Asks NGINX where the traffic of `app` goes: `GET /.bg/<app>/live`. The header
/// `X-Bg-Color` is NGINX's own routing variable and decides.
///
/// # Errors
/// When the answer is not NGINX's, or not about this app, or contradicts itself.
pub async fn live_answer(door: &Door, app: &str) -> Result<LiveAnswer, FrontError> {
    let door_error = |source| match source {
        HttpError::Refused => FrontError::NotListening { door: door.clone() },
        source => FrontError::NoAnswer {
            door: door.clone(),
            source,
        },
    };
    let client = door.client().map_err(door_error)?;
    let path = format!("/.bg/{app}/live");
    door.turn().await;
    let answer = client
        .ask("GET", &path, door.headers(), LIVE_DEADLINE)
        .await
        .map_err(door_error)?;
    if answer.status == 200 {
        read_live(&answer, door, app)
    } else {
        Err(wrong_status(&answer, door, app))
    }
}

fn wrong_status(answer: &Answer, door: &Door, app: &str) -> FrontError {
    let (door, app) = (door.clone(), app.to_owned());
    match answer.status {
        404 => FrontError::NotIncluded { door, app },
        500 => FrontError::Unset { door, app },
        301 | 302 | 303 | 307 | 308 => FrontError::Redirected {
            door,
            app,
            location: answer.header("location").unwrap_or("nowhere").to_owned(),
        },
        status => FrontError::Status {
            door,
            status,
            said: answer.excerpt(),
        },
    }
}

fn read_live(answer: &Answer, door: &Door, app: &str) -> Result<LiveAnswer, FrontError> {
    let not_ours = || FrontError::NotOurs {
        door: door.clone(),
        app: app.to_owned(),
        said: answer.excerpt(),
    };
    let body: Body = serde_json::from_slice(&answer.body).map_err(|_| not_ours())?;
    if body.app != app {
        return Err(FrontError::OtherApp {
            door: door.clone(),
            app: app.to_owned(),
            found: body.app,
        });
    }
    let named = answer
        .header("x-bg-color")
        .and_then(|name| name.parse::<Color>().ok());
    let color = named.ok_or_else(not_ours)?;
    match body.color {
        Some(said) if said != color.name() => Err(FrontError::Contradiction {
            door: door.clone(),
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
