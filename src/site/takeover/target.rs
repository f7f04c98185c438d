//! Where a `proxy_pass` leads: to the app, past it, or in a way that nobody can follow.

use nginx::dump::{authority, local_port};
use nginx::syntax::{Directive, Span};

/// The ways to one port.
pub(super) struct Targets<'d> {
    port: u16,
    upstreams: Vec<Upstream<'d>>,
}

struct Upstream<'d> {
    name: &'d str,
    here: bool,
    elsewhere: Option<&'d Span>,
}

/// A `proxy_pass` that leads to the app.
pub(super) struct Target<'d> {
    /// What stands for `$proxy_host`.
    pub(super) authority: &'d str,
    /// All of it.
    pub(super) url: &'d str,
    /// What stands behind the address, from its slash.
    pub(super) uri: Option<&'d str>,
    /// Another server of the upstream that it names.
    pub(super) elsewhere: Option<&'d Span>,
}

impl<'d> Targets<'d> {
    pub(super) fn new(http: &[&'d Directive], port: u16) -> Targets<'d> {
        let upstream = |d: &&'d Directive| {
            let name = d.args.first().filter(|_| d.name == "upstream")?;
            let servers = || d.block.iter().filter(|d| d.name == "server");
            let is_here =
                |server: &&Directive| server.args.first().and_then(|at| local_port(at)) == Some(port);
            Some(Upstream {
                name,
                here: servers().any(|server| is_here(&server)),
                elsewhere: servers()
                    .find(|server| !is_here(server))
                    .map(|server| &server.place),
            })
        };
        Targets {
            port,
            upstreams: http.iter().filter_map(upstream).collect(),
        }
    }

    fn upstream(&self, target: &str) -> Option<&Upstream<'d>> {
        let name = authority(target);
        self.upstreams.iter().find(|one| one.here && one.name == name)
    }

    /// Whether an address is the app's, its URL included.
    pub(super) fn is_apps(&self, target: &str) -> bool {
        // `http://127.0.0.1:5000$request_uri`
        let fixed = target.split('$').next().unwrap_or_default();
        local_port(fixed) == Some(self.port) || self.upstream(fixed).is_some()
    }

    /// Whether a directive passes something to the app.
    pub(super) fn leads_there(&self, d: &Directive) -> bool {
        d.name.ends_with("_pass") && d.args.first().is_some_and(|target| self.is_apps(target))
    }

    /// Where a `proxy_pass` leads, if that is to the app.
    pub(super) fn of(&self, d: &'d Directive) -> Option<Target<'d>> {
        let url = d.args.first().filter(|url| self.is_apps(url))?;
        let (_, rest) = url.split_once("://")?;
        let authority = authority(url);
        Some(Target {
            authority,
            url,
            uri: rest.get(authority.len()..).filter(|uri| !uri.is_empty()),
            elsewhere: self.upstream(url).and_then(|upstream| upstream.elsewhere),
        })
    }
}
