//! Where a host is, as people type it.

use std::fmt;
use std::str::FromStr;

use crate::error::SshError;

/// `host`, `user@host`, `host:port`, `user@host:port`, `ssh://user@host:port`. An IPv6 address
/// stands in brackets where a port follows it, and may everywhere. What is not said comes from
/// the SSH configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Who logs in.
    pub user: Option<String>,
    /// A name, a `Host` of the SSH configuration, or an IP address without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: Option<u16>,
}

impl FromStr for Address {
    type Err = SshError;

    fn from_str(text: &str) -> Result<Address, SshError> {
        parse(text).map_err(|why| SshError::Address {
            text: text.escape_debug().to_string(),
            why,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

fn parse(text: &str) -> Result<Address, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has a space or a control character in it");
    }
    let text = match text.split_once("://") {
        Some(("ssh", rest)) if !rest.contains("://") => rest.strip_suffix('/').unwrap_or(rest),
        Some(_) => return Err("only `ssh://` is spoken"),
        None => text,
    };
    // A user may have an `@` in the name, a host may not.
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = host_and_port(rest)?;
    Ok(Address {
        user: user.map(checked_user).transpose()?,
        host: checked_host(host)?,
        port: port.map(checked_port).transpose()?,
    })
}

fn host_and_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a `]` is missing")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("only `:port` can follow the `]`"),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn checked_user(user: &str) -> Result<String, &'static str> {
    match user {
        "" => Err("the user before the `@` is missing"),
        user if user.starts_with('-') => Err("a user does not begin with `-`"),
        // OpenSSH refuses the same: they would be harmful in a shell somewhere.
        user if user.contains(['\'', '`', '"', ';', '&', '<', '>', '|', '(', ')', '{', '}'])
            || user.ends_with('\\') =>
        {
            Err("the user has a character that none has")
        }
        user => Ok(user.to_owned()),
    }
}

fn checked_host(host: &str) -> Result<String, &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.starts_with('-') {
        return Err("a host does not begin with `-`");
    }
    // It goes into paths, where the configuration says `%h`.
    if host.starts_with('.') || host.contains("..") {
        return Err("a part of the host's name is missing");
    }
    if host.contains(':')
        && host
            .split('%')
            .next()
            .unwrap_or_default()
            .parse::<std::net::Ipv6Addr>()
            .is_err()
    {
        return Err("it is no IPv6 address; a port stands behind `[address]:`");
    }
    let is_plain = |c: char| c.is_alphanumeric() || ".-_:%".contains(c);
    if !host.chars().all(is_plain) {
        return Err("the host has a character that none has");
    }
    Ok(host.to_owned())
}

fn checked_port(port: &str) -> Result<u16, &'static str> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if number > 0 && is_number => Ok(number),
        _ => Err("a port is a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use crate::address::*;

    fn address(user: Option<&str>, host: &str, port: Option<u16>) -> Address {
        Address {
            user: user.map(ToOwned::to_owned),
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        let table = [
            ("web1", address(None, "web1", None), "web1"),
            ("ada@web1", address(Some("ada"), "web1", None), "ada@web1"),
            ("web1:2222", address(None, "web1", Some(2222)), "web1:2222"),
            (
                "ada@web1.example.org:2222",
                address(Some("ada"), "web1.example.org", Some(2222)),
                "ada@web1.example.org:2222",
            ),
            (
                "ssh://ada@web1:22",
                address(Some("ada"), "web1", Some(22)),
                "ada@web1:22",
            ),
            ("ssh://web1/", address(None, "web1", None), "web1"),
            ("10.0.0.7", address(None, "10.0.0.7", None), "10.0.0.7"),
            ("::1", address(None, "::1", None), "::1"),
            ("[::1]", address(None, "::1", None), "::1"),
            (
                "ada@[fe80::1%eth0]:22",
                address(Some("ada"), "fe80::1%eth0", Some(22)),
                "ada@[fe80::1%eth0]:22",
            ),
            (
                "ada@corp@web1",
                address(Some("ada@corp"), "web1", None),
                "ada@corp@web1",
            ),
        ];
        let mut seen = 0;
        for (text, wanted, written) in table {
            let read: Address = text.parse().unwrap();
            assert_eq!(read, wanted, "{text}");
            assert_eq!(read.to_string(), written);
            assert_eq!(read.to_string().parse::<Address>().unwrap(), wanted);
            seen += 1;
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn what_is_no_address_says_why() {
        let table = [
            ("", "it is empty"),
            ("-oProxyCommand=x", "a host does not begin with `-`"),
            ("-x@web1", "a user does not begin with `-`"),
            ("ada@-web1", "a host does not begin with `-`"),
            ("web 1", "it has a space or a control character in it"),
            ("web1\n", "it has a space or a control character in it"),
            ("web1\u{7}", "it has a space or a control character in it"),
            ("@web1", "the user before the `@` is missing"),
            ("ada@", "the host is missing"),
            (":22", "the host is missing"),
            ("web1:", "a port is a number from 1 to 65535"),
            ("web1:0", "a port is a number from 1 to 65535"),
            ("web1:+22", "a port is a number from 1 to 65535"),
            ("web1:65536", "a port is a number from 1 to 65535"),
            ("web1:ssh", "a port is a number from 1 to 65535"),
            ("[::1", "a `]` is missing"),
            ("[::1]22", "only `:port` can follow the `]`"),
            (
                "a:b:c",
                "it is no IPv6 address; a port stands behind `[address]:`",
            ),
            ("http://web1", "only `ssh://` is spoken"),
            ("ssh://ssh://web1", "only `ssh://` is spoken"),
            ("..", "a part of the host's name is missing"),
            ("web1..org", "a part of the host's name is missing"),
            ("ada@.web1", "a part of the host's name is missing"),
            ("web1/path", "the host has a character that none has"),
            ("$(id)@web1", "the user has a character that none has"),
        ];
        let mut seen = 0;
        for (text, why) in table {
            match text.parse::<Address>() {
                Err(SshError::Address { why: said, .. }) => assert_eq!(said, why, "{text:?}"),
                other => panic!("{text:?} became {other:?}"),
            }
            seen += 1;
        }
        assert_eq!(seen, 25);
    }
}
