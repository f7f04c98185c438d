//! Whose requests a site takes: its names and its listeners beside those of other sites.

use engine::app::read_config;
use model::config::{Config, SwitchStrategy};
use model::failure::{Failure, Kind};
use model::layout::{Layout, NginxLayout};
use model::listen::Bound;
use nginx::dump::Server;
use nginx::names;
use site::render::Facts;
use state::registry::Registry;
use sys::sockets;

use super::facts::{self, HostFacts};

/// What a `server` listens on that names nothing, for root's NGINX.
const USUAL: &str = "80";

/// Words of a `listen` that say what is spoken there, which all its servers must.
const PROTOCOLS: [&str; 4] = ["ssl", "http2", "quic", "proxy_protocol"];

/// The first version with `ssl_reject_handshake`.
const REJECTS: (u64, u64, u64) = (1, 19, 4);

/// The first version with `http2 on`.
const HTTP2_ON: (u64, u64, u64) = (1, 25, 1);

/// A site of ours takes no requests away from one that is there. NGINX looks at the address
/// first and at the name then; of two that are the same it asks whichever it reads first, and
/// only warns.
///
/// # Errors
/// The first name or listener that would.
pub fn are_free(config: &Config, facts: &HostFacts) -> Result<(), Failure> {
    let files = NginxLayout::of(&facts.entry);
    if !facts.site_is_ours {
        return Ok(());
    }
    let ours: Vec<Bound> = config
        .nginx
        .listen
        .iter()
        .filter_map(|text| bound(text))
        .collect();
    let others = others(&files, facts);
    for server in &others {
        let theirs = bounds(server);
        let shared = ours
            .iter()
            .find(|ours| theirs.iter().any(|theirs| ours.shares_a_port(theirs)));
        if let (Some(listen), Some(name)) = (shared, taken(config, server)) {
            return Err(Failure::new(
                Kind::Config,
                format!("`{name}` on port {} has a site already ({})", listen.first, server.place),
            )
            .hint("`bg adopt` takes over a site that runs; or `nginx.site` in bg.toml names its file, which stays yours"));
        }
    }
    for (text, ours) in config
        .nginx
        .listen
        .iter()
        .filter_map(|text| Some((text, bound(text)?)))
    {
        // Where somebody hears already, the others hear nothing any more.
        let is_there = others.iter().flat_map(bounds).any(|theirs| ours.is_at(&theirs));
        let robbed = others
            .iter()
            .find(|server| bounds(server).iter().any(|theirs| ours.takes_from(theirs)));
        if let (false, Some(server)) = (is_there, robbed) {
            let address = text.split_whitespace().next().unwrap_or(text);
            return Err(Failure::new(
                Kind::Config,
                format!(
                    "`listen` on `{address}` would take all requests for that address away from the site at {}, whatever their name",
                    server.place
                ),
            )
            .hint(format!("`nginx.listen = [\"{}\"]` in bg.toml shares the port by name", ours.first)));
        }
    }
    Ok(())
}

/// Nobody but this NGINX listens on the port that it gets for itself: it would not take its new
/// configuration, and say so in its log alone.
///
/// # Errors
/// When somebody does.
pub fn loopback_port_is_free(config: &Config, facts: &HostFacts) -> Result<(), Failure> {
    let files = NginxLayout::of(&facts.entry);
    let Some(port) = config
        .nginx
        .loopback_port
        .filter(|_| facts.entry.switch == SwitchStrategy::Live)
    else {
        return Ok(());
    };
    let at_the_port = |server: &Server| {
        let mut listens = server.listens.iter().filter_map(|words| Bound::read(words));
        listens.any(|bound| (bound.first..=bound.last).contains(&port))
    };
    let others = Registry::of_this_user().entries().into_iter();
    for other in others.filter(|other| other.app != config.app) {
        let theirs = read_config(&Layout::new(&other.root).config());
        let has_it = |theirs: &Config| {
            let ports = theirs.process.ports;
            [Some(ports.blue), Some(ports.green), theirs.nginx.loopback_port].contains(&Some(port))
        };
        if theirs.is_ok_and(|theirs| has_it(&theirs)) {
            return Err(Failure::new(
                Kind::Config,
                format!(
                    "`nginx.loopback_port` in bg.toml is {port}, a port of the app `{}`",
                    other.app
                ),
            )
            .hint("write a port that is free"));
        }
    }
    let taken = match facts.dump.servers().into_iter().find(at_the_port) {
        Some(server) if server.place.file == files.upstreams() => return Ok(()),
        Some(server) => format!("NGINX listens there at {}", server.place),
        None => match (sockets::is_free(port), sockets::holder(port)) {
            (true, _) => return Ok(()),
            (false, Some(holder)) => format!("{holder} listens there"),
            (false, None) => "another user's process listens there".to_owned(),
        },
    };
    Err(Failure::new(
        Kind::Config,
        format!("`nginx.loopback_port` in bg.toml is {port}, and {taken}"),
    )
    .hint("write a port that is free"))
}

