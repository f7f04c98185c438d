//! What went wrong with a request, in plain words, out of nested library errors.

use std::error::Error;
use std::io;
use std::time::Duration;

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

/// What an error of reqwest, hyper, rustls or the system means, when no body has begun.
pub fn diagnose(error: &(dyn Error + 'static)) -> HttpError {
    causes(error).find_map(known).unwrap_or_else(|| HttpError::Other {
        why: causes(error).last().unwrap_or(error).to_string(),
    })
}

/// The same, for an error after the headers.
pub fn in_the_body(error: &(dyn Error + 'static)) -> HttpError {
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
