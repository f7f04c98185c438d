//! Why a proof did not succeed, in words.

use std::net::SocketAddr;
use std::time::Duration;

use model::color::Route;
use web::http::HttpError;

use crate::endpoint::{Endpoint, EndpointError};

/// A listener or a path that does not show what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// There is nothing to ask: without a listener or a path nothing can be shown.
    #[error("the site has no {what} to verify the switch on")]
    Nothing {
        /// `listener` or `path`.
        what: &'static str,
    },
    /// NGINX's own word cannot be had.
    #[error(transparent)]
    Front(#[from] EndpointError),
    /// NGINX's own word is another one.
    #[error("NGINX says on {endpoint} that {found} is live, not {wanted}")]
    OtherRoute {
        /// Where.
        endpoint: Endpoint,
        /// What it says.
        found: Route,
        /// What it should say.
        wanted: Route,
    },
    /// The route is right and the release is another one.
    #[error("NGINX names the release `{found}` on {endpoint}, not `{wanted}`")]
    OtherRelease {
        /// Where.
        endpoint: Endpoint,
        /// What it names, `none` if nothing.
        found: String,
        /// What it should name.
        wanted: String,
    },
    /// A request for a path was not answered by the slot.
    #[error("`{path}` on {endpoint} {mismatch}")]
    Path {
        /// The path.
        path: String,
        /// Where.
        endpoint: Endpoint,
        /// What became of the request.
        mismatch: Box<Mismatch>,
    },
}

/// What became of a request that the expected slot did not answer. The texts go on after
/// the path and the listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// No usable answer.
    #[error("was not answered: {0}")]
    NoAnswer(HttpError),
    /// The answer has no proof in it.
    #[error(
        "answered {status} without passing through `include bg/{app}/proxy.conf;`: \
         does its location have a `proxy_pass` of its own?"
    )]
    NotIncluded {
        /// The status.
        status: u16,
        /// The app.
        app: String,
    },
    /// The proof is another request's.
    #[error("came with the proof of another request: a cache in between answers")]
    Replayed,
    /// NGINX answered without asking a slot.
    #[error("was answered {status} by NGINX itself: no slot was asked")]
    NoUpstream {
        /// The status.
        status: u16,
    },
    /// Another slot answered.
    #[error("still goes to {found}, not to {wanted}")]
    OtherUpstream {
        /// Who answered.
        found: String,
        /// Who should.
        wanted: SocketAddr,
    },
    /// More than one upstream was tried.
    #[error("went to more than one upstream: {found}")]
    SeveralUpstreams {
        /// All of them, in NGINX's words.
        found: String,
    },
    /// The right slot was asked and did not answer.
    #[error("was answered {status} by {upstream}: {said}")]
    Failed {
        /// The status, 502 or 504.
        status: u16,
        /// The slot.
        upstream: SocketAddr,
        /// The start of the body.
        said: String,
    },
}

impl Mismatch {
    /// Whether it looks as if NGINX had answered without asking the app.
    #[must_use]
    pub fn is_of_nginx(&self) -> bool {
        matches!(
            self,
            Mismatch::NoUpstream { .. }
                | Mismatch::NotIncluded { .. }
                | Mismatch::Replayed
                | Mismatch::NoAnswer(HttpError::Closed)
        )
    }
}

/// The expected slot answered, and not as a healthy one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` on {endpoint} is answered {status}: {said}")]
pub struct Sick {
    /// The path.
    pub path: String,
    /// Where.
    pub endpoint: Endpoint,
    /// The status, 500 or more.
    pub status: u16,
    /// The start of the body.
    pub said: String,
}

/// No proof before the deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no proof within {} s{}", .after.as_secs_f64(), lines(.failures))]
pub struct VerificationFailed {
    /// The deadline.
    pub after: Duration,
    /// The last failure of each path and listener that has one.
    pub failures: Vec<NotVerified>,
}

impl VerificationFailed {
    /// Whether all that is missing is the sign of our proxying: the site answers on those
    /// paths, with a way of its own.
    #[must_use]
    pub fn is_past_the_link(&self) -> bool {
        self.failures.iter().all(|failure| match failure {
            NotVerified::Path { mismatch, .. } => {
                matches!(**mismatch, Mismatch::NotIncluded { status, .. } if status < 500)
            }
            _ => false,
        })
    }
}

fn lines(failures: &[NotVerified]) -> String {
    failures.iter().map(|failure| format!("\n  {failure}")).collect()
}
