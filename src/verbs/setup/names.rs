//! Whose requests a site takes: its names and its listeners beside those of other sites.

use crate::host::nginx::dump::Server;
use crate::host::nginx::names;
use crate::host::nginx::render::Facts;
use crate::model::config::Config;
use crate::model::failure::{Failure, Kind};
use crate::model::layout::NginxLayout;
use crate::model::listen::Bound;

use super::ground::{self, Ground};

/// What a `server` listens on that names nothing, for root's NGINX.
const USUAL: &str = "80";

/// A site of ours takes no requests away from one that is there. NGINX looks at the address
/// first and at the name then; of two that are the same it asks whichever it reads first, and
/// only warns.
///
/// # Errors
/// The first name or listener that would.
pub fn are_free(config: &Config, ground: &Ground) -> Result<(), Failure> {
    let files = NginxLayout::of(&ground.entry);
    if !ground.site_is_ours {
        return Ok(());
    }
    let ours: Vec<Bound> = config
        .nginx
        .listen
        .iter()
        .filter_map(|text| bound(text))
        .collect();
    let others = others(&files, ground);
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
fn others(files: &NginxLayout, ground: &Ground) -> Vec<Server> {
    let site = std::fs::canonicalize(files.site()).unwrap_or_else(|_| files.site());
    let is_ours = |server: &Server| {
        let file = &server.place.file;
        *file == files.site()
            || file.starts_with(files.folder())
            || std::fs::canonicalize(file).is_ok_and(|file| file == site)
    };
    let servers = ground.dump.servers().into_iter();
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
pub fn facts(config: &Config, ground: &Ground) -> Facts {
    let files = NginxLayout::of(&ground.entry);
    let names = match ground.site_is_ours {
        true => Vec::new(),
        false => ground::site(config, &files, &ground.dump)
            .into_iter()
            .filter(|server| server.includes.contains(&files.route()))
            .flat_map(|server| server.names)
            .collect(),
    };
    Facts {
        realip: ground.build.realip,
        names,
        refusing: Vec::new(),
    }
}
