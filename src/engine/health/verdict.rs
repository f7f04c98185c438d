//! What an answer says about the app, in words.

use model::config::HealthCheck;
use serde_json::Value;
use web::http::{Answer, HttpError, excerpt};

/// Why a probe was not healthy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unhealthy {
    /// No usable answer.
    #[error(transparent)]
    NoAnswer(#[from] HttpError),
    /// A redirect that the check does not expect.
    #[error("{status} redirects to `{location}`: the app wants HTTPS, another host or another path")]
    Redirected {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The Location header, `nowhere` without one.
        location: String,
    },
    /// A status by which frameworks refuse a Host.
    #[error("{status}: the app refuses Host `{host}`, it seems; it said: {said}")]
    HostRefused {
        /// 400, 403 or 421.
        status: u16,
        /// The Host that was sent.
        host: String,
        /// The start of the body.
        said: String,
    },
    /// 401.
    #[error("401: the path asks for a login")]
    LoginWanted,
    /// 404.
    #[error("404: the app has no `{path}`")]
    NotFound {
        /// The path asked for.
        path: String,
    },
    /// A 5xx.
    #[error("{status}: the app failed, it said: {said}")]
    AppFailed {
        /// The status.
        status: u16,
        /// The start of the body.
        said: String,
    },
    /// Any other status that is not expected.
    #[error("{status} where {expected} was expected")]
    OtherStatus {
        /// The status.
        status: u16,
        /// The expected ones, as `200 or 204`.
        expected: String,
    },
    /// The body lacks `contains`.
    #[error("the body does not contain `{wanted}`, it begins: {said}")]
    Lacks {
        /// What was looked for.
        wanted: String,
        /// The start of the body.
        said: String,
    },
    /// The body is not JSON.
    #[error("the body is not JSON, it begins: {said}")]
    NotJson {
        /// The start of the body.
        said: String,
    },
    /// The JSON pointer leads nowhere.
    #[error("the JSON has no `{pointer}`, it begins: {said}")]
    Missing {
        /// The pointer.
        pointer: String,
        /// The start of the body.
        said: String,
    },
    /// The JSON pointer leads to another value.
    #[error("`{pointer}` is {found} where {wanted} was expected")]
    Differs {
        /// The pointer.
        pointer: String,
        /// What is there, its first 120 characters.
        found: String,
        /// What should be.
        wanted: String,
    },
}

impl Unhealthy {
    /// What to change, where the answer shows that.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            // Where a balancer takes TLS off, NGINX is asked without it and says so to the app.
            Unhealthy::Redirected { location, .. } if location.starts_with("https:") => {
                "set `health.path` to a path that answers without a redirect, or say what the balancer says, as \
                 `headers = { X-Forwarded-Proto = \"https\" }` of `[[health]]`; to expect the redirect would let \
                 pass an app that answers nothing else"
            }
            Unhealthy::Redirected { .. } => {
                "set `health.path` to a path that answers without a redirect; to expect the redirect would let \
                 pass an app that answers nothing else"
            }
            Unhealthy::HostRefused { .. } => {
                "check the app's allow-list of hosts (Flask's `TRUSTED_HOSTS`, Django's `ALLOWED_HOSTS`), or set \
                 `health.host`"
            }
            Unhealthy::LoginWanted => {
                "set `health.path` to a path without a login, or send what it wants with \
                 `headers = { Authorization = \"...\" }` of `[[health]]`"
            }
            Unhealthy::NotFound { .. } => "set `health.path` in bg.toml to a path that the app has",
            _ => return None,
        })
    }
}

/// Whether `answer`, to a request in the name of `host`, is what `check` asks for.
pub(super) fn judge(answer: &Answer, check: &HealthCheck, host: &str) -> Result<(), Unhealthy> {
    if !check.expect.contains(&answer.status) {
        return Err(unexpected(answer, check, host));
    }
    if let Some(wanted) = &check.contains
        && !String::from_utf8_lossy(&answer.body).contains(wanted.as_str())
    {
        return Err(Unhealthy::Lacks {
            wanted: wanted.clone(),
            said: said(answer),
        });
    }
    let Some(json) = &check.json else { return Ok(()) };
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|_| Unhealthy::NotJson { said: said(answer) })?;
    match body.pointer(&json.pointer) {
        Some(found) if *found == json.equals => Ok(()),
        Some(found) => Err(Unhealthy::Differs {
            pointer: json.pointer.clone(),
            found: excerpt(&found.to_string()),
            wanted: json.equals.to_string(),
        }),
        None => Err(Unhealthy::Missing {
            pointer: json.pointer.clone(),
            said: said(answer),
        }),
    }
}

fn unexpected(answer: &Answer, check: &HealthCheck, host: &str) -> Unhealthy {
    match answer.status {
        status @ (301 | 302 | 303 | 307 | 308) => Unhealthy::Redirected {
            status,
            location: excerpt(answer.header("location").unwrap_or("nowhere")),
        },
        status @ (400 | 403 | 421) => Unhealthy::HostRefused {
            status,
            host: host.to_owned(),
            said: said(answer),
        },
        401 => Unhealthy::LoginWanted,
        404 => Unhealthy::NotFound {
            path: check.path.clone(),
        },
        status @ 500.. => Unhealthy::AppFailed {
            status,
            said: said(answer),
        },
        status => Unhealthy::OtherStatus {
            status,
            expected: alternatives(&check.expect),
        },
    }
}

fn said(answer: &Answer) -> String {
    match answer.excerpt() {
        nothing if nothing.is_empty() => "nothing".into(),
        words => words,
    }
}

fn alternatives(expect: &[u16]) -> String {
    let words: Vec<String> = expect.iter().map(u16::to_string).collect();
    words.join(" or ")
}
