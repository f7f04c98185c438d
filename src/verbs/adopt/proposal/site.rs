//! The part of a bg.toml that says what NGINX has.

use std::path::{Path, PathBuf};

use engine::verifiable;
use model::failure::{Failure, Kind};
use model::listen::Listener;
use site::endpoint::{self, Endpoint, Manner};
use site::takeover::Taken;

use super::super::asked;
use super::facts::{SiteFacts, quoted};

/// Folders that NGINX's main file may include, the usual ones.
const INCLUDES: [&str; 5] = ["conf.d", "sites-enabled", "http.d", "vhosts.d", "servers"];

/// How the site is asked, and on what a switch of it can be proven.
pub(super) struct Asked {
    /// The names of its servers, the one that probes ask for first.
    pub(super) names: Vec<String>,
    /// The pattern that the first of them was made up to fit.
    made_up: Option<String>,
    listens: Vec<String>,
    paths: Vec<String>,
}

impl Asked {
    /// What the reader of the proposal has to know.
    pub(super) fn note(&self) -> Option<String> {
        let (pattern, name) = (self.made_up.as_ref()?, self.names.first()?);
        Some(format!(
            "`{name}` is made up: it fits `{pattern}`, and is what `bg` asks the site for; another that fits may stand first in `nginx.server_names`"
        ))
    }
}

