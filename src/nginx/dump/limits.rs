//! How often NGINX lets somebody ask.

use std::net::SocketAddr;
use std::time::Duration;

use crate::dump::Dump;

/// A limit of `limit_req`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// One request each, on average.
    pub every: Duration,
    /// How many more at once.
    pub burst: u32,
}

impl Dump {
    /// The slowest limit that is in force where a request for `path` is answered.
    #[must_use]
    pub fn limit(&self, at: SocketAddr, host: &str, path: &str) -> Option<Limit> {
        let server = self.servers_at(at, host).into_iter().next()?;
        let limits = self.levels(server, path).in_force("limit_req");
        let one = |args: &Vec<String>| {
            let said = |key: &str| args.iter().find_map(|arg| arg.strip_prefix(key));
            let zone = said("zone=")?;
            Some(Limit {
                every: self.rate_of(zone)?,
                burst: said("burst=").and_then(|burst| burst.parse().ok()).unwrap_or(0),
            })
        };
        let found = limits.iter().filter_map(|d| one(&d.args));
        found.max_by_key(|limit| (limit.every, std::cmp::Reverse(limit.burst)))
    }

    /// `rate=10r/s` or `rate=30r/m` of a zone.
    fn rate_of(&self, zone: &str) -> Option<Duration> {
        let is_it = |arg: &String| {
            let named = arg.strip_prefix("zone=").and_then(|rest| rest.split(':').next());
            named == Some(zone)
        };
        let mut zones = self.http().filter(|d| d.name == "limit_req_zone");
        let d = zones.find(|d| d.args.iter().any(is_it))?;
        let rate = d.args.iter().find_map(|arg| arg.strip_prefix("rate="))?;
        let (count, unit) = rate.split_once("r/")?;
        let per = Duration::from_secs(if unit == "m" { 60 } else { 1 });
        per.checked_div(count.parse().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::dump::limits::*;

    #[test]
    fn the_slowest_limit_in_force_counts() {
        let dump = Dump::parse(
            "# configuration file /e/nginx.conf:\nhttp {\nlimit_req_zone $binary_remote_addr zone=one:1m rate=10r/s;\n\
             limit_req_zone $server_name zone=two:1m rate=30r/m;\nlimit_req zone=one burst=20 nodelay;\nserver {\nlisten 80;\n\
             location /strict/ { limit_req zone=one burst=5; limit_req zone=two; }\nlocation /other/ { limit_req zone=none; }\n}\n}\n",
        );
        let limit = |path: &str| dump.limit("127.0.0.1:80".parse().unwrap(), "shop.test", path);
        let of = |ms, burst| {
            Some(Limit {
                every: Duration::from_millis(ms),
                burst,
            })
        };
        assert_eq!(limit("/"), of(100, 20));
        assert_eq!(limit("/strict/x"), of(2000, 0));
        assert_eq!(limit("/other/"), None);
    }
}
