//! Which pages are compared: what visitors asked for last, without what could change anything or
//! belongs to one of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use engine::app::App;
use model::failure::Failure;
use nginx::dump::Dump;

/// How much of the end of a log is read: some 40,000 lines.
const TAIL: u64 = 8 << 20;

/// The longest path that is asked for again.
const LONGEST: usize = 2000;

/// How the agents of our own requests begin, in quotes.
const OURS: &str = "\"bluegreen";

/// A path with one of these words may do something, although it is only asked for.
const ACTS: [&str; 16] = [
    "logout",
    "logoff",
    "signout",
    "sign-out",
    "log-out",
    "delete",
    "remove",
    "destroy",
    "unsubscribe",
    "cancel",
    "confirm",
    "activate",
    "verify",
    "reset",
    "callback",
    "oauth",
];

/// In names of what belongs to one visitor.
const SECRETS: [&str; 8] = [
    "token", "key", "sig", "pass", "secret", "session", "auth", "email",
];

/// Names of what one step of a login hands to the next.
const STEPS: [&str; 2] = ["code", "state"];

/// So many letters and digits in a row, with some of each, are a token.
const TOKEN: usize = 16;

/// The last `count` different pages of the site that visitors asked for, the newest first.
///
/// # Errors
/// When NGINX writes them nowhere, or where this user may not read.
pub fn last(app: &App, count: usize) -> Result<Vec<String>, Failure> {
    let conf = app.nginx_files.conf();
    let failed = |what: String| {
        Failure::failed(what).hint("`bg compare --paths FILE` takes paths from a file, one a line")
    };
    let dump = Dump::read(conf)
        .map_err(|error| failed(format!("`{}` cannot be read", conf.display())).because(error))?;
    let asked = app.endpoints.iter().flat_map(|endpoint| {
        let paths = app.config.nginx.paths.iter();
        paths.map(move |path| (endpoint, path))
    });
    let logs: BTreeSet<_> = asked
        .flat_map(|(endpoint, path)| dump.access_logs(endpoint.address, &endpoint.host, path))
        .collect();
    if logs.is_empty() {
        return Err(failed("NGINX keeps no access log of this site".to_owned()));
    }
    let mut each = Vec::new();
    for log in &logs {
        let text = tail(log).map_err(|error| {
            failed(format!("`{}` cannot be read", log.display()))
                .because(error)
                .hint(format!(
                    "or let `{}` read it: on Debian and Ubuntu `sudo adduser {0} adm`",
                    app.entry.owner
                ))
        })?;
        // What logrotate has just put aside comes before it.
        let before = tail(&log.with_extension("log.1")).unwrap_or_default();
        each.push(before + &text);
    }
    let is_wanted = |path: &&str| is_the_apps(app, path) && is_safe(path);
    let mut lines: Vec<_> = each
        .iter()
        .map(|text| text.lines().rev().filter_map(asked_for).filter(is_wanted))
        .collect();
    // Of each log in turns.
    let mut pages = Vec::new();
    let mut seen = BTreeSet::new();
    let mut is_left = true;
    while is_left && pages.len() < count {
        is_left = false;
        for line in &mut lines {
            let next = line.find(|path| !seen.contains(*path));
            is_left |= next.is_some();
            seen.extend(next);
            pages.extend(next.map(str::to_owned));
        }
    }
    pages.truncate(count);
    Ok(pages)
}

/// The end of a log that others write to.
fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path of a line about a `GET` of somebody else's that was answered well: in a format that
/// begins with the usual fields, of which the request is the first in quotes, or in JSON. What stands
/// in another field was written by whoever asked.
fn asked_for(line: &str) -> Option<&str> {
    if line.contains(OURS) {
        return None;
    }
    let (request, status) = match line.trim_start().starts_with('{') {
        true => (
            field(line, "\"request\":")?.strip_prefix('"')?,
            field(line, "\"status\":")?,
        ),
        false => {
            let (_, request) = line.split_once('"')?;
            let (_, status) = request.split_once('"')?;
            (request, status.trim_start())
        }
    };
    let request = request.split('"').next()?;
    let (path, version) = request.strip_prefix("GET ")?.split_once(' ')?;
    let digits: String = status
        .trim_start_matches('"')
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let is_well = digits
        .parse()
        .is_ok_and(|status: u16| (200..400).contains(&status));
    (path.starts_with('/') && version.starts_with("HTTP/") && is_well).then_some(path)
}

fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split_once(name).map(|(_, rest)| rest.trim_start())
}

fn is_the_apps(app: &App, path: &str) -> bool {
    let nginx = &app.config.nginx;
    let is_proxied = nginx
        .paths
        .iter()
        .any(|proxied| path.starts_with(proxied.as_str()));
    let is_static = nginx
        .static_files
        .iter()
        .any(|files| path.starts_with(&*files.url));
    is_proxied && !is_static && !path.starts_with("/.")
}

