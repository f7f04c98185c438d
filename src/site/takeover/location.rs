//! One `proxy_pass` to the app. With a variable in it NGINX does four things otherwise, and
//! each is written out: a URI is not cut off, `$proxy_host` is another name, the default of
//! `proxy_redirect` is gone, and a `rewrite ... break` above would hide the proof.

use std::borrow::Cow;

use crate::takeover::target::Target;
use crate::takeover::{Around, Walk};
use nginx::raw;
use nginx::syntax::Directive;

/// Characters that a prefix with a URI behind its address may not have: they mean something
/// in a regular expression or in NGINX's quotes.
const SPECIAL: &[char] = &['\\', '^', '$', '"', '\'', ']', '[', '\n'];

impl<'d> Walk<'d> {
    pub(super) fn pass(&mut self, owner: &'d Directive, d: &'d Directive, around: &Around<'d>) {
        let Some(target) = self.targets.of(d) else {
            return;
        };
        self.note_path(owner);
        if !self.can_follow(d, &target) {
            return;
        }
        let mut lines = vec![format!("# bg: was `{}`", self.raw(d).replace('\n', " "))];
        let pass = format!("include \"{}\";", self.wish.pass.display());
        if hidden_by_a_break(owner, d) {
            self.edits
                .lead_in(self.text_of(&owner.place.file), owner, &[pass]);
        } else {
            lines.push(pass);
        }
        lines.extend(self.uri(owner, d, &target));
        lines.extend(self.redirect(owner, &target, around));
        lines.extend(self.headers(&target, around));
        self.edits.replace(self.text_of(&d.place.file), d, &lines);
    }

    fn can_follow(&mut self, d: &'d Directive, target: &Target<'d>) -> bool {
        if target.url.contains('$') {
            self.refuse(
                d,
                "a variable stands behind the app's address",
                "pass the request on as it is: `proxy_pass http://ADDRESS;`",
            );
        } else if !target.url.starts_with("http://") {
            self.refuse(
                d,
                "`proxy_pass` speaks TLS to the app",
                "write `http://` instead: the app is on this machine",
            );
        } else if let Some(place) = target.elsewhere {
            let what = format!(
                "`{}` has another server besides the app, at {place}",
                target.authority
            );
            self.refuse(
                d,
                what,
                "give the app an upstream without other servers: `bg` sends requests to one color",
            );
        } else {
            return true;
        }
        false
    }

    /// A prefix with a URI behind the address: NGINX put that in the prefix's place.
    fn uri(&mut self, owner: &'d Directive, d: &'d Directive, target: &Target<'d>) -> Vec<String> {
        let Some(uri) = target.uri else {
            return Vec::new();
        };
        let prefix = path_of(owner).unwrap_or_default();
        if owner.block.iter().any(|d| d.name == "rewrite") {
            self.refuse(
                d,
                "a URI behind the address and a `rewrite` in one location",
                "write the whole path into the `rewrite`, and `proxy_pass` without a URI",
            );
        } else if prefix.contains(SPECIAL) || uri.contains(SPECIAL) || uri.contains(['?', '#']) {
            self.refuse(
                d,
                format!("`{prefix}` cannot be put before `{uri}` by a `rewrite`"),
                "write a `rewrite ... break` of your own, and `proxy_pass` without a URI",
            );
        }
        // A dot fits a line end too: `%0A` is one by now.
        vec![format!(
            "rewrite \"(?s)^{}(.*)$\" \"{uri}$1\" break;",
            escaped(prefix)
        )]
    }

    /// What `proxy_redirect default` stood for.
    fn redirect(&mut self, owner: &Directive, target: &Target<'d>, around: &Around<'d>) -> Option<String> {
        let (own, found) = in_force("proxy_redirect", around);
        let is_default = |d: &&&Directive| d.args.first().is_some_and(|first| first == "default");
        let default = found.iter().find(is_default).copied();
        if let Some(d) = default.filter(|_| own) {
            self.edits
                .replace(self.text_of(&d.place.file), d, &[redirect(owner, target)]);
        }
        found.is_empty().then(|| redirect(owner, target))
    }

