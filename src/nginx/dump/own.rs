//! Answers that NGINX gives itself where it would pass a request on: which line of its
//! configuration has it do so.

use std::net::SocketAddr;

use crate::dump::Dump;
use crate::dump::chosen::Levels;
use crate::syntax::{Directive, Span};

/// A line that has NGINX answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where it stands.
    pub place: Span,
    /// The line, one space between its words.
    pub text: String,
    /// What it asks for.
    pub why: Why,
}

/// What whoever asks lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A password.
    Password,
    /// The word of another server, or a token.
    Permission,
    /// An address that is allowed.
    Address,
    /// A certificate of its own.
    Certificate,
    /// What a condition looks at: a header and the value that fits, where that shows.
    Condition(Option<(String, Option<String>)>),
    /// Patience.
    Limit,
    /// An answer that is not kept from an earlier request: a header and a value that have the
    /// app asked all the same, where that shows.
    Fresh(Option<(String, String)>),
}

/// An answer, as far as it tells who gave it.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its status; none where the connection was closed.
    pub status: Option<u16>,
    /// Its `WWW-Authenticate`.
    pub challenge: Option<&'a str>,
}

impl Dump {
    /// The line by which NGINX itself gives such an answer to a request for `path`.
    #[must_use]
    pub fn own_answer(&self, at: SocketAddr, host: &str, path: &str, given: Given<'_>) -> Option<Own> {
        let server = self.servers_at(at, host).into_iter().next()?;
        let levels = self.levels(server, path);
        let on = |name: &str| {
            let mut found = levels.in_force(name).into_iter();
            found.find(|d| d.args.first().is_some_and(|first| first != "off"))
        };
        let by_status = match given.status {
            Some(401) => {
                let password = on("auth_basic").filter(|d| asks_for(d, given.challenge));
                let other = || on("auth_request").or_else(|| on("auth_jwt"));
                password
                    .map(|d| (d, Why::Password))
                    .or_else(|| other().map(|d| (d, Why::Permission)))
            }
            Some(403) => on("deny")
                .map(|d| (d, Why::Address))
                .or_else(|| on("auth_request").map(|d| (d, Why::Permission))),
            Some(400 | 495 | 496) => on("ssl_verify_client").map(|d| (d, Why::Certificate)),
            Some(429 | 503) => on("limit_req")
                .or_else(|| on("limit_conn"))
                .map(|d| (d, Why::Limit)),
            _ => None,
        };
        let (d, why) = by_status.or_else(|| returned(&levels, given.status.unwrap_or(444)))?;
        Some(own(d, why))
    }

    /// The line by which NGINX may answer a request for `path` with what it has kept of an
    /// earlier one, where a request that carries `headers` does not go past that.
    #[must_use]
    pub fn cache(&self, at: SocketAddr, host: &str, path: &str, headers: &[&str]) -> Option<(Own, bool)> {
        let server = self.servers_at(at, host).into_iter().next()?;
        let levels = self.levels(server, path);
        let cache = levels.in_force("proxy_cache").into_iter().next()?;
        if cache.args.first().is_none_or(|zone| zone == "off") {
            return None;
        }
        let bypass = levels.in_force("proxy_cache_bypass");
        let ways: Vec<(String, String)> = bypass
            .iter()
            .flat_map(|d| &d.args)
            .filter_map(|arg| asked_by(arg))
            .collect();
        let carried = |(name, _): &(String, String)| headers.iter().any(|own| own.eq_ignore_ascii_case(name));
        if ways.iter().any(carried) {
            return None;
        }
        let always = !levels.in_force("proxy_cache_valid").is_empty();
        Some((own(cache, Why::Fresh(ways.into_iter().next())), always))
    }
}

fn own(d: &Directive, why: Why) -> Own {
    let words: Vec<&str> = std::iter::once(&d.name)
        .chain(&d.args)
        .map(String::as_str)
        .collect();
    Own {
        place: d.place.clone(),
        text: words.join(" "),
        why,
    }
}

/// Whether a challenge is the one that `auth_basic` makes.
fn asks_for(auth_basic: &Directive, challenge: Option<&str>) -> bool {
    let realm = auth_basic.args.first().map_or("", String::as_str);
    challenge.is_some_and(|said| realm.contains('$') || said.contains(&format!("realm=\"{realm}\"")))
}

/// A `return` or a redirecting `rewrite` with that status, in the server or the location, by an
/// `if` or not.
fn returned<'d>(levels: &Levels<'d>, status: u16) -> Option<(&'d Directive, Why)> {
    levels.of_server().find_map(|d| {
        if d.name == "if" {
            let inside = d.block.iter().find(|inner| gives(inner) == Some(status))?;
            return Some((inside, Why::Condition(looked_at(d))));
        }
        (gives(d) == Some(status)).then_some((d, Why::Condition(None)))
    })
}

