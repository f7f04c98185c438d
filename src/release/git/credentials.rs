//! An address with a password in it: every local user sees what a program is started with, so
//! git is given the address without it, and asks for the password where others cannot look.

use sys::command::Command;

/// Where git finds what it asks for.
const USER: &str = "BG_GIT_USER";
const PASSWORD: &str = "BG_GIT_PASSWORD";

/// As git asks a program of the user's own: with one word, and answered line by line.
const HELPER: &str = "!answer() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
    \"$BG_GIT_USER\" \"$BG_GIT_PASSWORD\"; }; answer";

/// An address in its parts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without user and password where those are HTTP's.
    pub(super) url: String,
    /// What a password is asked for by: scheme and host.
    host: String,
    user: Option<String>,
    password: Option<String>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Address {
        Address::with_login(url).unwrap_or_else(|| Address {
            url: url.to_owned(),
            host: String::new(),
            user: None,
            password: None,
        })
    }

    /// With the login of `other` where it has none of its own: git uses that on its host alone.
    pub(super) fn or_login_of(self, other: Address) -> Address {
        match self.user {
            Some(_) => self,
            None => Address {
                url: self.url,
                ..other
            },
        }
    }

    fn with_login(url: &str) -> Option<Address> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, host) = authority.rsplit_once('@')?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let is_http = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
        if !is_http {
            // ssh never takes a password from there, and shows it.
            return password.map(|_| Address {
                url: format!("{scheme}://{user}@{host}{path}"),
                host: String::new(),
                user: None,
                password: None,
            });
        }
        Some(Address {
            url: format!("{scheme}://{host}{path}"),
            host: format!("{scheme}://{host}"),
            user: Some(decoded(user)),
            password: password.map(decoded),
        })
    }

    /// `git` with what it needs to log in there.
    pub(super) fn log_in(&self, command: Command) -> Command {
        let Some(user) = self.user.as_ref().filter(|user| fits(user)) else {
            return command;
        };
        let password = self.password.as_ref().filter(|password| fits(password));
        let key = |name: &str| format!("credential.{}.{name}", self.host);
        let mut settings = vec![(key("username"), user.as_str())];
        // A password that is given wins over those which are kept elsewhere; a token that
        // stands in the user's place has an empty one, if nobody knows better.
        settings.extend(password.map(|_| (key("helper"), "")));
        settings.push((key("helper"), HELPER));
        let mut command = command
            .env(USER, user)
            .env(PASSWORD, password.map_or("", String::as_str))
            .env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (at, (name, value)) in settings.into_iter().enumerate() {
            command = command
                .env(format!("GIT_CONFIG_KEY_{at}"), name)
                .env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command
    }
}

/// Answers are lines.
fn fits(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use crate::git::credentials::*;

    #[test]
    fn an_address_is_taken_apart() {
        let cases = [
            (
                "https://u:p@h:8443/a?b",
                "https://h:8443/a?b",
                Some("u"),
                Some("p"),
            ),
            ("https://t0ken@h/a.git", "https://h/a.git", Some("t0ken"), None),
            ("HTTP://u:p%40%2f%zz@x@h", "HTTP://h", Some("u"), Some("p@/%zz@x")),
            ("https://h/a@b", "https://h/a@b", None, None),
            ("ssh://u:p@h/a", "ssh://u@h/a", None, None),
            ("ssh://u@h/a", "ssh://u@h/a", None, None),
            ("git@h:a.git", "git@h:a.git", None, None),
            ("/srv/a@b", "/srv/a@b", None, None),
        ];
        for (url, bare, user, password) in cases {
            let address = Address::parse(url);
            assert_eq!(address.url, bare);
            assert_eq!(address.user.as_deref(), user, "{url}");
            assert_eq!(address.password.as_deref(), password, "{url}");
        }
    }

    #[test]
    fn a_password_stands_in_no_argument() {
        let command = Address::parse("https://u:hunter2@h/a").log_in(Command::new("git"));
        assert!(!command.to_string().contains("hunter2"), "{command}");
    }
}
