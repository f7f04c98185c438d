//! Secrets that stand where they are seen: in addresses, and under names that tell them.

/// A variable, a key or a header with one of these in its name holds a secret.
const NAMES: &[&str] = &[
    "AUTHORIZATION",
    "COOKIE",
    "CREDENTIAL",
    "KEY",
    "PASS",
    "PIN",
    "PWD",
    "SALT",
    "SECRET",
    "TOKEN",
    "WEBHOOK",
];

/// Whether what has this name is a secret, going by the name alone.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.iter().any(|word| name.contains(word))
}

/// The text with `***` for what stands before the `@` of an HTTP address, or holds a
/// password, and for what follows a `?`: the address may carry a token, and programs repeat
/// it in their messages.
#[must_use]
pub fn without_password(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "'\"`<>".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let (address, later) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let end = address.find(['/', '?', '#']).unwrap_or(address.len());
        let (authority, path) = address.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host))
                if before.ends_with("http") || before.ends_with("https") || user.contains(':') =>
            {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        // Another address may begin in what follows.
        match path.split_once('?') {
            Some((path, _)) if !path.contains("://") => {
                shown.push_str(path);
                shown.push_str("?***");
                rest = later;
            }
            _ => rest = after.get(end..).unwrap_or_default(),
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_repeated() {
        for (text, shown) in [
            (
                "fatal: 'https://token@host/a.git/' not found",
                "fatal: 'https://***@host/a.git/' not found",
            ),
            ("ssh://git@host/a.git", "ssh://git@host/a.git"),
            (
                "ssh://me:secret@host/a and http://u:p@h",
                "ssh://***@host/a and http://***@h",
            ),
            ("git@host:a.git", "git@host:a.git"),
            ("https://host/a@b", "https://host/a@b"),
            ("\"https://u:p@host\"", "\"https://***@host\""),
            (
                "`https://u:p@x@host/a?token=abc#d` x",
                "`https://***@host/a?***` x",
            ),
            (
                "https://proxy/https://u:p@host/a",
                "https://proxy/https://***@host/a",
            ),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }

    #[test]
    fn a_name_tells_a_secret() {
        for name in ["DB_PASSWORD", "api_key", "Authorization", "webhook"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["LOG_LEVEL", "PORT", "git"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