/// The status that a directive answers with.
fn gives(d: &Directive) -> Option<u16> {
    let first = d.args.first().map_or("", String::as_str);
    match (d.name.as_str(), d.args.last().map_or("", String::as_str)) {
        ("return", _) => Some(first.parse().unwrap_or(302)),
        ("rewrite", "permanent") => Some(301),
        ("rewrite", "redirect") => Some(302),
        ("rewrite", _)
            if d.args
                .get(1)
                .is_some_and(|to| to.contains("://") || to.starts_with("$scheme")) =>
        {
            Some(302)
        }
        _ => None,
    }
}

/// The header that a condition looks at, and the value with which it does not hold.
fn looked_at(condition: &Directive) -> Option<(String, Option<String>)> {
    let text = condition.args.join(" ");
    let text = text.trim_start_matches('(').trim_end_matches(')').trim();
    let (variable, rest) = text.split_once(' ').unwrap_or((text, ""));
    let name = header(variable)?;
    let value = match rest.split_once(' ') {
        Some(("!=", value)) => Some(value.to_owned()),
        Some(("=", _)) if name == "X-Forwarded-Proto" => Some("https".to_owned()),
        _ => None,
    };
    Some((name, value))
}

/// The header that a variable of `proxy_cache_bypass` stands for, with a value that is enough.
fn asked_by(variable: &str) -> Option<(String, String)> {
    match variable.strip_prefix("$cookie_") {
        Some(name) => Some(("Cookie".to_owned(), format!("{name}=1"))),
        None => header(variable).map(|name| (name, "no-cache".to_owned())),
    }
}

/// `$http_x_own_name` is `X-Own-Name`.
fn header(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("$http_")?;
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    Some(words.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use crate::dump::own::*;

    #[test]
    fn the_line_that_answers_is_found() {
        let text = "# configuration file /e/nginx.conf:\nhttp {\nauth_basic Staging;\nserver {\nlisten 80; ssl_verify_client on;\n\
            if ($http_x_forwarded_proto != https) { return 301 https://$host$request_uri; }\n\
            if ($http_x_origin_token != \"s3 cret\") { return 418; }\n\
            if ($scheme = http) { return 307 https://$host; }\n\
            location / { deny all; limit_req zone=one; proxy_pass http://127.0.0.1:5000; }\n\
            location /open { auth_basic off; auth_request /auth; rewrite ^ /elsewhere permanent; }\n\
            location /closed { return 444; }\n\
            location /kept { proxy_cache one; proxy_cache_valid 200 1m; proxy_cache_bypass $cookie_sid $http_x_fresh; }\n\
            location /seldom { proxy_cache one; }\n}\n}\n";
        let dump = Dump::parse(text);
        let at = "127.0.0.1:80".parse().unwrap();
        let condition = |name: &str, value: Option<&str>| {
            Why::Condition(Some((name.to_owned(), value.map(str::to_owned))))
        };
        let table: [_; 12] = [
            ("/", Some(401), Some((2, Why::Password))),
            ("/open", Some(401), Some((9, Why::Permission))),
            ("/", Some(403), Some((8, Why::Address))),
            ("/open", Some(403), Some((9, Why::Permission))),
            ("/", Some(400), Some((4, Why::Certificate))),
            ("/", Some(503), Some((8, Why::Limit))),
            ("/open", Some(503), None),
            (
                "/",
                Some(301),
                Some((5, condition("X-Forwarded-Proto", Some("https")))),
            ),
            (
                "/",
                Some(418),
                Some((6, condition("X-Origin-Token", Some("s3 cret")))),
            ),
            ("/", Some(307), Some((7, Why::Condition(None)))),
            ("/closed", None, Some((10, Why::Condition(None)))),
            ("/", Some(404), None),
        ];
        for (path, status, expected) in table {
            let given = Given {
                status,
                challenge: Some("Basic realm=\"Staging\""),
            };
            let found = dump.own_answer(at, "shop.test", path, given);
            let found = found.map(|own| (own.place.line, own.why));
            assert_eq!(found, expected, "{path} {status:?}");
        }
        let others = Given {
            status: Some(401),
            challenge: Some("Basic realm=\"the app's\""),
        };
        assert_eq!(dump.own_answer(at, "shop.test", "/", others), None);

        let cache = |path: &str, headers: &[&str]| dump.cache(at, "shop.test", path, headers);
        let way = Why::Fresh(Some(("Cookie".to_owned(), "sid=1".to_owned())));
        let (own, always) = cache("/kept", &["Accept"]).unwrap();
        assert_eq!((own.place.line, own.why, always), (11, way, true));
        assert_eq!(own.text, "proxy_cache one");
        assert_eq!(cache("/kept", &["x-fresh"]), None);
        assert!(cache("/seldom", &[]).is_some_and(|(own, always)| own.why == Why::Fresh(None) && !always));
        assert_eq!(cache("/", &[]), None);
    }
}
