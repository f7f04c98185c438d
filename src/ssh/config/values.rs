//! The values of the lines that are for a host, read by `ssh2-config`, one line at a time: so
//! the first one wins within a section too, and what is wrong has a place.

use std::path::PathBuf;

use model::event::{SshSetting, WithoutEffect};
use ssh2_config::{DefaultAlgorithms, HostParams, ParseRule, SshConfig};

use crate::config::sections::{Line, words};
use crate::config::tokens::Tokens;
use crate::error::SshError;

/// The keywords that have an effect here.
const USED: [&str; 17] = [
    "certificatefile",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "port",
    "proxycommand",
    "proxyjump",
    "revokedhostkeys",
    "serveraliveinterval",
    "user",
    "userknownhostsfile",
    "stricthostkeychecking",
];

/// Keywords that have none, though whoever wrote them relies on it for reaching the host.
const MISSED: [&str; 8] = [
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "canonicalizehostname",
    "knownhostscommand",
    "pkcs11provider",
    "securitykeyprovider",
    "verifyhostkeydns",
];

/// What the lines say, the first one of each keyword.
#[derive(Debug)]
pub struct Values {
    /// What the crate knows to read.
    pub params: HostParams,
    /// Each `CertificateFile`.
    pub certificates: Vec<String>,
    /// A `ProxyCommand` that counts.
    pub proxy_command: Option<Line>,
    lines: Vec<Line>,
}

impl Values {
    /// Of these lines, the first ones first.
    ///
    /// # Errors
    /// [`SshError::Config`] for a value that makes no sense.
    pub fn of(lines: &[Line], warnings: &mut Vec<SshSetting>) -> Result<Values, SshError> {
        let mut values = Values {
            params: HostParams::new(&DefaultAlgorithms::empty()),
            certificates: Vec::new(),
            proxy_command: None,
            lines: lines.to_vec(),
        };
        for line in lines {
            match line.key.as_str() {
                "proxycommand" => values.take_proxy_command(line),
                // Whichever of the two comes first makes the other one void.
                "proxyjump" if values.proxy_command.is_some() => {}
                "stricthostkeychecking" => warn_of_loose_checking(line, warnings),
                key if USED.contains(&key) => values.take(line)?,
                key if MISSED.contains(&key) => warn_of_missed(line, warnings),
                _ => {}
            }
        }
        Ok(values)
    }

    /// The words of a keyword that the crate hands on as they are.
    pub fn words(&self, key: &str) -> Option<Vec<String>> {
        let arguments = self.params.unsupported_fields.get(key)?;
        Some(words(&arguments.join(" ")))
    }

    /// The first of them.
    pub fn word(&self, key: &str) -> Option<String> {
        self.words(key)?.into_iter().next()
    }

    /// Whether it says `yes`.
    pub fn is_yes(&self, key: &str) -> bool {
        let word = self.word(key).unwrap_or_default();
        word.eq_ignore_ascii_case("yes") || word.eq_ignore_ascii_case("true")
    }

    /// Each `IdentityFile`; `none` is none.
    pub fn identities(&self) -> Option<Vec<String>> {
        let paths = self.params.identity_file.as_ref()?;
        Some(paths.iter().map(|path| path.display().to_string()).collect())
    }

    /// Paths with everything put in, `none` left out, none twice.
    ///
    /// # Errors
    /// [`SshError::Config`] at the line of `key`.
    pub fn paths(
        &self,
        key: &str,
        texts: Vec<String>,
        tokens: &Tokens<'_>,
    ) -> Result<Vec<PathBuf>, SshError> {
        let mut paths = Vec::new();
        for text in texts.iter().filter(|text| !text.eq_ignore_ascii_case("none")) {
            let path = tokens.path(text).map_err(|why| self.wrong(key, why))?;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// What is wrong with the value of `key`, with its place.
    pub fn wrong(&self, key: &str, why: String) -> SshError {
        let line = self.lines.iter().find(|line| line.key == key);
        SshError::Config {
            file: line.map(|line| line.file.clone()).unwrap_or_default(),
            line: line.map_or(0, |line| line.number),
            why: format!("{key}: {why}"),
        }
    }

    fn take_proxy_command(&mut self, line: &Line) {
        let is_none = words(&line.value)
            .iter()
            .all(|word| word.eq_ignore_ascii_case("none"));
        if self.params.proxy_jump.is_none() && self.proxy_command.is_none() {
            match is_none {
                // Nothing comes between, and a later `ProxyJump` has no effect.
                true => self.params.proxy_jump = Some(Vec::new()),
                false => self.proxy_command = Some(line.clone()),
            }
        }
    }

    fn take(&mut self, line: &Line) -> Result<(), SshError> {
        let params = read_line(line)?;
        if let Some(path) = &params.certificate_file {
            self.certificates.push(path.display().to_string());
        }
        self.params.overwrite_if_none(&params);
        Ok(())
    }
}

fn read_line(line: &Line) -> Result<HostParams, SshError> {
    let wrong = |why: String| SshError::Config {
        file: line.file.clone(),
        line: line.number,
        why: format!("{}: {why}", line.key),
    };
    let value = match line.key.as_str() {
        "connecttimeout" | "serveraliveinterval" => match words(&line.value).first() {
            Some(time) => seconds(time)
                .ok_or_else(|| wrong(format!("`{time}` is no time")))?
                .to_string(),
            None => String::new(),
        },
        _ => line.value.clone(),
    };
    let text = format!("{} {value}\n", line.key);
    // `~` is put in later, together with the tokens.
    let config = SshConfig::default()
        .default_algorithms(DefaultAlgorithms::empty())
        .home_dir("~")
        .parse(&mut text.as_bytes(), ParseRule::ALLOW_UNSUPPORTED_FIELDS)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(config.query("*"))
}

/// `30`, `1m`, `1h30m`: OpenSSH's way to write a time.
fn seconds(text: &str) -> Option<u64> {
    let mut whole: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end)?;
        let unit = after.chars().next();
        let factor = match unit.map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        whole = number
            .parse::<u64>()
            .ok()?
            .checked_mul(factor)?
            .checked_add(whole)?;
        rest = after.get(unit.map_or(0, char::len_utf8)..)?;
    }
    Some(whole)
}

fn warn_of_loose_checking(line: &Line, warnings: &mut Vec<SshSetting>) {
    let value = words(&line.value).first().map(|word| word.to_lowercase());
    if matches!(value.as_deref(), Some("no" | "off" | "accept-new")) {
        let setting = format!("StrictHostKeyChecking {}", line.value);
        warnings.push(line.without_effect(setting, WithoutEffect::HostKeysAreChecked));
    }
}

fn warn_of_missed(line: &Line, warnings: &mut Vec<SshSetting>) {
    let value = words(&line.value).first().map(|word| word.to_lowercase());
    if !matches!(value.as_deref(), Some("no" | "none" | "any" | "internal" | "ask")) {
        warnings.push(line.without_effect(line.key.clone(), WithoutEffect::Unsupported));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::values::*;

    #[test]
    fn a_time_has_units() {
        let table = [
            ("30", Some(30)),
            ("1m", Some(60)),
            ("1h30m", Some(5400)),
            ("2D", Some(172_800)),
            ("1w", Some(604_800)),
            ("5s", Some(5)),
            ("x", None),
            ("1x", None),
            ("-1", None),
            ("99999999999999999999", None),
        ];
        let mut seen = 0;
        for (text, wanted) in table {
            assert_eq!(seconds(text), wanted, "{text}");
            seen += 1;
        }
        assert_eq!(seen, 10);
    }
}