    /// The name that the app was asked by, where the site names none. A location with a
    /// header of its own inherits none, so those further out come along.
    fn headers(&mut self, target: &Target<'d>, around: &Around<'d>) -> Vec<String> {
        let (own, found) = in_force("proxy_set_header", around);
        let proxy_names = ["$proxy_host", "$proxy_port"];
        for d in &found {
            if d.args
                .iter()
                .any(|arg| proxy_names.iter().any(|name| arg.contains(name)))
            {
                self.refuse(
                    d,
                    "`$proxy_host` and `$proxy_port` are no longer the app's",
                    format!("write what they stand for: `{}`", target.authority),
                );
            }
        }
        let names_host = |d: &&'d Directive| {
            d.args
                .first()
                .is_some_and(|name| name.eq_ignore_ascii_case("host"))
        };
        if found.iter().any(names_host) {
            return Vec::new();
        }
        let inherited = found.iter().filter(|_| !own).map(|d| self.raw(d).to_owned());
        inherited
            .chain([format!("proxy_set_header Host {};", target.authority)])
            .collect()
    }

    fn note_path(&mut self, owner: &Directive) {
        let Some(server) = self.taken.servers.last_mut() else {
            return;
        };
        match path_of(owner).map(as_asked) {
            Some(path) if !server.paths.contains(&path) => server.paths.push(path),
            Some(_) => {}
            None => server.hidden = true,
        }
    }
}

fn redirect(owner: &Directive, target: &Target<'_>) -> String {
    match (target.uri, path_of(owner)) {
        (Some(_), Some(prefix)) => format!("proxy_redirect {} {};", word(target.url), word(prefix)),
        _ => format!("proxy_redirect {}/ /;", target.url),
    }
}

/// One word to NGINX, in quotes where it must be.
fn word(text: &str) -> Cow<'_, str> {
    match text.contains(|c: char| c.is_whitespace() || ";{}#".contains(c)) {
        true => format!("\"{text}\"").into(),
        false => text.into(),
    }
}

/// What is said of `name` at the innermost level that says anything; whether that is the
/// location itself.
fn in_force<'d>(name: &str, around: &Around<'d>) -> (bool, Vec<&'d Directive>) {
    for (depth, level) in around.iter().rev().enumerate() {
        let found: Vec<&Directive> = level.iter().copied().filter(|d| d.name == name).collect();
        if !found.is_empty() {
            return (depth == 0, found);
        }
    }
    (true, Vec::new())
}

/// Whether rewriting has ended before `d` is reached.
fn hidden_by_a_break(owner: &Directive, d: &Directive) -> bool {
    let before = owner.block.iter().take_while(|one| *one != d);
    let ends = |one: &Directive| {
        one.name == "break" || (one.name == "rewrite" && one.args.last().is_some_and(|last| last == "break"))
    };
    before.into_iter().any(ends)
}

/// The prefix or the exact path of a location; `None` for one by a regular expression or by
/// name.
pub(super) fn path_of(location: &Directive) -> Option<&str> {
    if location.name != "location" {
        return None;
    }
    match location
        .args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["=" | "^~", path] => Some(*path),
        ["~" | "~*", _] => None,
        [path] => {
            let path = path.strip_prefix("^~").or(path.strip_prefix('=')).unwrap_or(path);
            path.starts_with('/').then_some(path)
        }
        _ => None,
    }
}

/// A path of NGINX's, which is compared decoded, as a client asks for it.
pub(super) fn as_asked(path: &str) -> String {
    let mut asked = String::new();
    for c in path.chars() {
        match c.is_alphanumeric() || "/-._~!()*+,=:@".contains(c) {
            true => asked.push(c),
            false => asked.extend(
                raw::encode(&c.to_string())
                    .iter()
                    .map(|byte| format!("%{byte:02X}")),
            ),
        }
    }
    asked
}

fn escaped(prefix: &str) -> String {
    let one = |c: char| match ".+*?(){}|".contains(c) {
        true => format!("[{c}]"),
        false => c.to_string(),
    };
    prefix.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use crate::takeover::location::*;

    #[test]
    fn a_location_is_asked_for_with_what_no_url_holds_escaped() {
        let table = [
            ("/api/v1.0/~u", "/api/v1.0/~u"),
            ("/with space/", "/with%20space/"),
            ("/a;b{c}$?#%\"/", "/a%3Bb%7Bc%7D%24%3F%23%25%22/"),
            ("/café/", "/café/"),
            ("/caf\u{f7e9}", "/caf%E9"),
        ];
        for (path, asked) in table {
            assert_eq!(as_asked(path), asked);
        }
    }
}
