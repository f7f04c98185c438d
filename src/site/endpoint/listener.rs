//! One listener of the site, and how its own front wants to be asked there.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use web::http::{Client, Connector, HttpError};

use crate::endpoint::{Pace, Secret};

/// One listener of the site, as visitors reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where NGINX listens, with an address one can connect to.
    pub address: SocketAddr,
    /// Whether the listener speaks TLS.
    pub tls: bool,
    /// The server name, sent as Host and SNI, without a port.
    pub host: String,
    /// The file with the secret that the requests of a proof carry, where the app has one.
    pub secret: Option<PathBuf>,
    /// What else NGINX has to hear before it passes a request on.
    pub manner: Manner,
    /// How often it lets itself be asked, where its configuration limits that.
    pub pace: Option<Pace>,
}

/// How a site's front wants to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Whether the listener expects the PROXY protocol before anything else.
    pub proxy_protocol: bool,
    /// What every request carries.
    pub headers: BTreeMap<String, String>,
}

impl Manner {
    /// What every request carries.
    pub(super) fn headers(&self) -> HeaderMap {
        let one = |(name, value): (&String, &String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        self.headers.iter().filter_map(one).collect()
    }
}

impl Endpoint {
    /// Asks there.
    pub(super) fn client(&self) -> Result<Client, HttpError> {
        Client::through(self.connector()?, &self.host)
    }

    /// Where that is.
    pub fn connector(&self) -> Result<Connector, HttpError> {
        Connector::new(self.address, &self.host, self.tls, self.manner.proxy_protocol)
    }

    /// Waits until one more request may be sent there.
    pub(super) async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
    }

    /// What a request carries whose answer shall say who gave it.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = self.manner.headers();
        let secret = self.secret.as_deref().and_then(Secret::read);
        headers.extend(secret.and_then(|secret| secret.header()));
        headers
    }
}

/// Beside those that the site's own front wants.
pub(super) fn add_cookie(headers: &mut HeaderMap, cookie: &str) {
    let before = headers.get(COOKIE).and_then(|before| before.to_str().ok());
    let all = before.map_or(cookie.to_owned(), |before| format!("{before}; {cookie}"));
    if let Ok(all) = HeaderValue::from_str(&all) {
        headers.insert(COOKIE, all);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{} ({})", self.address, self.host)
    }
}
