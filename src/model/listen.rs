//! One `listen` line of a site, and how this machine reaches it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What a site listens on, as in NGINX's `listen`: `80`, `127.0.0.1:8080`, `[::]:443 ssl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The words as NGINX reads them, one space between.
    pub text: String,
    /// Where this machine connects to; a wildcard is reached through loopback.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether it speaks HTTP/2 on its own account; `http2 on` of the server comes on top.
    pub http2: bool,
    /// Whether it speaks HTTP/3, over UDP.
    pub http3: bool,
    /// Whether it expects the PROXY protocol before anything else.
    pub proxy_protocol: bool,
}

/// Words that NGINX would not take as `listen`, or that cannot be proven from here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Nothing there.
    #[error("`listen` is empty: expected an address or a port, as `80` or `127.0.0.1:8080`")]
    Empty,
    /// A character that ends a word or a line in NGINX.
    #[error("`listen` cannot hold the character {found:?}")]
    Character {
        /// The character.
        found: char,
    },
    /// A unix socket.
    #[error("`{text}` is a unix socket: expected an IP address or a port, as the proof is sent over TCP")]
    UnixSocket {
        /// The whole text.
        text: String,
    },
    /// Neither an address nor a port.
    #[error("`{word}` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`")]
    Address {
        /// The first word.
        word: String,
    },
    /// A word that `listen` does not know.
    #[error("`listen` does not know `{word}`")]
    Word {
        /// The word.
        word: String,
    },
}

/// Words that stand alone after the address.
const FLAGS: &[&str] = &[
    "default_server",
    "ssl",
    "http2",
    "quic",
    "reuseport",
    "deferred",
    "bind",
];

/// Words with a value.
const SETTINGS: &[&str] = &[
    "setfib",
    "fastopen",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "ipv6only",
    "so_keepalive",
];

impl Listener {
    /// Reads the words behind `listen`.
    ///
    /// # Errors
    /// When NGINX would refuse them or read something else into them, and for a unix socket,
    /// which a proof cannot reach.
    pub fn parse(text: &str) -> Result<Listener, ListenError> {
        if let Some(found) = text.chars().find(|c| c.is_control() || ";{}\"'$\\#".contains(*c)) {
            return Err(ListenError::Character { found });
        }
        let mut words = text.split_whitespace();
        let address = words.next().ok_or(ListenError::Empty)?;
        if address.starts_with("unix:") {
            return Err(ListenError::UnixSocket {
                text: text.to_owned(),
            });
        }
        let mut listener = Listener {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            address: reach(address).ok_or_else(|| ListenError::Address {
                word: address.to_owned(),
            })?,
            tls: false,
            http2: false,
            http3: false,
            proxy_protocol: false,
        };
        for word in words {
            listener.take(word)?;
        }
        Ok(listener)
    }

