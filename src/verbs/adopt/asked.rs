//! How each server of the site is asked: by which name, and on which listeners.

use std::net::SocketAddr;

use engine::verifiable::Unverifiable;
use model::listen::Listener;
use nginx::dump::Dump;
use nginx::names;
use site::endpoint::Endpoint;
use site::takeover::Taken;

/// What a server listens on that says nothing of it.
const USUAL: &str = "80";

/// What makes a server one that can be asked.
pub(super) const TO_BE_ASKED: &str = "`listen 127.0.0.1:8080;` in that server, a reload of NGINX, and `nginx.listen = [\"127.0.0.1:8080\"]` in bg.toml: that is asked then";

/// The listeners of a server that can be asked over TCP, and the words of those that cannot.
pub(super) fn listeners(server: &Taken) -> (Vec<Listener>, Vec<&str>) {
    let mut words: Vec<&str> = server.listens.iter().map(String::as_str).collect();
    if words.is_empty() {
        words.push(USUAL);
    }
    let (mut listeners, mut others) = (Vec::new(), Vec::new());
    for text in words {
        match text.parse::<Listener>() {
            Ok(listener) if listener.http3 => {}
            Ok(listener) => listeners.push(listener),
            Err(_) => others.push(text),
        }
    }
    (listeners, others)
}

/// A name by which NGINX gives a request that comes to `at` to this server: one of its own, one
/// made up that fits a pattern of its own, or one of `known`, which an operator wrote.
pub(super) fn name(dump: &Dump, server: &Taken, at: SocketAddr, known: &[String]) -> Option<String> {
    let is_pattern = |name: &&String| name.starts_with(['~', '*']) || name.ends_with(".*");
    let plain = server.names.iter().filter(|name| !is_pattern(name));
    let patterns = server.names.iter().filter(is_pattern);
    let own = plain.chain(patterns).flat_map(|name| names::examples(name));
    let known = known.iter().flat_map(|name| names::examples(name));
    // Whatever the default server is asked for.
    let any = std::iter::once("localhost".to_owned());
    own.chain(known)
        .chain(any)
        .find(|name| dump.gives(at, name, &server.place))
}

/// A listener of bg.toml's that leads to none of the servers of the site.
pub(super) fn elsewhere(path: &str, endpoint: &Endpoint, servers: &[Taken]) -> Unverifiable {
    let listens = servers.iter().map(|server| {
        let listens: Vec<String> = server
            .listens
            .iter()
            .map(|text| format!("`listen {text}`"))
            .collect();
        let names: Vec<String> = server.names.iter().map(|name| format!("`{name}`")).collect();
        format!(
            "{} and {} at {}",
            listens.join(", "),
            names.join(", "),
            server.place
        )
    });
    let listens: Vec<String> = listens.collect();
    let way = match servers.iter().any(|server| !listeners(server).0.is_empty()) {
        true => {
            "`nginx.server_names` and `nginx.listen` in bg.toml: the first of those names has to lead to the site on each of those listeners"
        }
        false => TO_BE_ASKED,
    };
    let what = format!("leads to no server of the site, which has {}", listens.join("; "));
    Unverifiable::new(path, endpoint, what, way.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use site::takeover::{self, Wish};

    #[test]
    fn a_server_is_asked_by_a_name_that_leads_to_it() {
        let table = [
            ("shop.test www.shop.test", "", Some("shop.test")),
            ("*.shop.test shop.test", "", Some("shop.test")),
            ("*.shop.test", "", Some("www.shop.test")),
            ("*.shop.test", "server_name www.shop.test;", Some("a.shop.test")),
            (r"~^(?<t>\w+)\.shop\.test$", "", Some("a.shop.test")),
            (r"~^(?!x)\w+\.shop\.test$", "", Some("told.shop.test")),
            ("_", "", None),
            ("_", "listen 81;", None),
        ];
        for (own, other, expected) in table {
            let text = format!(
                "# configuration file /e/nginx.conf:\nhttp {{\nserver {{ listen 80 default_server; {other} return 444; }}\n\
                 server {{ listen 80; server_name \"{}\"; location / {{ proxy_pass http://127.0.0.1:5000; }} }}\n}}\n",
                own.replace('\\', "\\\\").replace(' ', "\" \"")
            );
            let dump = Dump::parse(&text);
            let wish = Wish {
                port: 5000,
                route: "/route.conf".into(),
                pass: "/pass.conf".into(),
                root: "$root".into(),
                checkout: None,
                untracked: Vec::new(),
            };
            let taken = takeover::take(&dump, &wish).unwrap();
            let known = ["told.shop.test".to_owned()];
            let found = name(&dump, &taken.servers[0], "127.0.0.1:80".parse().unwrap(), &known);
            // The other one answers for whatever leads nowhere else.
            let expected = expected.map(str::to_owned);
            assert_eq!(found, expected, "{own} {other}");
        }
        assert_eq!(table.len(), 8);
    }
}
