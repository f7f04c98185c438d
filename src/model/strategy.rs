//! Which way traffic moves on a host, decided once and then kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::SwitchStrategy;

/// What is known of a host and a site when the way is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NginxFacts {
    /// NGINX's version.
    pub version: (u64, u64, u64),
    /// Whether `keepalive_min_timeout` is in force in the site.
    pub keepalive_min_timeout: bool,
    /// Whether one of the site's listeners speaks HTTP/2 or HTTP/3.
    pub http2_or_3: bool,
    /// Whether whoever switches may reload NGINX.
    pub can_reload: bool,
}

/// The first version that knows `keepalive_min_timeout`: it keeps an idle connection
/// open long enough for a request that is already under way.
pub const KEEPS_CONNECTIONS: (u64, u64, u64) = (1, 27, 4);

/// The way to use, and why, in an operator's words. Never [`SwitchStrategy::Auto`].
///
/// `auto` reloads only where a reload loses no request; in every other case, and
/// wherever something is not known to hold, it is the live way.
#[must_use]
pub fn decide(wanted: SwitchStrategy, facts: NginxFacts) -> (SwitchStrategy, String) {
    let loses = what_a_reload_loses(facts);
    match wanted {
        SwitchStrategy::Live => (SwitchStrategy::Live, "bg.toml asks for it".to_owned()),
        SwitchStrategy::Reload => {
            let cost = loses.map_or_else(String::new, |why| format!("; {why}"));
            (SwitchStrategy::Reload, format!("bg.toml asks for it{cost}"))
        }
        SwitchStrategy::Auto => match loses {
            Some(why) => (SwitchStrategy::Live, why.to_string()),
            None if !facts.can_reload => (
                SwitchStrategy::Live,
                "a reload needs root, and switches run without it".to_owned(),
            ),
            None => (
                SwitchStrategy::Reload,
                format!(
                    "NGINX {} with `keepalive_min_timeout` and HTTP/1 only: a reload loses no request",
                    dotted(facts.version)
                ),
            ),
        },
    }
}

/// Why a reload would cost requests here, `None` when it would not.
#[must_use]
pub fn what_a_reload_loses(facts: NginxFacts) -> Option<ReloadCost> {
    if facts.version < KEEPS_CONNECTIONS {
        Some(ReloadCost::OldNginx {
            nginx: dotted(facts.version),
        })
    } else if facts.http2_or_3 {
        Some(ReloadCost::Http2Or3)
    } else if !facts.keepalive_min_timeout {
        Some(ReloadCost::NoKeepaliveMinTimeout)
    } else {
        None
    }
}

/// Why a reload costs requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum ReloadCost {
    /// NGINX is older than 1.27.4.
    OldNginx {
        /// Its version.
        nginx: String,
    },
    /// A listener speaks HTTP/2 or HTTP/3.
    Http2Or3,
    /// A server sets no `keepalive_min_timeout`.
    NoKeepaliveMinTimeout,
}

impl fmt::Display for ReloadCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadCost::OldNginx { nginx } => write!(
                f,
                "a reload of NGINX {nginx} loses requests on kept-alive connections (fixed in {})",
                dotted(KEEPS_CONNECTIONS)
            ),
            ReloadCost::Http2Or3 => f.write_str(
                "a reload loses requests on HTTP/2 and HTTP/3 connections, which this site offers",
            ),
            ReloadCost::NoKeepaliveMinTimeout => f.write_str(
                "a reload loses requests on kept-alive connections unless the site sets `keepalive_min_timeout`",
            ),
        }
    }
}

fn dotted((major, minor, patch): (u64, u64, u64)) -> String {
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_reloads_only_where_nothing_is_lost() {
        let versions = [
            (1, 18, 0),
            (1, 22, 1),
            (1, 27, 3),
            (1, 27, 4),
            (1, 29, 0),
            (2, 0, 0),
        ];
        let mut cases = 0;
        let mut reloads = 0;
        for version in versions {
            for bits in 0..8_u8 {
                let facts = NginxFacts {
                    version,
                    keepalive_min_timeout: bits & 1 != 0,
                    http2_or_3: bits & 2 != 0,
                    can_reload: bits & 4 != 0,
                };
                let lossless =
                    ["1.27.4", "1.29.0", "2.0.0"].contains(&dotted(version).as_str()) && bits == 0b101;
                let (way, reason) = decide(SwitchStrategy::Auto, facts);
                let expected = if lossless {
                    SwitchStrategy::Reload
                } else {
                    SwitchStrategy::Live
                };
                assert_eq!(way, expected, "{facts:?}: {reason}");
                assert_eq!(decide(SwitchStrategy::Live, facts).0, SwitchStrategy::Live);
                assert_eq!(decide(SwitchStrategy::Reload, facts).0, SwitchStrategy::Reload);
                cases += 1;
                reloads += usize::from(way == SwitchStrategy::Reload);
            }
        }
        assert_eq!((cases, reloads), (48, 3));
    }

    #[test]
    fn the_reason_names_what_stands_in_the_way() {
        let good = NginxFacts {
            version: (1, 29, 1),
            keepalive_min_timeout: true,
            http2_or_3: false,
            can_reload: true,
        };
        let old = NginxFacts {
            version: (1, 22, 1),
            ..good
        };
        let table = [
            (
                SwitchStrategy::Auto,
                good,
                "NGINX 1.29.1 with `keepalive_min_timeout` and HTTP/1 only: a reload loses no request",
            ),
            (
                SwitchStrategy::Auto,
                old,
                "a reload of NGINX 1.22.1 loses requests on kept-alive connections (fixed in 1.27.4)",
            ),
            (
                SwitchStrategy::Auto,
                NginxFacts {
                    http2_or_3: true,
                    ..good
                },
                "a reload loses requests on HTTP/2 and HTTP/3 connections, which this site offers",
            ),
            (
                SwitchStrategy::Auto,
                NginxFacts {
                    keepalive_min_timeout: false,
                    ..good
                },
                "a reload loses requests on kept-alive connections unless the site sets `keepalive_min_timeout`",
            ),
            (
                SwitchStrategy::Auto,
                NginxFacts {
                    can_reload: false,
                    ..good
                },
                "a reload needs root, and switches run without it",
            ),
            (SwitchStrategy::Live, good, "bg.toml asks for it"),
            (SwitchStrategy::Reload, good, "bg.toml asks for it"),
            (
                SwitchStrategy::Reload,
                old,
                "bg.toml asks for it; a reload of NGINX 1.22.1 loses requests on kept-alive connections (fixed in 1.27.4)",
            ),
        ];
        for (wanted, facts, reason) in table {
            assert_eq!(decide(wanted, facts).1, reason);
        }
        assert_eq!(table.len(), 8);
    }
}
