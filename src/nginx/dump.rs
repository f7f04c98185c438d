//! The configuration that NGINX reads, as `nginx -T` prints it, and what can be asked of it.

use std::path::{Path, PathBuf};

use crate::raw;
use crate::syntax::{self, Directive, Span};

mod access_logs;
mod caches;
mod chosen;
mod limits;
mod loaded;
mod own;
mod passed;
mod read;
mod ways;

pub use limits::Limit;
pub use own::{Given, Own, Why};
pub use ways::values;

/// How deep includes are followed: NGINX itself refuses a circle.
const DEEPEST: usize = 16;

/// How much text is put in place for includes, as much as is read of what NGINX prints: in
/// a circle that NGINX has not seen yet, each level would be many times the one before.
const INCLUDED: usize = 16 << 20;

/// What an include takes of that besides its text.
const EACH: usize = 256;

/// What a server has from `http` where it says nothing itself. Of all that stands there,
/// other servers above all, this alone is gone through for each.
const INHERITED: [&str; 7] = [
    "http2",
    "http3",
    "keepalive_min_timeout",
    "open_file_cache",
    "disable_symlinks",
    "ssl_certificate",
    "ssl_certificate_key",
];

/// All files of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Each file with its text, the main one first.
    pub files: Vec<(PathBuf, String)>,
    /// The main file with every include in its place.
    tree: Vec<Directive>,
}

/// A `server` of `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it begins.
    pub place: Span,
    /// The words of each `listen`.
    pub listens: Vec<Vec<String>>,
    /// Its names.
    pub names: Vec<String>,
    /// Whether it speaks HTTP/2, also because a server on the same address does.
    pub http2: bool,
    /// Whether it speaks HTTP/3.
    pub http3: bool,
    /// `keepalive_min_timeout` as in force, from here or from `http`.
    pub keepalive_min_timeout: Option<String>,
    /// `open_file_cache` as in force, `None` or `off` when there is none.
    pub open_file_cache: Option<String>,
    /// `disable_symlinks` as in force.
    pub disable_symlinks: Option<String>,
    /// Every file that is included in it, at any depth, absolute.
    pub includes: Vec<PathBuf>,
    /// `ssl_certificate` and `ssl_certificate_key` as in force, absolute; none whose name is
    /// made up at each request.
    pub certificates: Vec<(PathBuf, PathBuf)>,
}

/// A directive of interest and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub place: Span,
    /// Its arguments, one space between: an address, a folder.
    pub text: String,
}

impl Dump {
    /// Reads what `nginx -T` has printed.
    #[must_use]
    pub fn parse(output: &str) -> Dump {
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for line in output.split_inclusive('\n') {
            let name = line
                .strip_prefix("# configuration file ")
                .and_then(|rest| rest.trim_end().strip_suffix(':'));
            match (name, files.last_mut()) {
                (Some(name), _) => files.push((PathBuf::from(name), String::new())),
                (None, Some((_, text))) => text.push_str(line),
                (None, None) => {}
            }
        }
        Dump::of(files)
    }

    /// The same with the files' own bytes where they are no UTF-8, which the output of a
    /// command is made into.
    #[must_use]
    pub fn with_their_bytes(self) -> Dump {
        let own = |(path, text): (PathBuf, String)| {
            let odd = text.contains(char::REPLACEMENT_CHARACTER);
            let disk = odd.then(|| raw::read(&path).ok()).flatten();
            let same = |disk: &String| raw::shown(disk).trim_end() == text.trim_end();
            let text = disk.filter(same).unwrap_or(text);
            (path, text)
        };
        Dump::of(self.files.into_iter().map(own).collect())
    }

    fn of(files: Vec<(PathBuf, String)>) -> Dump {
        let tree = files.first().map_or_else(Vec::new, |(main, text)| {
            let dir = main.parent().unwrap_or(Path::new("/"));
            let mut room = INCLUDED;
            expand(syntax::parse(main, text), dir, &files, DEEPEST, &mut room)
        });
        Dump { files, tree }
    }

    /// The `pid` of the main file.
    #[must_use]
    pub fn pid(&self) -> Option<PathBuf> {
        self.main("pid").map(PathBuf::from)
    }

