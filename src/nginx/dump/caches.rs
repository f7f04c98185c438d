//! Where NGINX keeps what an app answers.

use std::net::SocketAddr;

use crate::dump::Dump;
use crate::syntax::Span;

impl Dump {
    /// The `proxy_cache` in force where a request for `path` is answered, unless `variable` keeps
    /// answers from it, and from those that ask for them.
    #[must_use]
    pub fn caches(&self, at: SocketAddr, host: &str, path: &str, variable: &str) -> Option<Span> {
        let server = self.servers_at(at, host).into_iter().next()?;
        let levels = self.levels(server, path);
        let cache = levels.in_force("proxy_cache").into_iter().next()?;
        let is_kept_from = |name: &str| {
            let said = levels.in_force(name);
            said.iter().any(|d| d.args.iter().any(|arg| arg == variable))
        };
        let is_off = cache.args.first().is_some_and(|name| name == "off");
        let is_safe = is_off || is_kept_from("proxy_no_cache") && is_kept_from("proxy_cache_bypass");
        (!is_safe).then(|| cache.place.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::dump::Dump;

    #[test]
    fn a_cache_counts_unless_it_is_kept_from() {
        let caches = |http: &str, location: &str| {
            let dump = Dump::parse(&format!(
                "# configuration file /e/nginx.conf:\nhttp {{\n{http}\nserver {{\nlisten 80;\nlocation / {{ {location} }}\n}}\n}}\n"
            ));
            dump.caches("127.0.0.1:80".parse().unwrap(), "shop.test", "/", "$bg_shop_past")
                .is_some()
        };
        assert!(!caches("", ""));
        assert!(caches("proxy_cache all;", ""));
        assert!(!caches("proxy_cache all;", "proxy_cache off;"));
        assert!(caches("", "proxy_cache all; proxy_no_cache $bg_shop_past;"));
        let kept = "proxy_no_cache $http_x $bg_shop_past; proxy_cache_bypass $bg_shop_past;";
        assert!(!caches("proxy_cache all;", kept));
    }
}
