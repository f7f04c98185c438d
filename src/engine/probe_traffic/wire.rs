//! One connection of the prober, by hyper's own connection type: it sends a request once
//! or says that it did not.

use std::time::Instant;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT as AGENT};
use hyper::{Request, Response, Uri};
use site::endpoint::{Endpoint, Nonce, PROOF_HEADER};
use web::http::{Connector, HttpError, diagnose, encoded, in_the_body};

/// How the prober introduces itself.
pub const USER_AGENT: &str = "bluegreen-evidence";

/// A body is read this far, then its connection is given up without counting it as failed.
const BODY_LIMIT: usize = 1 << 20;

/// Knows how to reach the endpoint and what to ask for.
pub(super) struct Caller {
    connector: Connector,
    path: Uri,
    headers: HeaderMap,
}

/// A connection.
pub(super) struct Wire {
    sender: SendRequest<Empty<Bytes>>,
    used: bool,
}

/// An answer that came in full (or as far as [`BODY_LIMIT`]).
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who answered, in NGINX's words; empty: NGINX itself; `None`: it did not say.
    pub(super) upstream: Option<String>,
    /// When the headers had come.
    pub(super) at: Instant,
}

/// A request without an answer.
pub(super) enum Failed {
    /// The connection was found closed before anything was sent.
    NotSent,
    /// Sent, or not even connected.
    Answer {
        error: HttpError,
        /// Whether the connection had carried a request before.
        reused: bool,
    },
}

impl Caller {
    pub(super) fn new(endpoint: &Endpoint, path: &str) -> Result<Caller, HttpError> {
        let bad = |what: &str| HttpError::BadRequest {
            what: what.to_owned(),
        };
        let mut headers = endpoint.headers();
        let host = HeaderValue::from_str(&endpoint.host).map_err(|_| bad(&endpoint.host))?;
        headers.insert(HOST, host);
        headers.insert(AGENT, HeaderValue::from_static(USER_AGENT));
        Ok(Caller {
            connector: endpoint.connector()?,
            path: encoded(path).ok_or_else(|| bad(path))?,
            headers,
        })
    }

    pub(super) async fn open(&self) -> Result<Wire, HttpError> {
        let sender = self.connector.open().await?;
        Ok(Wire { sender, used: false })
    }

    fn request(&self, nonce: &Nonce) -> Option<Request<Empty<Bytes>>> {
        let mut request = Request::builder()
            .uri(self.path.clone())
            .header(PROOF_HEADER, nonce.as_str())
            .body(Empty::new())
            .ok()?;
        request.headers_mut().extend(self.headers.clone());
        Some(request)
    }
}

impl Wire {
    /// Sends one request and reads its answer; gives the connection back when it has been
    /// read to the end (whether it is still open shows at the next request).
    pub(super) async fn send(
        mut self,
        caller: &Caller,
        nonce: &Nonce,
    ) -> Result<(Option<Wire>, Answer), Failed> {
        let reused = self.used;
        let failed = |error| Failed::Answer { error, reused };
        if self.sender.ready().await.is_err() {
            return Err(Failed::NotSent);
        }
        let request = caller.request(nonce);
        let request = request.ok_or_else(|| {
            failed(HttpError::BadRequest {
                what: caller.path.to_string(),
            })
        })?;
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                return Err(if unsent {
                    Failed::NotSent
                } else {
                    failed(diagnose(error.error()))
                });
            }
        };
        let answer = read_headers(&response, nonce);
        let whole = read_body(response.into_body()).await.map_err(failed)?;
        self.used = true;
        Ok((whole.then_some(self), answer))
    }
}

fn read_headers(response: &Response<Incoming>, nonce: &Nonce) -> Answer {
    let proof = response.headers().get_all(PROOF_HEADER).iter().next_back();
    let proof = proof.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let upstream = proof
        .strip_prefix(nonce.as_str())
        .map(|rest| rest.trim().to_owned());
    Answer {
        status: response.status().as_u16(),
        upstream,
        at: Instant::now(),
    }
}

/// Whether the body was read to its end.
async fn read_body(mut body: Incoming) -> Result<bool, HttpError> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| in_the_body(&error))?;
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > BODY_LIMIT {
            return Ok(false);
        }
    }
    Ok(true)
}