fn bound(text: &str) -> Option<Bound> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    Bound::read(&words)
}

fn bounds(server: &Server) -> Vec<Bound> {
    match server.listens.is_empty() {
        true => bound(USUAL).into_iter().collect(),
        false => server
            .listens
            .iter()
            .filter_map(|words| Bound::read(words))
            .collect(),
    }
}

/// Every server that is neither this site's nor written for it.
fn others(files: &NginxLayout, facts: &HostFacts) -> Vec<Server> {
    let site = std::fs::canonicalize(files.site()).unwrap_or_else(|_| files.site());
    let is_ours = |server: &Server| {
        let file = &server.place.file;
        *file == files.site()
            || file.starts_with(files.folder())
            || std::fs::canonicalize(file).is_ok_and(|file| file == site)
    };
    let servers = facts.dump.servers().into_iter();
    servers.filter(|server| !is_ours(server)).collect()
}

/// The name of `server` that one of the site's would take.
fn taken<'s>(config: &Config, server: &'s Server) -> Option<&'s str> {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let host = host.to_string_lossy();
    let mut theirs = server.names.iter().map(String::as_str);
    theirs.find(|theirs| {
        let theirs = if *theirs == "$hostname" { &host } else { *theirs };
        let mut ours = config.nginx.server_names.iter();
        ours.any(|ours| names::takes(ours, theirs))
    })
}

/// What the files of NGINX depend on besides bg.toml.
#[must_use]
pub fn facts(config: &Config, facts: &HostFacts) -> Facts {
    let files = NginxLayout::of(&facts.entry);
    let names = match facts.site_is_ours {
        true => Vec::new(),
        false => facts::site(config, &files, &facts.dump)
            .into_iter()
            .filter(|server| server.includes.contains(&files.route()))
            .flat_map(|server| server.names)
            .collect(),
    };
    Facts {
        realip: facts.build.realip,
        secret: true,
        names,
        http2_directive: facts.build.version >= HTTP2_ON,
        refusing: refusing(config, facts, &files),
    }
}

/// The words of each `listen` on which a server of ours refuses what no site asks for: never
/// where another server does that, or answers for it by being the first.
fn refusing(config: &Config, facts: &HostFacts, files: &NginxLayout) -> Vec<String> {
    if !config.nginx.refuse_unknown_names {
        return Vec::new();
    }
    let (others, ours): (Vec<Server>, Vec<Server>) = {
        let others = others(files, facts);
        let is_other = |server: &Server| others.contains(server) && !server.includes.contains(&files.route());
        facts.dump.servers().into_iter().partition(is_other)
    };
    let written = || {
        config
            .nginx
            .listen
            .iter()
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
    };
    let listens: Vec<Vec<String>> = match facts.site_is_ours {
        true => written().collect(),
        false => {
            let site = ours
                .iter()
                .filter(|server| server.includes.contains(&files.route()));
            site.flat_map(|server| server.listens.clone()).collect()
        }
    };
    let is_default = |word: &String| word == "default_server" || word == "default";
    let mut done: Vec<Bound> = Vec::new();
    let mut words = Vec::new();
    for listen in listens {
        let Some(bound) = Bound::read(&listen) else {
            continue;
        };
        let at = |server: &Server| bounds(server).iter().any(|theirs| theirs.is_at(&bound));
        let mut refused = ours
            .iter()
            .filter(|server| server.place.file == files.upstreams());
        let is_there = refused.any(at);
        let is_tls = listen.iter().any(|word| word == "ssl" || word == "quic");
        let is_taken = others.iter().any(at) && !is_there
            || listen.iter().any(is_default)
            || is_tls && facts.build.version < REJECTS
            || done.iter().any(|done| done.is_at(&bound));
        if !is_taken {
            let kept = |word: &&String| PROTOCOLS.contains(&word.as_str());
            let address = listen.first().into_iter();
            let mut all: Vec<&str> = address
                .chain(listen.iter().filter(kept))
                .map(String::as_str)
                .collect();
            all.push("default_server");
            words.push(all.join(" "));
            done.push(bound);
        }
    }
    words
}
