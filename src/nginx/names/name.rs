//! A `server_name`, as NGINX reads it, and who is meant by it.

/// A name that nobody has asked for yet: what fits it as well fits any.
const NOBODYS: &str = "a-name-of-nobodys.invalid";

/// A `server_name`, as NGINX reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `example.com`
    Exact(String),
    /// `.example.com`: the name itself, and all below it.
    Domain(String),
    /// `*.example.com`: all below it.
    Below(String),
    /// `www.example.*`
    Above(String),
    /// `~^www\d+\.example\.com$`
    Pattern(String),
    /// None that a visitor could ask for: `_`, or nothing.
    Nobodys,
}

impl Name {
    /// NGINX compares without case, and takes a dot at the end off.
    pub(super) fn read(name: &str) -> Name {
        if let Some(pattern) = name.strip_prefix('~') {
            return Name::Pattern(pattern.to_owned());
        }
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix('.').unwrap_or(&lower).to_owned();
        if plain.is_empty() || plain == "_" {
            Name::Nobodys
        } else if let Some(domain) = plain.strip_prefix("*.") {
            Name::Below(domain.to_owned())
        } else if let Some(domain) = plain.strip_prefix('.') {
            Name::Domain(domain.to_owned())
        } else if let Some(start) = plain.strip_suffix(".*") {
            Name::Above(start.to_owned())
        } else {
            Name::Exact(plain)
        }
    }

    /// Whether a visitor who asks for `host` means this name.
    pub(super) fn fits(&self, host: &str) -> bool {
        match self {
            Name::Exact(name) => name == host,
            Name::Domain(domain) => host == domain || is_below(host, domain),
            Name::Below(domain) => is_below(host, domain),
            Name::Above(start) => is_below_reversed(host, start),
            Name::Pattern(pattern) => matches(pattern, host),
            Name::Nobodys => false,
        }
    }
}

/// Whether `host` is a name below `domain`, which is none of the top.
pub(super) fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|rest| !rest.is_empty())
}

pub(super) fn is_below_reversed(host: &str, start: &str) -> bool {
    host.strip_prefix(start)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|rest| !rest.is_empty())
}

/// NGINX has its own regular expressions; one that cannot be read here fits nothing, and
/// one that fits any name is somebody's last resort, not a name.
fn matches(pattern: &str, host: &str) -> bool {
    expression(pattern).is_some_and(|read| read.is_match(host) && !read.is_match(NOBODYS))
}

pub(super) fn expression(pattern: &str) -> Option<regex_lite::Regex> {
    let mut read = regex_lite::RegexBuilder::new(pattern);
    read.case_insensitive(true).build().ok()
}
