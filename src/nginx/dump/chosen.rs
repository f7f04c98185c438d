//! Which server, and which of its locations, NGINX chooses for a request.

use std::net::SocketAddr;

use model::listen::Bound;

use crate::dump::Dump;
use crate::names::Weight;
use crate::syntax::{Directive, Span};

/// What a server listens on that says nothing of it.
const USUAL: &str = "*:80";

/// What is in force where a request is answered: `http` first, then the server and each
/// location around the one that answers.
#[derive(Debug)]
pub(super) struct Levels<'d>(pub(super) Vec<Vec<&'d Directive>>);

impl Dump {
    /// The servers that NGINX may give a request to that comes for `host` to an address of this
    /// machine: one, but where an expression cannot be read here.
    pub(super) fn servers_at(&self, at: SocketAddr, host: &str) -> Vec<&Directive> {
        let heard = self.heard_at(at);
        let weight = |server: &Directive| {
            let names = server.block.iter().filter(|d| d.name == "server_name");
            let weights = names.flat_map(|d| &d.args).map(|name| Weight::of(name, host));
            weights.max().unwrap_or(Weight::None)
        };
        let weighed: Vec<(&Directive, bool, Weight)> = heard
            .into_iter()
            .map(|(server, default)| (server, default, weight(server)))
            .collect();
        let best = weighed.iter().map(|(.., weight)| *weight).max();
        let best = best.unwrap_or(Weight::None);
        let of_best = weighed.iter().filter(|(.., weight)| *weight == best);
        let default = || {
            let named = weighed.iter().find(|(_, default, _)| *default);
            named.or(weighed.first())
        };
        match best {
            Weight::None => default().map(|one| one.0).into_iter().collect(),
            Weight::Unknown => of_best.chain(default()).map(|one| one.0).collect(),
            _ => of_best.take(1).map(|one| one.0).collect(),
        }
    }

    /// Whether a request for `host` that comes to `at` is given to the server at `place`.
    #[must_use]
    pub fn gives(&self, at: SocketAddr, host: &str, place: &Span) -> bool {
        let servers = self.servers_at(at, host);
        servers.iter().any(|server| server.place == *place)
    }

    /// The servers that hear `at`, and whether each is the default there. One that names the
    /// address goes before any that hears all of them.
    fn heard_at(&self, at: SocketAddr) -> Vec<(&Directive, bool)> {
        let usual = [USUAL.to_owned()];
        let (mut named, mut any) = (Vec::new(), Vec::new());
        for server in self.http().filter(|d| d.name == "server") {
            let listens = server.block.iter().filter(|d| d.name == "listen");
            let mut listens: Vec<&[String]> = listens.map(|d| d.args.as_slice()).collect();
            if listens.is_empty() {
                listens.push(&usual);
            }
            for words in listens {
                let Some(bound) = Bound::read(words).filter(|b| (b.first..=b.last).contains(&at.port()))
                else {
                    continue;
                };
                let default = words
                    .iter()
                    .any(|word| word == "default_server" || word == "default");
                let of_family = if at.is_ipv4() { bound.v4 } else { bound.v6 };
                match bound.address {
                    Some(address) if address == at.ip() => named.push((server, default)),
                    None if of_family => any.push((server, default)),
                    _ => {}
                }
            }
        }
        if named.is_empty() { any } else { named }
    }

    /// What is in force where `server` answers `path`.
    pub(super) fn levels<'d>(&'d self, server: &'d Directive, path: &str) -> Levels<'d> {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let mut levels: Vec<Vec<&Directive>> = vec![self.http().collect(), server.block.iter().collect()];
        levels.extend(
            chosen(&server.block, path)
                .into_iter()
                .map(|location| location.block.iter().collect()),
        );
        Levels(levels)
    }
}

impl<'d> Levels<'d> {
    /// What is said of `name` at the innermost level that says anything.
    pub(super) fn in_force(&self, name: &str) -> Vec<&'d Directive> {
        let found = |level: &Vec<&'d Directive>| -> Vec<&'d Directive> {
            level.iter().copied().filter(|d| d.name == name).collect()
        };
        let mut all = self.0.iter().rev().map(found);
        all.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The server's own level and those inside of it.
    pub(super) fn of_server(&self) -> impl Iterator<Item = &'d Directive> {
        self.0.iter().skip(1).flatten().copied()
    }
}

enum Way<'d> {
    Exact(&'d str),
    Prefix(&'d str, bool),
    Expression(&'d str, bool),
}

fn way(location: &Directive) -> Option<Way<'_>> {
    let words: Vec<&str> = location.args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["=", path] => Some(Way::Exact(path)),
        ["^~", path] => Some(Way::Prefix(path, true)),
        ["~", expression] => Some(Way::Expression(expression, false)),
        ["~*", expression] => Some(Way::Expression(expression, true)),
        [path] if path.starts_with('@') => None,
        [path] => Some(match (path.strip_prefix('='), path.strip_prefix("^~")) {
            (Some(path), _) => Way::Exact(path),
            (_, Some(path)) => Way::Prefix(path, true),
            _ => Way::Prefix(path, false),
        }),
        _ => None,
    }
}

