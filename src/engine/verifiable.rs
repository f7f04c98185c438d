//! What of the site no switch could be proven on, found before anything is changed: the
//! answers that NGINX gives itself, each with the line that has it do so and a way on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use model::failure::{Failure, Kind};
use nginx::dump::{Dump, Given, Own, Why};
use site::endpoint::{self, Endpoint, Manner};
use web::http::{Answer, HttpError};

/// The page that NGINX makes for a status that has none of the site's.
const BUILT_IN: &[u8] = b"<hr><center>";

/// What NGINX says of an app that did not answer it.
const UNANSWERED: [u16; 2] = [502, 504];

/// A path of a listener on which nothing can be proven.
#[derive(Clone, Debug)]
pub struct Unverifiable {
    path: String,
    endpoint: Endpoint,
    what: String,
    own: Option<Own>,
    way: Option<String>,
}

impl Unverifiable {
    /// One that `what` says of, after path and listener, and the way on from there.
    pub fn new(path: &str, endpoint: &Endpoint, what: String, way: String) -> Unverifiable {
        Unverifiable {
            path: path.to_owned(),
            endpoint: endpoint.clone(),
            what,
            own: None,
            way: Some(way),
        }
    }

    /// Whether it is so whatever the app does, and in a moment too.
    pub fn stays(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.why != Why::Limit)
    }

    /// What it is, in a line.
    pub fn sentence(&self) -> String {
        let (path, endpoint) = (&self.path, &self.endpoint);
        let mut text = format!("`{path}` on {endpoint} {}", self.what);
        if let Some(own) = &self.own {
            write!(text, ": `{}` at {}", own.text, own.place).ok();
        }
        text
    }
}

/// Whether NGINX itself gave the answer to a request for `path`, instead of the app on `port`.
pub async fn of_nginx(
    dump: &Dump,
    port: u16,
    endpoint: &Endpoint,
    path: &str,
    answer: &Result<Answer, HttpError>,
) -> Option<Unverifiable> {
    let found = |what: String, own: Option<Own>| {
        Some(Unverifiable {
            path: path.to_owned(),
            endpoint: endpoint.clone(),
            what,
            own,
            way: None,
        })
    };
    let given = Given {
        status: answer.as_ref().ok().map(|answer| answer.status),
        challenge: answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.header("www-authenticate")),
    };
    let line = || dump.own_answer(endpoint.address, &endpoint.host, path, given);
    let answer = match answer {
        Err(error) => {
            let own = line().filter(|_| *error == HttpError::Closed);
            return found(format!("is not answered: {error}"), own);
        }
        Ok(answer) => answer,
    };
    if let Some(own) = kept(dump, endpoint, path, answer) {
        return found("may be answered from NGINX's cache".to_owned(), Some(own));
    }
    if answer.status < 300 || UNANSWERED.contains(&answer.status) {
        return None;
    }
    let own = line();
    let is_built_in = answer.body.windows(BUILT_IN.len()).any(|part| part == BUILT_IN);
    if own.is_none() && !is_built_in {
        return None;
    }
    let is_challenge = own.as_ref().is_some_and(|own| own.why == Why::Password);
    let same = endpoint::status(&directly(port, endpoint), path).await == Ok(answer.status);
    match same && !is_challenge {
        true => None,
        false => found(format!("is answered {} by NGINX itself", answer.status), own),
    }
}

/// The app past NGINX, told what NGINX would tell it.
fn directly(port: u16, endpoint: &Endpoint) -> Endpoint {
    let scheme = if endpoint.tls { "https" } else { "http" };
    let mut headers = endpoint.manner.headers.clone();
    headers.insert("X-Forwarded-Proto".to_owned(), scheme.to_owned());
    headers.insert("X-Forwarded-For".to_owned(), "127.0.0.1".to_owned());
    Endpoint {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        tls: false,
        host: endpoint.host.clone(),
        secret: None,
        manner: Manner {
            proxy_protocol: false,
            headers,
        },
        pace: None,
    }
}

