//! What stands for something else in a value: `~`, `%h` and the like, `${NAME}`.

use std::path::{Path, PathBuf};

/// What the letters behind `%` stand for.
#[derive(Debug)]
pub struct Tokens<'a> {
    /// `%d`, and `~`.
    pub home: &'a Path,
    /// `%h`: the host after the configuration.
    pub host: &'a str,
    /// `%n`: the host as it was typed.
    pub typed: &'a str,
    /// `%k`: the name under which its key is looked for.
    pub key_name: &'a str,
    /// `%p`.
    pub port: u16,
    /// `%r`: the user over there.
    pub user: &'a str,
    /// `%u`: the user here.
    pub local_user: &'a str,
}

impl Tokens<'_> {
    /// A path with everything put in. One that begins with `~` is in the home folder.
    ///
    /// # Errors
    /// What is not known.
    pub fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.text(text)?;
        Ok(match text.strip_prefix('~') {
            Some("") => self.home.to_owned(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(text),
        })
    }

    /// A text with everything put in.
    ///
    /// # Errors
    /// What is not known.
    pub fn text(&self, text: &str) -> Result<String, String> {
        let mut whole = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => {
                    let token = letters.next().ok_or("a `%` stands at its end")?;
                    whole.push_str(&self.token(token)?);
                }
                '$' if letters.next_if_eq(&'{').is_some() => {
                    let name: String = letters.by_ref().take_while(|c| *c != '}').collect();
                    whole.push_str(&variable(&name)?);
                }
                letter => whole.push(letter),
            }
        }
        Ok(whole)
    }

    fn token(&self, token: char) -> Result<String, String> {
        Ok(match token {
            '%' => "%".to_owned(),
            'd' => self.home.display().to_string(),
            'h' => self.host.to_owned(),
            'i' => nix::unistd::getuid().to_string(),
            'k' => self.key_name.to_owned(),
            'l' => this_host(),
            'L' => this_host().split('.').next().unwrap_or_default().to_owned(),
            'n' => self.typed.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'u' => self.local_user.to_owned(),
            other => return Err(format!("`%{other}` is not supported")),
        })
    }
}

fn this_host() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))
}

#[cfg(test)]
mod tests {
    use crate::config::tokens::*;

    #[test]
    fn each_token_is_put_in() {
        let tokens = Tokens {
            home: Path::new("/home/ada"),
            host: "web1.example.org",
            typed: "web1",
            key_name: "key-name",
            port: 2222,
            user: "deploy",
            local_user: "ada",
        };
        let table = [
            ("~/.ssh/%n", Ok("/home/ada/.ssh/web1")),
            ("~", Ok("/home/ada")),
            ("~bob/x", Ok("~bob/x")),
            (
                "%d/%h-%p-%r-%u-%k-%%",
                Ok("/home/ada/web1.example.org-2222-deploy-ada-key-name-%"),
            ),
            ("/run/${CARGO_PKG_NAME}.sock", Ok("/run/ssh.sock")),
            ("/x$y", Ok("/x$y")),
            ("/x%", Err("a `%` stands at its end")),
            ("/x%Z", Err("`%Z` is not supported")),
            (
                "${BG_NO_SUCH_VARIABLE}",
                Err("the variable `BG_NO_SUCH_VARIABLE` is not set"),
            ),
        ];
        let mut seen = 0;
        for (text, wanted) in table {
            let wanted = wanted.map(PathBuf::from).map_err(ToOwned::to_owned);
            assert_eq!(tokens.path(text), wanted, "{text}");
            seen += 1;
        }
        assert_eq!(seen, 9);
    }
}