    fn take(&mut self, word: &str) -> Result<(), ListenError> {
        match word {
            "ssl" => self.tls = true,
            "http2" => self.http2 = true,
            "quic" => (self.tls, self.http3) = (true, true),
            "proxy_protocol" => self.proxy_protocol = true,
            flag if FLAGS.contains(&flag) => {}
            setting => {
                let name = setting.split_once('=').filter(|(_, value)| !value.is_empty());
                if !name.is_some_and(|(name, _)| SETTINGS.contains(&name)) {
                    return Err(ListenError::Word {
                        word: setting.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Listener {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        Listener::parse(text)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What NGINX takes for itself by the first word of a `listen`, as far as that decides which
/// site a request gets: an address goes before any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The address; `None` for all of the family.
    pub address: Option<IpAddr>,
    /// Whether addresses of version 4 are meant.
    pub v4: bool,
    /// Whether addresses of version 6 are meant.
    pub v6: bool,
    /// The first port.
    pub first: u16,
    /// The last port, the same as a rule.
    pub last: u16,
}

impl Bound {
    /// Reads the words behind `listen`, leniently: they have passed NGINX's own test. `None`
    /// for a unix socket, and for a name, which the resolver would have to be asked about.
    #[must_use]
    pub fn read(words: &[String]) -> Option<Bound> {
        let word = words.first()?;
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let (host, digits) = match word.rsplit_once(':') {
            _ if is_number(word) => ("*", word.as_str()),
            Some((host, digits)) if !digits.ends_with(']') => (host, digits),
            _ => (word.as_str(), "80"),
        };
        let (first, last) = digits.split_once('-').unwrap_or((digits, digits));
        let address = match host {
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            host => match host.strip_prefix('[') {
                Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
                None => IpAddr::V4(host.parse::<Ipv4Addr>().ok()?),
            },
        };
        let any = address.is_unspecified();
        Some(Bound {
            address: Some(address).filter(|_| !any),
            v4: address.is_ipv4() || (any && words.iter().any(|word| word == "ipv6only=off")),
            v6: address.is_ipv6(),
            first: port(first)?,
            last: port(last)?,
        })
    }

    /// Whether both hear a port.
    #[must_use]
    pub fn shares_a_port(&self, other: &Bound) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether this names an address on which `other` hears as on any: there NGINX asks the
    /// sites of this one alone.
    #[must_use]
    pub fn takes_from(&self, other: &Bound) -> bool {
        let family = self.address.is_some_and(|address| match address {
            IpAddr::V4(_) => other.v4,
            IpAddr::V6(_) => other.v6,
        });
        family && other.address.is_none() && self.shares_a_port(other)
    }

    /// Whether both are the same place to NGINX.
    #[must_use]
    pub fn is_at(&self, other: &Bound) -> bool {
        self.address == other.address && self.v6 == other.v6 && self.shares_a_port(other)
    }
}

/// Where this machine reaches what NGINX listens on as `word`. A missing port is 80.
fn reach(word: &str) -> Option<SocketAddr> {
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(word)?));
    }
    let (host, port_word) = match word.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => (host, Some(digits)),
        _ => (word, None),
    };
    let port = port_word.map_or(Some(80), port)?;
    let address: IpAddr = match host {
        "*" | "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
            None => host.parse::<Ipv4Addr>().ok()?.into(),
        },
    };
    let address = match address {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    Some(SocketAddr::new(address, port))
}

fn port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nginx_takes_is_reached_from_this_machine() {
        let table: &[(&str, &str, bool, bool, bool)] = &[
            ("80", "127.0.0.1:80", false, false, false),
            ("127.0.0.1:8080", "127.0.0.1:8080", false, false, false),
            ("192.0.2.7", "192.0.2.7:80", false, false, false),
            ("0.0.0.0:81", "127.0.0.1:81", false, false, false),
            ("*:80", "127.0.0.1:80", false, false, false),
            ("localhost:80", "127.0.0.1:80", false, false, false),
            ("[::]:443 ssl http2", "[::1]:443", true, true, false),
            ("[::]", "[::1]:80", false, false, false),
            (
                "[2001:db8::1]:80 ipv6only=on",
                "[2001:db8::1]:80",
                false,
                false,
                false,
            ),
            ("443 ssl default_server", "127.0.0.1:443", true, false, false),
            ("443 quic reuseport", "127.0.0.1:443", true, false, true),
            ("80 backlog=512 deferred", "127.0.0.1:80", false, false, false),
        ];
        for (text, address, tls, http2, http3) in table {
            let listener = Listener::parse(text).unwrap();
            assert_eq!(
                (
                    listener.address.to_string().as_str(),
                    listener.tls,
                    listener.http2,
                    listener.http3
                ),
                (*address, *tls, *http2, *http3),
                "{text}"
            );
            assert_eq!(listener.text, *text);
            assert!(!listener.proxy_protocol, "{text}");
        }
        assert_eq!(table.len(), 12);
        let behind = Listener::parse("443 ssl proxy_protocol").unwrap();
        assert!(behind.proxy_protocol && behind.tls);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let table: &[(&str, &str)] = &[
            (
                "",
                "`listen` is empty: expected an address or a port, as `80` or `127.0.0.1:8080`",
            ),
            ("80; root /", "`listen` cannot hold the character ';'"),
            ("80\nroot /", "`listen` cannot hold the character '\\n'"),
            ("80 # ssl", "`listen` cannot hold the character '#'"),
            ("$port", "`listen` cannot hold the character '$'"),
            ("\"80\"", "`listen` cannot hold the character '\"'"),
            (
                "unix:/run/a.sock",
                "`unix:/run/a.sock` is a unix socket: expected an IP address or a port, as the proof is sent over TCP",
            ),
            (
                "0",
                "`0` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`",
            ),
            (
                "70000",
                "`70000` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`",
            ),
            (
                "+80",
                "`+80` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`",
            ),
            (
                "::1:80",
                "`::1:80` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`",
            ),
            (
                "example.com:80",
                "`example.com:80` is not an address: expected a port, `IP:port`, `[IPv6]:port` or `*:port`",
            ),
            ("80 tls", "`listen` does not know `tls`"),
            ("80 backlog=", "`listen` does not know `backlog=`"),
        ];
        for (text, expected) in table {
            assert_eq!(
                Listener::parse(text).unwrap_err().to_string(),
                *expected,
                "{text}"
            );
        }
        assert_eq!(table.len(), 14);
    }
}
