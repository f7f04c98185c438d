//! The part of a bg.toml that says what NGINX has.

use std::path::{Path, PathBuf};

use crate::model::listen::Listener;

use super::{Ground, quoted};

/// Folders that NGINX's main file may include, the usual ones.
const INCLUDES: [&str; 5] = ["conf.d", "sites-enabled", "http.d", "vhosts.d", "servers"];

/// The names of the site's servers that a probe can ask by.
pub(super) fn names(ground: &Ground<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in ground.takeover.servers.iter().flat_map(|server| &server.names) {
        if !name.is_empty() && !name.starts_with('~') && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// `[nginx]` and what belongs to it.
pub(super) fn write(ground: &Ground<'_>, health: &str, say: &mut impl FnMut(String)) {
    let dir = ground.conf.parent().unwrap_or(Path::new("/"));
    let servers = &ground.takeover.servers;
    let names = names(ground);
    let first = names.first().cloned().unwrap_or_else(|| "_".to_owned());
    // Others by another name may listen elsewhere, where this one means another site.
    let same = |names: &[String]| names.is_empty() || names.contains(&first);
    let of_name: Vec<_> = servers.iter().filter(|server| same(&server.names)).collect();
    let mut listens: Vec<String> = Vec::new();
    for text in of_name.iter().flat_map(|server| &server.listens) {
        let listener = text.parse::<Listener>().ok().filter(|listener| !listener.http3);
        let address = text.split_whitespace().next();
        let known = listens
            .iter()
            .any(|known| known.split_whitespace().next() == address);
        if let Some(listener) = listener.filter(|_| !known) {
            listens.push(listener.text);
        }
    }
    if listens.is_empty() {
        listens.push("80".to_owned());
    }
    let mut paths: Vec<String> = Vec::new();
    for path in of_name.iter().flat_map(|server| &server.paths) {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    if paths.is_empty() {
        paths.push(health.to_owned());
    }
    let list = |all: &[String]| all.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { vec![first] } else { names };
    say(format!("\n[nginx]\nserver_names = [{}]", list(&names)));
    say(format!(
        "listen = [{}]\npaths = [{}]",
        list(&listens),
        list(&paths)
    ));
    say(format!("conf = {}", quoted(ground.conf.display())));
    let hook = |folder: &&&str| ground.dump.http_includes(&dir.join(folder).join("bg-x.conf"));
    say(format!(
        "include = {}",
        quoted(INCLUDES.iter().find(hook).unwrap_or(&"conf.d"))
    ));
    let site = servers
        .first()
        .map(|server| server.place.file.clone())
        .unwrap_or_default();
    let site = site.strip_prefix(dir).map(Path::to_owned);
    let main = || ground.conf.file_name().map(PathBuf::from).unwrap_or_default();
    say(
        "# The site's own file: `bg adopt` changes the lines that it shows, nothing else ever does."
            .to_owned(),
    );
    say(format!(
        "site = {}",
        quoted(site.unwrap_or_else(|_| main()).display())
    ));
    for served in &ground.takeover.statics {
        if let Some(url) = served.url.as_ref().filter(|url| !paths.contains(url)) {
            say(format!(
                "\n[[nginx.static]]\nurl = {}\nfolder = {}",
                quoted(url),
                quoted(served.folder.display())
            ));
        }
    }
    let tls = of_name.iter().find_map(|server| server.tls.as_ref());
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
