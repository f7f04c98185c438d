//! One HTTP request to a given address, with the site's name in it: a fresh connection,
//! no proxy, no retry, no redirect followed, and bounds on everything that is read.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::{HOST, HeaderMap, HeaderValue};
use rustls::pki_types::DnsName;

#[cfg(test)]
pub(crate) mod server;

/// A body is read this far: 256 KiB, many times a health answer or a start page, and
/// nothing to a small machine. Headers are bounded by hyper: 100 of them, 400 KiB in all.
pub const BODY_LIMIT: usize = 256 << 10;

/// How we introduce ourselves, so that an access log can be read.
pub const USER_AGENT: &str = concat!("bluegreen/", env!("CARGO_PKG_VERSION"));

/// Asks one address, in the name of one site.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    origin: String,
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

/// A request that got no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No connection for another reason.
    #[error("cannot connect: {why}")]
    Unreachable {
        /// The system's words.
        why: String,
    },
    /// The TLS handshake failed.
    #[error("TLS failed: {why}")]
    Tls {
        /// What rustls found.
        why: String,
    },
    /// The deadline passed before the headers had come.
    #[error("no answer within {} s", .after.as_secs_f64())]
    NoAnswer {
        /// The deadline.
        after: Duration,
    },
    /// The headers came, and the body had not ended at the deadline.
    #[error("the answer did not end within {} s", .after.as_secs_f64())]
    Unfinished {
        /// The deadline.
        after: Duration,
    },
    /// The peer closed without an answer.
    #[error("the connection was closed before an answer")]
    Closed,
    /// The peer closed in the middle of the body.
    #[error("the connection was closed in the middle of the answer")]
    CutOff,
    /// Something else than HTTP/1.1 came back, or headers past every bound: hyper tells
    /// the two apart for servers only.
    #[error("the answer is not HTTP, or its headers are far too large")]
    NotHttp,
    /// The request itself cannot be made of what was given.
    #[error("`{what}` cannot be asked for")]
    BadRequest {
        /// The part that is not valid: a path, a method or a host.
        what: String,
    },
    /// Anything else.
    #[error("the request failed: {why}")]
    Other {
        /// What the library said.
        why: String,
    },
}

impl Client {
    /// For `address`, with `host` as Host (and as SNI with `tls`, if it is a name). The
    /// certificate is not looked at: these requests stay on the machine and test where a
    /// request goes, not who answers.
    ///
    /// # Errors
    /// When `host` cannot stand in a header.
    pub fn new(address: SocketAddr, host: &str, tls: bool) -> Result<Client, HttpError> {
        install_ring();
        let bad_host = || HttpError::BadRequest {
            what: host.to_owned(),
        };
        let mut builder = reqwest::Client::builder()
            // reqwest honours `http_proxy` otherwise, and no proxy can reach this loopback.
            .no_proxy()
            // A machine without a CA bundle could not build a client otherwise.
            .tls_certs_only([])
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .http1_only()
            .referer(false)
            .user_agent(USER_AGENT);
        let name = host.to_ascii_lowercase();
        let origin = if tls && DnsName::try_from(name.as_str()).is_ok() {
            builder = builder.resolve(&name, address);
            format!("https://{name}:{}", address.port())
        } else {
            format!("{}://{address}", if tls { "https" } else { "http" })
        };
        Ok(Client {
            inner: builder.build().map_err(|error| diagnose(&error))?,
            origin,
            host: HeaderValue::from_str(host).map_err(|_| bad_host())?,
        })
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
        let sent = self.request(method, path, headers)?.send();
        let mut response = tokio::time::timeout_at(until, sent)
            .await
            .map_err(|_| HttpError::NoAnswer { after: deadline })?
            .map_err(|error| diagnose(&error))?;
        let mut answer = Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
            took: Duration::ZERO,
        };
        tokio::time::timeout_at(until, read_body(&mut response, &mut answer.body))
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
    ) -> Result<reqwest::RequestBuilder, HttpError> {
        let bad = |what: &str| HttpError::BadRequest {
            what: what.to_owned(),
        };
        if !path.starts_with('/') {
            return Err(bad(path));
        }
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|_| bad(method))?;
        let url = reqwest::Url::parse(&format!("{}{path}", self.origin)).map_err(|_| bad(path))?;
        let request = self.inner.request(method, url).header(HOST, self.host.clone());
        Ok(request.headers(headers))
    }
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

async fn read_body(response: &mut reqwest::Response, body: &mut Vec<u8>) -> Result<(), HttpError> {
    while let Some(piece) = response.chunk().await.map_err(|error| in_the_body(&error))? {
        let room = BODY_LIMIT.saturating_sub(body.len());
        body.extend(piece.iter().take(room));
        if piece.len() >= room {
            break;
        }
    }
    Ok(())
}

/// What an error of reqwest, hyper, rustls or the system means, when no body has begun.
pub(crate) fn diagnose(error: &(dyn Error + 'static)) -> HttpError {
    causes(error).find_map(known).unwrap_or_else(|| HttpError::Other {
        why: causes(error).last().unwrap_or(error).to_string(),
    })
}

/// The same, for an error after the headers.
pub(crate) fn in_the_body(error: &(dyn Error + 'static)) -> HttpError {
    match diagnose(error) {
        HttpError::Closed => HttpError::CutOff,
        other => other,
    }
}

fn known(cause: &(dyn Error + 'static)) -> Option<HttpError> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(HttpError::Tls {
            why: tls_words(error),
        });
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return known_to_hyper(error);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(HttpError::Refused),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(HttpError::Closed),
        _ => error.raw_os_error().map(|_| HttpError::Unreachable {
            why: error.to_string(),
        }),
    }
}

fn known_to_hyper(error: &hyper::Error) -> Option<HttpError> {
    if error.is_parse() {
        Some(HttpError::NotHttp)
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Some(HttpError::Closed)
    } else {
        None
    }
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "the other side does not speak TLS".into()
        }
        other => other.to_string(),
    }
}

/// An error and what caused it, outermost first. `io::Error` hides the error it was made
/// of from `source()`, and rustls' errors arrive in just that wrapping.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests;
