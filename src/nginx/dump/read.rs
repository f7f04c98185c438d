//! The configuration from its files, for whoever may not have NGINX itself read it or finds
//! that it refuses to; and what a server or the main file says about single things.

use std::io;
use std::path::{Path, PathBuf};

use sys::store::read_plain;

use crate::dump::{Dump, walk};
use crate::syntax::{self, Directive};

/// More than any file of a configuration that people write.
const LONGEST: u64 = 4 << 20;

/// What NGINX takes where `worker_connections` is not written.
const CONNECTIONS: u64 = 512;

impl Dump {
    /// Reads `conf` and what it includes, without NGINX and leniently: a file that may not be
    /// read, or that is broken, is left out.
    ///
    /// # Errors
    /// When `conf` itself cannot be read.
    pub fn read(conf: &Path) -> io::Result<Dump> {
        let mut files = vec![(conf.to_owned(), text(conf)?)];
        let dir = conf.parent().unwrap_or(Path::new("/"));
        let mut next = 0;
        while let Some((file, text)) = files.get(next).cloned() {
            next += 1;
            for path in included(&syntax::parse(&file, &text), dir) {
                let known = files.iter().any(|(file, _)| *file == path);
                if !known && let Ok(text) = self::text(&path) {
                    files.push((path, text));
                }
            }
        }
        Ok(Dump::of(files))
    }

    /// `worker_connections`: how many connections a worker may have, those to upstreams
    /// included.
    #[must_use]
    pub fn worker_connections(&self) -> u64 {
        let events = self.tree.iter().filter(|d| d.name == "events");
        let mut said = events.flat_map(|events| &events.block);
        said.find(|d| d.name == "worker_connections")
            .and_then(|d| d.args.first()?.parse().ok())
            .unwrap_or(CONNECTIONS)
    }

    pub(super) fn certificates(&self, server: &[Directive], http: &[&Directive]) -> Vec<(PathBuf, PathBuf)> {
        let all = |name: &str| {
            let own: Vec<&Directive> = server.iter().filter(|d| d.name == name).collect();
            let outer = || http.iter().copied().filter(|d| d.name == name).collect();
            let found: Vec<&Directive> = if own.is_empty() { outer() } else { own };
            let paths = found.into_iter().filter_map(|d| d.args.first());
            paths.map(|path| self.dir().join(path)).collect::<Vec<_>>()
        };
        let made_up = |path: &Path| path.to_string_lossy().contains(['$', ':']);
        all("ssl_certificate")
            .into_iter()
            .zip(all("ssl_certificate_key"))
            .filter(|(certificate, _)| !made_up(certificate))
            .collect()
    }
}

fn included(block: &[Directive], dir: &Path) -> Vec<PathBuf> {
    let mut patterns = Vec::new();
    walk(block, &mut |d| {
        if d.name == "include" {
            patterns.extend(d.args.first().map(|pattern| dir.join(pattern)));
        }
    });
    let found = patterns
        .iter()
        .filter_map(|pattern| glob::glob(&pattern.to_string_lossy()).ok());
    found.flat_map(|paths| paths.flatten()).collect()
}

fn text(path: &Path) -> io::Result<String> {
    let bytes = read_plain(path, LONGEST)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