/// The names of the site's servers that a bg.toml can have.
fn names(servers: &[Taken]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in servers.iter().flat_map(|server| &server.names) {
        if !name.is_empty() && !name.starts_with('~') && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Asks the site.
///
/// # Errors
/// When none of its listeners can be asked.
pub(super) async fn look(facts: &SiteFacts<'_>) -> Result<Asked, Failure> {
    let (servers, dump) = (&facts.takeover.servers, facts.dump);
    let leads = |server: &Taken| {
        let mut listeners = asked::listeners(server).0.into_iter();
        listeners.find_map(|listener| asked::name(dump, server, listener.address, &[]))
    };
    let found = servers.iter().find_map(|server| Some((server, leads(server)?)));
    let mut names = names(servers);
    let mut made_up = None;
    if let Some((server, host)) = &found
        && !server.names.iter().all(|name| name.is_empty() || name == "_")
    {
        let is_told = |name: &String| name.trim_start_matches('.').eq_ignore_ascii_case(host);
        match names.iter().position(is_told) {
            Some(at) => names.get_mut(..=at).unwrap_or_default().rotate_right(1),
            None => {
                names.insert(0, host.clone());
                made_up = server.names.first().cloned();
            }
        }
    }
    if names.is_empty() {
        names.push("_".to_owned());
    }
    let host = found.map_or_else(|| "localhost".to_owned(), |(_, host)| host);
    // Others by another name may listen elsewhere, where this one means another site.
    let of_name = || {
        let all = servers.iter().flat_map(|server| {
            let listeners = asked::listeners(server).0.into_iter();
            listeners.map(move |listener| (server, listener))
        });
        all.filter(|(server, listener)| dump.gives(listener.address, &host, &server.place))
    };
    // Each with whether something can be proven on it.
    let mut listens: Vec<(String, bool)> = Vec::new();
    let mut paths: Vec<(String, bool)> = Vec::new();
    for (server, listener) in of_name() {
        let mut one_is_open = false;
        for path in &server.paths {
            let is_open = is_open(facts, &listener, &host, path).await;
            one_is_open |= is_open;
            match paths.iter_mut().find(|(known, _)| known == path) {
                Some((_, open)) => *open |= is_open,
                None => paths.push((path.clone(), is_open)),
            }
        }
        let address = listener.text.split_whitespace().next();
        let mut known = listens.iter();
        if !known.any(|(known, _)| known.split_whitespace().next() == address) {
            listens.push((listener.text, one_is_open));
        }
    }
    if listens.is_empty() {
        return Err(none_to_ask(servers));
    }
    Ok(Asked {
        names,
        made_up,
        listens: the_open(listens),
        paths: the_open(paths),
    })
}

/// Those on which something can be proven; all of them where there is none.
fn the_open(all: Vec<(String, bool)>) -> Vec<String> {
    let one_is = all.iter().any(|(_, open)| *open);
    let kept = all.into_iter().filter(|(_, open)| *open || !one_is);
    kept.map(|(text, _)| text).collect()
}

async fn is_open(facts: &SiteFacts<'_>, listener: &Listener, host: &str, path: &str) -> bool {
    let endpoint = Endpoint {
        address: listener.address,
        tls: listener.tls,
        host: host.to_owned(),
        secret: None,
        manner: Manner {
            proxy_protocol: listener.proxy_protocol,
            ..Manner::default()
        },
        pace: None,
    };
    let answer = endpoint::answer(&endpoint, path).await;
    let own = verifiable::of_nginx(facts.dump, facts.found.port, &endpoint, path, &answer);
    own.await.is_none()
}

fn none_to_ask(servers: &[Taken]) -> Failure {
    let listens = servers.iter().flat_map(|server| {
        let others = asked::listeners(server).1.into_iter();
        others.map(|listen| format!("`listen {listen}` at {}", server.place))
    });
    Failure::new(
        Kind::Config,
        "no listener of the site can be asked, so no switch of it could be proven",
    )
    .showing(listens.collect::<Vec<_>>())
    .hint(asked::TO_BE_ASKED)
}

/// `[nginx]` and what belongs to it.
pub(super) fn write(facts: &SiteFacts<'_>, asked: &Asked, health: &str, say: &mut impl FnMut(String)) {
    let dir = facts.conf.parent().unwrap_or(Path::new("/"));
    let servers = &facts.takeover.servers;
    let (names, listens) = (&asked.names, &asked.listens);
    let mut paths = asked.paths.clone();
    if paths.is_empty() {
        paths.push(health.to_owned());
    }
    let list = |all: &[String]| all.iter().map(quoted).collect::<Vec<_>>().join(", ");
    say("\n[nginx]".to_owned());
    if let Some(note) = asked.note() {
        say(format!("# {note}."));
    }
    say(format!("server_names = [{}]", list(names)));
    say(format!(
        "listen = [{}]\npaths = [{}]",
        list(listens),
        list(&paths)
    ));
    say(format!("conf = {}", quoted(facts.conf.display())));
    let hook = |folder: &&&str| facts.dump.http_includes(&dir.join(folder).join("bg-x.conf"));
    say(format!(
        "include = {}",
        quoted(INCLUDES.iter().find(hook).unwrap_or(&"conf.d"))
    ));
    let site = servers
        .first()
        .map(|server| server.place.file.clone())
        .unwrap_or_default();
    let site = site.strip_prefix(dir).map(Path::to_owned);
    let main = || facts.conf.file_name().map(PathBuf::from).unwrap_or_default();
    say(
        "# The site's own file: `bg adopt` changes the lines that it shows, nothing else ever does."
            .to_owned(),
    );
    say(format!(
        "site = {}",
        quoted(site.unwrap_or_else(|_| main()).display())
    ));
    for served in &facts.takeover.statics {
        if let Some(url) = served.url.as_ref().filter(|url| !paths.contains(url)) {
            say(format!(
                "\n[[nginx.static]]\nurl = {}\nfolder = {}",
                quoted(url),
                quoted(served.folder.display())
            ));
        }
    }
    let tls = servers.iter().find_map(|server| server.tls.as_ref());
    let encrypted = listens
        .iter()
        .any(|listen| listen.split_whitespace().any(|word| word == "ssl"));
    if let Some((certificate, key)) = tls.filter(|_| encrypted) {
        let (certificate, key) = (dir.join(certificate), dir.join(key));
        say(format!(
            "\n[nginx.tls]\ncertificate = {}\nkey = {}",
            quoted(certificate.display()),
            quoted(key.display())
        ));
    }
}