/// The cache that may give this answer again.
fn kept(dump: &Dump, endpoint: &Endpoint, path: &str, answer: &Answer) -> Option<Own> {
    let headers: Vec<&str> = endpoint.manner.headers.keys().map(String::as_str).collect();
    let (own, always) = dump.cache(endpoint.address, &endpoint.host, path, &headers)?;
    let says = |name: &str, words: &[&str]| {
        let value = answer.header(name).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| value.contains(word))
    };
    let never =
        says("cache-control", &["no-store", "no-cache", "private"]) || answer.header("set-cookie").is_some();
    let asks = says("cache-control", &["max-age", "s-maxage"]) || answer.header("expires").is_some();
    (!never && (always || asks)).then_some(own)
}

/// Why nothing is changed, with every line and a way on for each; `open` are paths that the app
/// itself answers, and `pass` has NGINX pass a request on to it.
pub fn refusal(unverifiable: &[Unverifiable], open: &BTreeSet<String>, pass: &str) -> Failure {
    let mut lines: Vec<String> = Vec::new();
    let mut ways: Vec<String> = Vec::new();
    for one in unverifiable {
        lines.push(one.sentence());
        let own = one.own.iter().flat_map(|own| ways_on(own, &one.endpoint, pass));
        for way in own.chain(one.way.clone()) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    if !open.is_empty() {
        let open: Vec<String> = open.iter().map(|path| format!("\"{path}\"")).collect();
        ways.insert(
            0,
            format!(
                "set `nginx.paths = [{0}]` in bg.toml: the app itself answers {0}",
                open.join(", ")
            ),
        );
    }
    if ways.is_empty() {
        ways.push(
            "`nginx.paths` in bg.toml names paths that each listener of `nginx.listen` gives to the app"
                .to_owned(),
        );
    }
    let failure = Failure::new(
        Kind::Config,
        "no switch of this site could be verified, so nothing was changed",
    );
    ways.into_iter().fold(failure.showing(lines), Failure::hint)
}

/// What has NGINX pass such a request on.
fn ways_on(own: &Own, endpoint: &Endpoint, pass: &str) -> Vec<String> {
    let exempt = |line: &str| {
        format!(
            "or leave a path open, and name it: `location = /health {{ {line}{pass} }}` in the server, and `nginx.paths = [\"/health\"]` in bg.toml"
        )
    };
    let header =
        |name: &str, value: &str| format!("`nginx.probe.headers = {{ {name} = \"{value}\" }}` in bg.toml");
    match &own.why {
        Why::Password => vec![
            format!(
                "{} sends a password: put the output of `printf %s NAME:PASSWORD | base64` in place of `...`",
                header("Authorization", "Basic ...")
            ),
            exempt("auth_basic off; "),
        ],
        Why::Permission => vec![
            format!(
                "{} sends the token that this location asks for",
                header("Authorization", "Bearer ...")
            ),
            exempt("auth_request off; "),
        ],
        Why::Address => vec![
            format!("`allow 127.0.0.1;` above {} lets this machine in", own.place),
            exempt("allow 127.0.0.1; deny all; "),
        ],
        Why::Certificate => vec![format!(
            "`listen 127.0.0.1:{};` in the same server asks nobody for a certificate; then `nginx.listen = [\"127.0.0.1:{0}\"]` in bg.toml",
            endpoint.address.port().saturating_add(8000)
        )],
        Why::Condition(Some((name, Some(value)))) if name == "X-Forwarded-Proto" => vec![format!(
            "{} sends what the proxy in front of this NGINX sends",
            header(name, value)
        )],
        Why::Condition(Some((name, _))) => vec![format!(
            "{} meets the condition of that line",
            header(name, "...")
        )],
        Why::Condition(None) => vec![
            "remove listeners that redirect visitors from `nginx.listen` in bg.toml; keep those that pass requests to the app".to_owned(),
        ],
        Why::Limit => vec![
            "wait until the rate limit allows requests again, then repeat the command".to_owned(),
        ],
        Why::Fresh(Some((name, value))) => vec![
            format!("{} bypasses the cache", header(name, value)),
            exempt("proxy_cache off; "),
        ],
        Why::Fresh(None) => vec![exempt("proxy_cache off; ")],
    }
}