/// The locations around the one that answers, the outermost first.
fn chosen<'d>(block: &'d [Directive], path: &str) -> Vec<&'d Directive> {
    let locations = || block.iter().filter(|d| d.name == "location");
    let exact = locations().find(|d| matches!(way(d), Some(Way::Exact(own)) if own == path));
    if let Some(exact) = exact {
        return vec![exact];
    }
    let length = |d: &Directive| match way(d) {
        Some(Way::Prefix(own, alone)) if path.starts_with(own) => Some((own.len(), alone)),
        _ => None,
    };
    let longest = locations()
        .filter_map(|d| length(d).map(|(length, alone)| (length, alone, d)))
        .max_by_key(|(length, ..)| *length);
    let within = longest.map(|(.., d)| {
        let mut inner = vec![d];
        inner.extend(chosen(&d.block, path));
        inner
    });
    let is_settled = longest.is_some_and(|(_, alone, _)| alone)
        || within
            .as_ref()
            .and_then(|inner| inner.get(1..)?.last())
            .is_some_and(|last| !matches!(way(last), Some(Way::Prefix(_, false))));
    if !is_settled {
        let by_expression = locations().find(|d| match way(d) {
            Some(Way::Expression(own, any_case)) => {
                let mut read = regex_lite::RegexBuilder::new(own);
                let read = read.case_insensitive(any_case).build();
                read.is_ok_and(|read| read.is_match(path))
            }
            _ => false,
        });
        if let Some(d) = by_expression {
            let mut inner = vec![d];
            inner.extend(chosen(&d.block, path));
            return inner;
        }
    }
    within.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::dump::chosen::*;

    fn dump(http: &str) -> Dump {
        Dump::parse(&format!(
            "# configuration file /e/nginx.conf:\nhttp {{\n{http}\n}}\n"
        ))
    }

    #[test]
    fn a_request_goes_to_the_server_that_nginx_gives_it() {
        let dump = dump(
            "server { listen 80; server_name exact.test; return 1; }\n\
             server { listen 80; server_name *.test; return 2; }\n\
             server { listen 80; server_name *.long.test; return 3; }\n\
             server { listen 80; server_name www.*; return 4; }\n\
             server { listen 80; server_name ~^a\\d+\\.org$; return 5; }\n\
             server { listen 80 default_server; server_name _; return 6; }\n\
             server { listen 127.0.0.1:81; server_name ~^(?!x)y; return 7; }\n\
             server { listen 81; server_name exact.test; return 8; }\n\
             server { server_name bare.test; return 9; }\n\
             server { listen 127.0.0.1:81; server_name b.test .c.test; return 10; }",
        );
        let table: [(&str, &str, &[&str]); 13] = [
            ("127.0.0.1:80", "exact.test", &["1"]),
            ("127.0.0.1:80", "Exact.test", &["1"]),
            ("127.0.0.1:80", "any.test", &["2"]),
            ("127.0.0.1:80", "any.long.test", &["3"]),
            ("127.0.0.1:80", "www.org", &["4"]),
            ("127.0.0.1:80", "a12.org", &["5"]),
            ("127.0.0.1:80", "nobody.org", &["6"]),
            ("127.0.0.1:80", "bare.test", &["9"]),
            // An address that is named goes before all, and what cannot be read may be any.
            ("127.0.0.1:81", "exact.test", &["7", "7"]),
            ("127.0.0.1:81", "b.test", &["10"]),
            ("127.0.0.1:81", "c.test", &["10"]),
            ("[::1]:80", "exact.test", &[]),
            ("127.0.0.1:82", "exact.test", &[]),
        ];
        for (at, host, expected) in table {
            let servers = dump.servers_at(at.parse().unwrap(), host);
            let said = |server: &&Directive| server.block.last().unwrap().args[0].clone();
            assert_eq!(
                servers.iter().map(said).collect::<Vec<_>>(),
                expected,
                "{at} {host}"
            );
        }
        assert_eq!(table.len(), 13);
    }

    #[test]
    fn what_is_in_force_is_that_of_the_location_that_answers() {
        let dump = dump(
            "root 0; server { root 1;\n\
             location = /exact { root 2; }\n\
             location / { root 3; }\n\
             location /api/ { root 4; location /api/open/ { root 5; } location ~ \\.txt$ { root 6; } }\n\
             location ^~ /alone/ { root 7; }\n\
             location ~* \\.PNG$ { root 8; }\n\
             location /inherits/ { }\n\
             location @named { root 9; } }",
        );
        let server = dump.http().find(|d| d.name == "server").unwrap();
        let table = [
            ("/exact", "2"),
            ("/exact?query", "2"),
            ("/other", "3"),
            ("/api/", "4"),
            ("/api/open/x", "5"),
            ("/api/open/x.png", "8"),
            ("/api/x.txt", "6"),
            ("/alone/x.png", "7"),
            ("/x.png", "8"),
            ("/inherits/x", "1"),
        ];
        for (path, expected) in table {
            let found = dump.levels(server, path).in_force("root");
            assert_eq!(found[0].args[0], expected, "{path}");
        }
        assert_eq!(table.len(), 10);
    }
}
