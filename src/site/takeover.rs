//! A site that somebody else wrote, led through the switch with its meaning kept: where it
//! passes requests to the app's port, the color's upstream takes that place. What is not
//! touched stays byte for byte; what could change its meaning is refused with its place.

mod edits;
mod location;
mod refused;
mod statics;
mod target;

use std::path::{Path, PathBuf};

use edits::Edits;
use nginx::dump::{Dump, values, walk};
use nginx::files::Rendered;
use nginx::syntax::{Directive, Span};
pub use refused::Refused;
use target::Targets;

/// What the site shall be led to.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The port that the app holds.
    pub port: u16,
    /// `route.conf`.
    pub route: PathBuf,
    /// `pass.conf`.
    pub pass: PathBuf,
    /// The variable with the live color's folder, its `$` included.
    pub root: String,
    /// The work tree, links resolved, whose folders NGINX may serve.
    pub checkout: Option<PathBuf>,
    /// What of the work tree NGINX serves and git does not have: relative, left as it is.
    pub untracked: Vec<PathBuf>,
}

/// A site as it will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takeover {
    /// The servers that pass something to the app.
    pub servers: Vec<Taken>,
    /// The files that change, whole, in an order in which each can be put in place alone.
    pub files: Vec<Rendered>,
    /// What NGINX serves from the work tree, and from the color's release from now on.
    pub statics: Vec<Served>,
    /// What stays as it is although it could be meant otherwise.
    pub notes: Vec<String>,
}

/// A server that passes something to the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where it begins.
    pub place: Span,
    /// Its names.
    pub names: Vec<String>,
    /// The words of each `listen`.
    pub listens: Vec<String>,
    /// Certificate and key, as written.
    pub tls: Option<(String, String)>,
    /// Prefixes and exact paths that go to the app, as they are asked for.
    pub paths: Vec<String>,
    /// Whether something goes there by a regular expression or a name, of which no path is
    /// known.
    pub hidden: bool,
}

/// A folder or file of the work tree that NGINX serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// Relative to the work tree.
    pub folder: PathBuf,
    /// The URL prefix, where it is one from `/` to `/`.
    pub url: Option<String>,
}

/// Looks through the whole configuration for ways to the app.
///
/// # Errors
/// Everything that is refused, at once.
pub fn take(dump: &Dump, wish: &Wish) -> Result<Takeover, Vec<Refused>> {
    let http: Vec<&Directive> = dump.http().collect();
    let mut walk = Walk {
        wish,
        dump,
        targets: Targets::new(&http, wish.port),
        edits: Edits::default(),
        refused: Vec::new(),
        taken: Takeover::default(),
    };
    walk.look_for_variables(&http);
    for server in http.iter().filter(|d| d.name == "server") {
        walk.server(server, &http);
    }
    walk.finish()
}

/// The blocks around a directive, `http` first: what each of them says.
type Around<'d> = Vec<Vec<&'d Directive>>;

struct Walk<'d> {
    wish: &'d Wish,
    dump: &'d Dump,
    targets: Targets<'d>,
    edits: Edits,
    refused: Vec<Refused>,
    taken: Takeover,
}

impl<'d> Walk<'d> {
    fn refuse(&mut self, d: &Directive, what: impl Into<String>, fix: impl Into<String>) {
        let refused = Refused {
            place: d.place.clone(),
            what: what.into(),
            fix: fix.into(),
        };
        // A snippet that is included twice is refused once.
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    fn text_of(&self, file: &Path) -> &'d str {
        let files = &self.dump.files;
        files
            .iter()
            .find(|(path, _)| path == file)
            .map_or("", |(_, text)| text.as_str())
    }

