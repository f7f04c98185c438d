//! One HTTP request to a given address, with the site's name in it: a fresh connection,
//! no proxy, no retry, no redirect followed, and bounds on everything that is read.

use std::net::SocketAddr;
use std::sync::Once;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Uri};
use reqwest::header::{ACCEPT, HOST, HeaderMap, HeaderValue, USER_AGENT as AGENT};

mod certificate;
mod connector;
mod fault;

pub use certificate::any_certificate;
pub use connector::{Connector, connect};
pub use fault::{HttpError, diagnose, in_the_body};

/// A body is read this far: 256 KiB, many times a health answer or a start page, and
/// nothing to a small machine. Headers are bounded by hyper: 100 of them, 400 KiB in all.
pub const BODY_LIMIT: usize = 256 << 10;

/// How we introduce ourselves, so that an access log can be read.
pub const USER_AGENT: &str = concat!("bluegreen/", env!("CARGO_PKG_VERSION"));

/// Asks one address, in the name of one site.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
    host: HeaderValue,
}

/// An answer, its body read to the end or to [`BODY_LIMIT`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
    /// From the start of connecting to the end of the body.
    pub took: Duration,
}

impl Client {
    /// For `address`, with `host` as Host (and as SNI with `tls`, if it is a name). The
    /// certificate is not looked at: these requests stay on the machine and test where a
    /// request goes, not who answers.
    ///
    /// # Errors
    /// When `host` cannot stand in a header.
    pub fn new(address: SocketAddr, host: &str, tls: bool) -> Result<Client, HttpError> {
        Client::through(Connector::new(address, host, tls, false)?, host)
    }

    /// The same by connections that begin as `connector` says.
    pub fn through(connector: Connector, host: &str) -> Result<Client, HttpError> {
        let host = HeaderValue::from_str(host).map_err(|_| HttpError::BadRequest {
            what: host.to_owned(),
        })?;
        Ok(Client { connector, host })
    }

    /// Asks for `path` (it starts with `/`, a query included) on a connection of its own.
    /// `headers` win over the client's own, Host included; `deadline` covers everything
    /// from connecting to the end of the body.
    ///
    /// # Errors
    /// When no complete answer comes back; any status is an answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: HeaderMap,
        deadline: Duration,
    ) -> Result<Answer, HttpError> {
        let started = Instant::now();
        let until = tokio::time::Instant::now() + deadline;
        let request = self.request(method, path, headers)?;
        let sent = async {
            let mut sender = self.connector.open().await?;
            let sent = sender.send_request(request).await;
            sent.map_err(|error| diagnose(&error))
        };
        let mut response = tokio::time::timeout_at(until, sent)
            .await
            .map_err(|_| HttpError::NoAnswer { after: deadline })??;
        let mut answer = Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
            took: Duration::ZERO,
        };
        tokio::time::timeout_at(until, read_body(response.into_body(), &mut answer.body))
            .await
            .map_err(|_| HttpError::Unfinished { after: deadline })??;
        answer.took = started.elapsed();
        Ok(answer)
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Request<Empty<Bytes>>, HttpError> {
        let bad = |what: &str| HttpError::BadRequest {
            what: what.to_owned(),
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad(method))?;
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = encoded(path).ok_or_else(|| bad(path))?;
        let own = request.headers_mut();
        own.insert(ACCEPT, HeaderValue::from_static("*/*"));
        own.insert(AGENT, HeaderValue::from_static(USER_AGENT));
        own.insert(HOST, self.host.clone());
        own.extend(headers);
        Ok(request)
    }
}

/// The path as it travels, a space as `%20`.
pub fn encoded(path: &str) -> Option<Uri> {
    let url = reqwest::Url::parse(&format!("http://site{path}")).ok()?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let whole = format!("{}{query}", url.path());
    (path.starts_with('/')).then(|| whole.parse().ok()).flatten()
}

impl Answer {
    /// A header as text, the last one of its name; `None` when it is missing or not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let last = self.headers.get_all(name).iter().next_back()?;
        last.to_str().ok().map(str::trim)
    }

    /// The first 120 characters of the body on one line, fit for a terminal.
    #[must_use]
    pub fn excerpt(&self) -> String {
        excerpt(&String::from_utf8_lossy(&self.body))
    }
}

/// The first 120 characters of `text` on one line; control characters (an app's answer
/// could carry terminal commands) become spaces.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let printable = text.replace(char::is_control, " ");
    let words: Vec<&str> = printable.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", line.split_at(end).0),
        None => line,
    }
}

/// Makes ring the process's TLS provider. Building a client without one panics.
pub fn install_ring() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // An error only says that somebody else has installed one already.
        rustls::crypto::ring::default_provider().install_default().ok();
    });
}

async fn read_body(mut uploads: Incoming, body: &mut Vec<u8>) -> Result<(), HttpError> {
    while let Some(frame) = uploads.frame().await {
        let frame = frame.map_err(|error| in_the_body(&error))?;
        let piece: &[u8] = frame.data_ref().map_or(&[], |piece| piece);
        let room = BODY_LIMIT.saturating_sub(body.len());
        body.extend(piece.iter().take(room));
        if piece.len() >= room {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
