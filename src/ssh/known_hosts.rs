//! The host keys that are known: which lines speak of a host, and what they say of a key.

use std::fs;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

use crate::error::SshError;
use crate::pattern;

pub mod position;
pub mod remember;

pub use position::Position;

/// The names under which a host may stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `web1`, or `[web1]:2222` where the port is not 22.
    pub main: String,
    /// `web1` where the port is not 22: as with OpenSSH, a line without a port counts when its
    /// key is the one shown, and says nothing otherwise.
    pub without_port: Option<String>,
}

impl Names {
    /// Of a host after the SSH configuration. An `alias` (`HostKeyAlias`) stands alone.
    #[must_use]
    pub fn new(host: &str, port: u16, alias: Option<&str>) -> Names {
        match alias {
            Some(alias) => Names::only(alias.to_lowercase()),
            None if port == 22 => Names::only(host.to_lowercase()),
            None => Names {
                main: format!("[{}]:{port}", host.to_lowercase()),
                without_port: Some(host.to_lowercase()),
            },
        }
    }

    fn only(main: String) -> Names {
        Names {
            main,
            without_port: None,
        }
    }

    /// The name as a certificate has it: without a port.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.without_port.as_deref().unwrap_or(&self.main)
    }
}

/// What the files say of a key that a host has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Known,
    /// No line speaks of this host.
    Unknown,
    /// The host is known by these, and this is none of them.
    Changed(Vec<Position>),
    /// It is marked as revoked.
    Revoked(Position),
}

/// Every line of the files that can be read.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    marker: Option<Marker>,
    hosts: HostPatterns,
    key: PublicKey,
    file: PathBuf,
    number: usize,
}

impl KnownHosts {
    /// Reads the files that there are.
    ///
    /// # Errors
    /// [`SshError::File`] for one that is there and cannot be read: it may revoke a key.
    pub fn read(files: &[PathBuf]) -> Result<KnownHosts, SshError> {
        let mut known = KnownHosts::default();
        for file in files {
            match fs::read(file) {
                Ok(bytes) => known.add(file, &String::from_utf8_lossy(&bytes)),
                Err(error) if is_absent(&error) => {}
                Err(source) => {
                    return Err(SshError::File {
                        path: file.clone(),
                        done: "read",
                        source,
                    });
                }
            }
        }
        Ok(known)
    }

    /// Adds the lines of one file. As OpenSSH does, a line that makes no sense is passed over.
    pub fn add(&mut self, file: &Path, text: &str) {
        for (at, line) in text.lines().enumerate() {
            if let Some(entry) = entry(line) {
                self.lines.push(Line {
                    marker: entry.marker().copied(),
                    hosts: entry.host_patterns().clone(),
                    key: entry.public_key().clone(),
                    file: file.to_owned(),
                    number: at + 1,
                });
            }
        }
    }

    /// What is known of `key` for the host of these names.
    #[must_use]
    pub fn judge(&self, names: &Names, key: &KeyData) -> Verdict {
        if let Some(place) = self.revoked(names, key) {
            return Verdict::Revoked(place);
        }
        let ours = self.of(&names.main, None);
        if ours.iter().any(|line| line.key.key_data() == key) {
            return Verdict::Known;
        }
        if !ours.is_empty() {
            return Verdict::Changed(ours.into_iter().map(Line::place).collect());
        }
        let without_port = names.without_port.as_deref().map(|name| self.of(name, None));
        let is_known = |lines: Vec<&Line>| lines.iter().any(|line| line.key.key_data() == key);
        match without_port.is_some_and(is_known) {
            true => Verdict::Known,
            false => Verdict::Unknown,
        }
    }

    /// Where `key` is marked as revoked for the host of these names.
    #[must_use]
    pub fn revoked(&self, names: &Names, key: &KeyData) -> Option<Position> {
        let all = std::iter::once(names.main.as_str()).chain(names.without_port.as_deref());
        all.flat_map(|name| self.of(name, Some(Marker::Revoked)))
            .find(|line| line.key.key_data() == key)
            .map(Line::place)
    }

    /// The keys that may sign a certificate of the host of these names.
    #[must_use]
    pub fn authorities(&self, names: &Names) -> Vec<&PublicKey> {
        let all = std::iter::once(names.main.as_str()).chain(names.without_port.as_deref());
        all.flat_map(|name| self.of(name, Some(Marker::CertAuthority)))
            .map(|line| &line.key)
            .collect()
    }

    /// The kinds of keys by which the host is known; a server that has several shows the one
    /// that is asked for first.
    #[must_use]
    pub fn kinds(&self, names: &Names) -> Vec<Algorithm> {
        let mut lines = self.of(&names.main, None);
        if let (true, Some(name)) = (lines.is_empty(), &names.without_port) {
            lines = self.of(name, None);
        }
        lines.iter().map(|line| line.key.algorithm()).collect()
    }

    fn of(&self, name: &str, marker: Option<Marker>) -> Vec<&Line> {
        self.lines
            .iter()
            .filter(|line| line.marker == marker && is_of(&line.hosts, name))
            .collect()
    }
}

impl Line {
    fn place(&self) -> Position {
        Position {
            file: self.file.clone(),
            line: self.number,
            kind: kind(&self.key.algorithm()),
            fingerprint: self.key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }
}

/// `ED25519`, `ECDSA`, `RSA`, as `ssh` and `ssh-keygen` call them.
#[must_use]
pub fn kind(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Ed25519 => "ED25519".to_owned(),
        Algorithm::Ecdsa { .. } => "ECDSA".to_owned(),
        Algorithm::Rsa { .. } => "RSA".to_owned(),
        other => other.as_str().to_owned(),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The entry of a line with any spaces and tabs between its fields.
fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split_ascii_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@'));
    let hosts = fields.next().filter(|hosts| !hosts.starts_with('#'))?;
    let (kind, key) = (fields.next()?, fields.next()?);
    let marker = marker.map_or(String::new(), |marker| format!("{marker} "));
    format!("{marker}{hosts} {kind} {key}").parse().ok()
}

fn is_of(hosts: &HostPatterns, name: &str) -> bool {
    match hosts {
        HostPatterns::Patterns(patterns) => pattern::names_match(patterns, name),
        HostPatterns::HashedName { salt, hash } => hashed(salt, name).is_some_and(|own| own == *hash),
    }
}

/// The hash under which `ssh-keygen -H` hides a name.
fn hashed(salt: &[u8], name: &str) -> Option<[u8; 20]> {
    let mut hash = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    hash.update(name.as_bytes());
    Some(hash.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