    /// A directive as it is written.
    fn raw(&self, d: &Directive) -> &'d str {
        self.text_of(&d.place.file)
            .get(d.span.clone())
            .unwrap_or_default()
    }

    /// `set $backend http://127.0.0.1:5000;`, and a `map` that does the same.
    fn look_for_variables(&mut self, http: &[&'d Directive]) {
        let mut found = Vec::new();
        for block in http {
            walk(std::slice::from_ref(*block), &mut |d| {
                if values(d).iter().any(|value| self.targets.is_apps(value)) {
                    found.push(d);
                }
            });
        }
        let names: Vec<&str> = found
            .iter()
            .filter_map(|d| d.args.get(usize::from(d.name != "set")))
            .map(String::as_str)
            .collect();
        let mut passes = Vec::new();
        for block in http {
            walk(std::slice::from_ref(*block), &mut |d| {
                let target = d.args.first().filter(|_| d.name == "proxy_pass");
                if target.is_some_and(|target| names.iter().any(|name| target.ends_with(name))) {
                    passes.push(d);
                }
            });
        }
        for d in found {
            self.refuse(
                d,
                "a variable holds the app's address",
                "name the app by its address alone",
            );
        }
        let fix = format!(
            "write the address here: `proxy_pass http://127.0.0.1:{};`",
            self.wish.port
        );
        for d in passes {
            self.refuse(d, "the app is reached by a variable", fix.clone());
        }
    }

    fn server(&mut self, server: &'d Directive, http: &[&'d Directive]) {
        let mut passes = false;
        walk(&server.block, &mut |d| passes |= self.targets.leads_there(d));
        if !passes {
            return;
        }
        let own: Vec<&Directive> = server.block.iter().collect();
        self.cannot_stand(server, http);
        self.taken.servers.push(taken(server, http));
        self.lead_in(server, http);
        let around = vec![http.to_vec(), own];
        self.block(server, &around);
    }

    /// What the included route does not stand beside.
    fn cannot_stand(&mut self, server: &'d Directive, http: &[&'d Directive]) {
        let mut caches = Vec::new();
        walk(&server.block, &mut |d| {
            if d.name == "open_file_cache" && d.args.first().is_some_and(|first| first != "off") {
                caches.push(d);
            }
        });
        for d in caches {
            self.refuse(
                d,
                "a file cache in a server whose files follow the color would serve stale ones",
                "take `open_file_cache` out of this server",
            );
        }
        let mut symlinks: Vec<&Directive> = http
            .iter()
            .copied()
            .filter(|d| d.name == "disable_symlinks")
            .collect();
        walk(&server.block, &mut |d| {
            if d.name == "disable_symlinks" {
                symlinks.push(d);
            }
        });
        for d in symlinks
            .into_iter()
            .filter(|d| d.args.first().is_some_and(|first| first != "off"))
        {
            self.refuse(
                d,
                "`disable_symlinks` stops NGINX from following the live link",
                "`disable_symlinks off;` in the server",
            );
        }
    }

    /// The route, as the server's first words.
    fn lead_in(&mut self, server: &'d Directive, http: &[&'d Directive]) {
        let route = format!("include \"{}\";", self.wish.route.display());
        let mut lines = vec!["# bg: which color is live".to_owned(), route];
        let is_page = |d: &&Directive| d.name == "error_page";
        if !server.block.iter().any(|d| is_page(&d)) {
            // The route has one of its own, and then those further out would not count.
            lines.extend(
                http.iter()
                    .copied()
                    .filter(is_page)
                    .map(|d| self.raw(d).to_owned()),
            );
        }
        let cached = server
            .block
            .iter()
            .find(|d| d.name == "open_file_cache" && d.place.file == server.place.file);
        if let Some(d) = cached.filter(|d| d.args.first().is_some_and(|first| first == "off")) {
            // Said by the route.
            self.edits.cut(self.text_of(&d.place.file), d);
        }
        self.edits
            .lead_in(self.text_of(&server.place.file), server, &lines);
    }

    fn block(&mut self, owner: &'d Directive, around: &Around<'d>) {
        for d in &owner.block {
            match d.name.as_str() {
                "proxy_pass" => self.pass(owner, d, around),
                "root" | "alias" => self.serve(owner, d),
                "location" => {
                    let mut inner = around.clone();
                    inner.push(d.block.iter().collect());
                    self.block(d, &inner);
                }
                "if" | "limit_except" => self.no_way_inside(d),
                name if name.ends_with("_pass") && self.targets.is_apps(d.args.first().map_or("", |a| a)) => {
                    self.refuse(
                        d,
                        format!("`{name}` is not HTTP"),
                        "`bg` switches what `proxy_pass` passes on",
                    );
                }
                _ => {}
            }
        }
    }

    fn no_way_inside(&mut self, block: &'d Directive) {
        let mut found = Vec::new();
        walk(&block.block, &mut |d| {
            if self.targets.leads_there(d) {
                found.push(d);
            }
        });
        for d in found {
            self.refuse(
                d,
                format!("a `proxy_pass` to the app inside `{}`", block.name),
                "move it into a `location` of its own",
            );
        }
    }

    fn finish(mut self) -> Result<Takeover, Vec<Refused>> {
        let first: Vec<PathBuf> = self
            .taken
            .servers
            .iter()
            .map(|server| server.place.file.clone())
            .collect();
        match self.edits.carry_out(|file| self.text_of(file).to_owned(), &first) {
            Ok(files) => self.taken.files = files,
            Err(clash) => self.refused.push(clash),
        }
        self.taken.statics.sort();
        self.taken.statics.dedup();
        self.taken.notes.dedup();
        match self.refused.is_empty() {
            true => Ok(self.taken),
            false => Err(self.refused),
        }
    }
}

fn taken(server: &Directive, http: &[&Directive]) -> Taken {
    let all = |name: &str| {
        server
            .block
            .iter()
            .filter(move |d| d.name == name)
            .collect::<Vec<_>>()
    };
    let one = |name: &str| {
        let own = all(name).into_iter().next();
        let found = own.or_else(|| http.iter().copied().find(|d| d.name == name))?;
        found.args.first().cloned()
    };
    Taken {
        place: server.place.clone(),
        names: all("server_name").iter().flat_map(|d| d.args.clone()).collect(),
        listens: all("listen").iter().map(|d| d.args.join(" ")).collect(),
        tls: one("ssl_certificate").zip(one("ssl_certificate_key")),
        paths: Vec::new(),
        hidden: false,
    }
}

#[cfg(test)]
mod tests;
