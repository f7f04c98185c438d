//! Where requests are passed to: the ports of this machine, and what hides one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::dump::{Dump, Found, authority, local_port, walk};
use crate::syntax::{Directive, Span};

impl Dump {
    /// Every way to `port` on this machine (`proxy_pass` and its kin, and servers of
    /// upstreams) that stands outside of the folder `ours`.
    #[must_use]
    pub fn others_that_pass_to(&self, port: u16, ours: &Path) -> Vec<Found> {
        let unused = self.unused_upstreams();
        self.find(|d| {
            let target = d.args.first().map_or("", String::as_str);
            let passes = d.name.ends_with("_pass") || (d.name == "server" && d.block.is_empty());
            let reached = !unused.contains(&d.place);
            passes && reached && !d.place.file.starts_with(ours) && local_port(target) == Some(port)
        })
    }

    /// The servers of upstreams that nothing passes to.
    fn unused_upstreams(&self) -> Vec<Span> {
        let mut passes: Vec<&str> = Vec::new();
        walk(&self.tree, &mut |d| {
            if d.name.ends_with("_pass") {
                passes.extend(d.args.first().map(|target| authority(target)));
            }
        });
        let is_used = |name: &str| {
            let mut passes = passes.iter();
            passes.any(|target| match target.split_once('$') {
                Some((fixed, _)) => name.starts_with(fixed),
                None => target.split(':').next() == Some(name),
            })
        };
        self.http()
            .filter(|d| d.name == "upstream" && !d.args.first().is_some_and(|name| is_used(name)))
            .flat_map(|upstream| upstream.block.iter().map(|server| server.place.clone()))
            .collect()
    }

    /// Every port of this machine that something is passed to over HTTP, by a variable too
    /// where that is given an address.
    #[must_use]
    pub fn passed_ports(&self) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        walk(&self.tree, &mut |d| {
            let values: Vec<&String> = match d.name.as_str() {
                "proxy_pass" => d.args.first().into_iter().collect(),
                "server" if d.block.is_empty() => d.args.first().into_iter().collect(),
                _ => values(d),
            };
            let fixed = |target: &&String| local_port(target.split('$').next()?);
            ports.extend(values.iter().filter_map(fixed));
        });
        ports
    }

    /// Every `proxy_pass` by a variable, and every way over a unix socket: no port shows there.
    #[must_use]
    pub fn ways_without_a_port(&self) -> Vec<Found> {
        let ours = self.dir().join("bg");
        self.find(|d| {
            let target = d.args.first().map_or("", String::as_str);
            let address = target.split_once("://").map_or(target, |(_, rest)| rest);
            let is_socket = address.starts_with("unix:");
            match d.name.as_str() {
                _ if d.place.file.starts_with(&ours) => false,
                "proxy_pass" => is_socket || address.starts_with('$'),
                "server" if d.block.is_empty() => is_socket,
                _ => false,
            }
        })
    }
}

/// What a directive gives to a variable: `set` its second word, each line of a `map` and of a
/// `split_clients` its first.
pub fn values(d: &Directive) -> Vec<&String> {
    match d.name.as_str() {
        "set" => d.args.get(1).into_iter().collect(),
        "map" | "split_clients" => d.block.iter().filter_map(|entry| entry.args.first()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::dump::ways::*;

    #[test]
    fn a_port_behind_a_variable_is_found_and_what_shows_none_is_named() {
        let text = "# configuration file /e/nginx.conf:\nhttp {\nmap $cookie_x $pool { default http://127.0.0.1:5000; ~y 127.0.0.1:5001; }\n\
            upstream a { server unix:/run/a.sock; server 127.0.0.1:5002; }\nserver {\nset $b http://localhost:5003;\n\
            location /x { proxy_pass $pool; }\nlocation /y { proxy_pass http://$host; }\n\
            location /z { proxy_pass http://unix:/run/z.sock:/; }\nlocation / { proxy_pass http://127.0.0.1:5004$request_uri; }\n}\n\
            include bg/other/pass.conf;\n}\n\
            # configuration file /e/bg/other/pass.conf:\nserver { location / { proxy_pass $bg_other; } }\n";
        let dump = Dump::parse(text);
        let ports: Vec<u16> = dump.passed_ports().into_iter().collect();
        assert_eq!(ports, [5000, 5001, 5002, 5003, 5004]);
        let ways = dump.ways_without_a_port().into_iter();
        let ways: Vec<String> = ways.map(|way| format!("{}: {}", way.place, way.text)).collect();
        assert_eq!(
            ways,
            [
                "/e/nginx.conf:3: unix:/run/a.sock",
                "/e/nginx.conf:6: $pool",
                "/e/nginx.conf:7: http://$host",
                "/e/nginx.conf:8: http://unix:/run/z.sock:/"
            ]
        );
    }
}