/// Whether asking once more changes nothing and shows nothing of one visitor's, as far as a path
/// can tell.
#[must_use]
pub fn is_safe(path: &str) -> bool {
    let Some(plain) = decoded(path) else {
        return false;
    };
    let lower = plain.to_ascii_lowercase();
    let (bare, query) = lower.split_once('?').unwrap_or((&lower, ""));
    let acts = |segment: &str| ACTS.iter().any(|word| segment.contains(word));
    let is_secret = |pair: &str| {
        let name = pair.split('=').next().unwrap_or(pair);
        SECRETS.iter().any(|secret| name.contains(secret)) || STEPS.contains(&name)
    };
    path.len() <= LONGEST
        && !plain.chars().any(|c| c == '\\' || c.is_control())
        && !bare.split('/').any(acts)
        && !query.split('&').any(is_secret)
        && !plain.split(|c: char| !c.is_ascii_alphanumeric()).any(is_token)
        && !plain
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .any(is_uuid)
}

/// A path with `%41` as `A`; none where that is not text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?].map(char::from);
                u8::from_str_radix(&digits.iter().collect::<String>(), 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn is_token(word: &str) -> bool {
    let count = |of: fn(&u8) -> bool| word.bytes().filter(of).count();
    let (digits, capitals) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    let small = word.len() - digits - capitals;
    let is_mixed = digits >= 3 && word.len() - digits >= 3 || digits > 0 && capitals >= 3 && small >= 3;
    word.len() >= TOKEN && is_mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_the_path_that_was_asked_for_and_no_other() {
        let table = [
            (
                r#"1.2.3.4 - - [30/Nov/2026:18:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 12 "-" "curl""#,
                Some("/a?b=c"),
            ),
            (r#"1.2.3.4 - - [x] "GET /a HTTP/2.0" 304 0"#, Some("/a")),
            (
                r#"{"time":1,"request":"GET /json HTTP/1.1","status":200}"#,
                Some("/json"),
            ),
            (
                r#"{"status": "301", "request": "GET /moved HTTP/1.1"}"#,
                Some("/moved"),
            ),
            (r#"{"request":"GET /json HTTP/1.1","status":500}"#, None),
            (r#"{"request":"GET /json HTTP/1.1","status":"403"}"#, None),
            (r#"{"request":"GET /json HTTP/1.1"}"#, None),
            (r#"1.2.3.4 - - [x] "GET /gone HTTP/1.1" 404 12"#, None),
            (r#"1.2.3.4 - - [x] "GET /broken HTTP/1.1" 500 12"#, None),
            (
                r#"127.0.0.1 - - [x] "GET / HTTP/1.1" 200 12 "-" "bluegreen/0.2.0""#,
                None,
            ),
            (r#"1.2.3.4 - - [x] "POST /a HTTP/1.1" 200 12"#, None),
            (r#"1.2.3.4 - - [x] "GET http://other/ HTTP/1.1" 200 12"#, None),
            (r#"1.2.3.4 - - [x] "\x16\x03" 400 12"#, None),
            // What a visitor writes elsewhere is no request.
            (
                r#"1.2.3.4 - - [x] "POST / HTTP/1.1" 200 1 "-" "GET /admin/reindex HTTP/1.1""#,
                None,
            ),
            (
                r#"1.2.3.4 - - [x] "POST / HTTP/1.1" 200 1 "GET /x HTTP/1.1" "y""#,
                None,
            ),
            (
                r#"{"agent":"GET /x HTTP/1.1","request":"POST / HTTP/1.1","status":200}"#,
                None,
            ),
        ];
        for (line, path) in table {
            assert_eq!(asked_for(line), path, "{line}");
        }
    }

    #[test]
    fn what_may_act_or_is_somebodys_own_is_left_out() {
        for safe in [
            "/",
            "/cart",
            "/products/blue-shoes-2026?page=2&sort=price",
            "/o/8f233f91",
            "/monkey?q=turkey",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_one in [
            "/logout",
            "/users/12/Delete?x=1",
            "/a?token=1",
            "/%64elete",
            "/a?apikey=1",
            "/a?accessToken=1",
            "/share/0b54a6e2-6b3f-4a0e-9d6e-3f1f0c1d2e3f",
            "/%ff",
            "/%4",
            "/a?b=1&access_token=x",
            "/reset/x",
            "/invite/4Qm0aZ81kdLqp3Xy",
            "/a?x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIi",
            "/a\\x22",
        ] {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
        assert!(!is_safe(&format!("/{}", "a/".repeat(1000))));
    }
}