    /// The user of the workers, as written.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.main("user").map(str::to_owned)
    }

    /// The same with their group, where that is written too.
    #[must_use]
    pub fn workers(&self) -> &[String] {
        let user = self.tree.iter().find(|d| d.name == "user");
        user.map_or(&[], |d| &d.args)
    }

    /// The first `error_log` outside of all blocks that is a file.
    #[must_use]
    pub fn error_log(&self) -> Option<PathBuf> {
        self.main("error_log")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    fn main(&self, name: &str) -> Option<&str> {
        first(&self.tree, name)
    }

    /// What stands in `http`, includes in their place.
    pub fn http(&self) -> impl Iterator<Item = &Directive> {
        self.tree
            .iter()
            .filter(|d| d.name == "http")
            .flat_map(|http| &http.block)
    }

    /// Whether a file at `path`, there or not yet, is included inside `http`.
    #[must_use]
    pub fn http_includes(&self, path: &Path) -> bool {
        let dir = self.dir();
        self.http()
            .filter(|d| d.name == "include")
            .any(|d| d.args.iter().any(|pattern| matches(&dir.join(pattern), path)))
    }

    fn dir(&self) -> &Path {
        self.files
            .first()
            .and_then(|(main, _)| main.parent())
            .unwrap_or(Path::new("/"))
    }

    /// Every `server` of `http`.
    #[must_use]
    pub fn servers(&self) -> Vec<Server> {
        let http: Vec<&Directive> = self
            .http()
            .filter(|d| INHERITED.contains(&d.name.as_str()))
            .collect();
        let in_force = |block: &[Directive], name: &str| {
            let outer = || http.iter().find(|d| d.name == name).map(|d| d.args.join(" "));
            block
                .iter()
                .find(|d| d.name == name)
                .map(|d| d.args.join(" "))
                .or_else(outer)
        };
        let mut servers: Vec<Server> = self
            .http()
            .filter(|d| d.name == "server")
            .map(|server| {
                let block = &server.block;
                let listens: Vec<Vec<String>> = block
                    .iter()
                    .filter(|d| d.name == "listen")
                    .map(|d| d.args.clone())
                    .collect();
                let speaks = |word: &str| listens.iter().flatten().any(|found| found == word);
                Server {
                    place: server.place.clone(),
                    http2: speaks("http2") || in_force(block, "http2").as_deref() == Some("on"),
                    // `quic` alone is enough: `http3` is on unless it was turned off.
                    http3: speaks("quic") && in_force(block, "http3").as_deref() != Some("off"),
                    names: block
                        .iter()
                        .filter(|d| d.name == "server_name")
                        .flat_map(|d| d.args.clone())
                        .collect(),
                    keepalive_min_timeout: in_force(block, "keepalive_min_timeout"),
                    open_file_cache: in_force(block, "open_file_cache"),
                    disable_symlinks: in_force(block, "disable_symlinks"),
                    includes: self.included(block),
                    certificates: self.certificates(block, &http),
                    listens,
                }
            })
            .collect();
        share_http2(&mut servers);
        servers
    }

    fn included(&self, block: &[Directive]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(block, &mut |d| {
            if d.name == "include" {
                found.extend(d.args.iter().map(|path| self.dir().join(path)));
            }
        });
        found
    }

    /// Every folder that NGINX serves files from: `root` and `alias`, as written.
    #[must_use]
    pub fn served_folders(&self) -> Vec<Found> {
        self.find(|d| d.name == "root" || d.name == "alias")
    }

    fn find(&self, wanted: impl Fn(&Directive) -> bool) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        walk(&self.tree, &mut |d| {
            let one = Found {
                place: d.place.clone(),
                text: d.args.join(" "),
            };
            // A file that is included twice is reported once.
            if wanted(d) && !found.contains(&one) {
                found.push(one);
            }
        });
        found
    }
}

/// Before `http2 on`, the word was the address's: one server turned it on for all.
fn share_http2(servers: &mut [Server]) {
    let spoken: Vec<String> = servers
        .iter()
        .flat_map(|server| &server.listens)
        .filter(|words| words.iter().any(|word| word == "http2"))
        .filter_map(|words| words.first().cloned())
        .collect();
    for server in servers {
        let shared = |words: &Vec<String>| words.first().is_some_and(|address| spoken.contains(address));
        server.http2 |= server.listens.iter().any(shared);
    }
}

/// The first word behind the first directive of this name.
fn first<'a>(block: &'a [Directive], name: &str) -> Option<&'a str> {
    let directive = block.iter().find(|d| d.name == name)?;
    directive.args.first().map(String::as_str)
}

/// Every directive in `block`, and in the blocks in it.
pub fn walk<'d>(block: &'d [Directive], visit: &mut impl FnMut(&'d Directive)) {
    for directive in block {
        visit(directive);
        walk(&directive.block, visit);
    }
}

/// Puts what a file includes behind the `include` that names it, as far as there is `room`.
fn expand(
    block: Vec<Directive>,
    dir: &Path,
    files: &[(PathBuf, String)],
    deep: usize,
    room: &mut usize,
) -> Vec<Directive> {
    let mut all = Vec::new();
    for mut directive in block {
        let patterns = match (directive.name.as_str(), deep) {
            ("include", 1..) => directive.args.clone(),
            _ => Vec::new(),
        };
        directive.block = expand(directive.block, dir, files, deep, room);
        all.push(directive);
        for pattern in patterns {
            let pattern = dir.join(pattern);
            for (path, text) in files.iter().filter(|(path, _)| matches(&pattern, path)) {
                let Some(left) = room.checked_sub(text.len() + EACH) else {
                    break;
                };
                *room = left;
                all.extend(expand(syntax::parse(path, text), dir, files, deep - 1, room));
            }
        }
    }
    all
}

/// Whether `path` fits an include's pattern. `*` and `?` stay within a folder's name, and
/// a hidden file fits only a pattern that begins with a dot, as in glob(3).
fn matches(pattern: &Path, path: &Path) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.components().collect(), path.components().collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, name)| {
            let (pattern, name) = (
                pattern.as_os_str().to_string_lossy(),
                name.as_os_str().to_string_lossy(),
            );
            let hidden = name.starts_with('.') && !pattern.starts_with('.');
            pattern == name || (!hidden && name_fits(pattern.as_bytes(), name.as_bytes()))
        })
}

/// Where it does not fit, the last `*` is tried with one letter more: never more than pattern
/// times name.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(here) {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, here));
            }
            (Some(wanted), _) if wanted == letter || *wanted == b'?' => (at, here) = (at + 1, here + 1),
            (_, Some((behind, eaten))) => {
                (at, here) = (behind, eaten + 1);
                star = Some((behind, here));
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == b'*')
}

/// `http://127.0.0.1:5000/x`, `localhost:5000`, `[::1]:5000`: the port of this machine.
pub fn local_port(target: &str) -> Option<u16> {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let (host, digits) = authority.rsplit_once(':')?;
    let here = host.starts_with("127.") || ["localhost", "0.0.0.0", "[::1]", "[::]"].contains(&host);
    digits.parse().ok().filter(|_| here)
}

/// What stands for a host and a port in an address: `backend` of `http://backend/x`.
pub fn authority(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests;
