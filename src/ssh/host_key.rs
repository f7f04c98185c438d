//! Whether the machine that answers is the one that is meant, decided before anything about
//! the user is sent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::{DisconnectReason, Handler};
use russh::keys::ssh_key::certificate::{CertType, Certificate};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::sync::watch;

use crate::error::SshError;
use crate::known_hosts::remember::{line, remember};
use crate::known_hosts::{KnownHosts, Names, Position, Verdict, kind};
use crate::pattern;
pub use crate::presented::Presented;

/// What is to be trusted for one host.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Its names.
    pub names: Names,
    /// The lines of all files.
    pub known: Arc<KnownHosts>,
    /// Keys that no host may show (`RevokedHostKeys`).
    pub revoked: Arc<Vec<KeyData>>,
    /// Where a new key goes, unless new keys are refused.
    pub accept_into: Option<PathBuf>,
    /// The file that is named in hints.
    pub file: Option<PathBuf>,
    /// Whether the name is hidden in a new line.
    pub hash: bool,
}

impl Trust {
    /// Passes, or says what is wrong with what the host shows. A certificate that is not good
    /// counts as the plain key inside it, as with OpenSSH.
    ///
    /// # Errors
    /// [`SshError::UnknownKey`], [`SshError::ChangedKey`], [`SshError::RevokedKey`].
    pub fn check(&self, shown: &PublicKeyOrCertificate) -> Result<(), SshError> {
        let key = shown.public_key();
        let signer = shown.certificate().map(Certificate::signature_key);
        for revoked in std::iter::once(key.key_data()).chain(signer) {
            self.check_not_revoked(revoked)?;
        }
        if shown
            .certificate()
            .is_some_and(|certificate| self.vouches(certificate))
        {
            return Ok(());
        }
        match self.known.judge(&self.names, key.key_data()) {
            Verdict::Known => Ok(()),
            Verdict::Revoked(place) => Err(self.refused(&key, vec![place], SshError::RevokedKey)),
            Verdict::Changed(places) => Err(self.refused(&key, places, SshError::ChangedKey)),
            Verdict::Unknown => match &self.accept_into {
                Some(file) => remember(file, &self.names, &key, self.hash),
                None => Err(self.refused(&key, Vec::new(), SshError::UnknownKey)),
            },
        }
    }

    /// The kinds of host keys to ask for, those first by which the host is known.
    #[must_use]
    pub fn wanted_kinds(&self) -> Vec<Algorithm> {
        let known = self.known.kinds(&self.names);
        let is_known = |wanted: &Algorithm| {
            known.iter().any(|known| match (known, wanted) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (known, wanted) => known == wanted,
            })
        };
        // `ssh-rsa` signs with SHA-1 and is not asked for.
        let all = russh::Preferred::DEFAULT.key;
        let (mut first, rest): (Vec<Algorithm>, Vec<Algorithm>) = all
            .iter()
            .filter(|kind| **kind != Algorithm::Rsa { hash: None })
            .cloned()
            .partition(is_known);
        first.extend(rest);
        first
    }

    /// Whether any authority is known that could sign a certificate of this host.
    #[must_use]
    pub fn has_authority(&self) -> bool {
        !self.known.authorities(&self.names).is_empty()
    }

    fn check_not_revoked(&self, key: &KeyData) -> Result<(), SshError> {
        let place = self.known.revoked(&self.names, key);
        if place.is_none() && !self.revoked.contains(key) {
            return Ok(());
        }
        let key = PublicKey::new(key.clone(), "");
        Err(self.refused(&key, place.into_iter().collect(), SshError::RevokedKey))
    }

    fn vouches(&self, certificate: &Certificate) -> bool {
        let known = self.known.authorities(&self.names);
        let fingerprints: Vec<_> = known
            .iter()
            .map(|authority| authority.fingerprint(HashAlg::Sha256))
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let principals = certificate.valid_principals();
        let is_named = principals.is_empty() || pattern::names_match(principals, self.names.principal());
        certificate.cert_type() == CertType::Host
            && is_named
            && certificate.critical_options().is_empty()
            && certificate.signature().algorithm() != (Algorithm::Rsa { hash: None })
            && certificate.validate_at(now.as_secs(), &fingerprints).is_ok()
    }

    fn refused(
        &self,
        key: &PublicKey,
        known: Vec<Position>,
        error: fn(Box<Presented>) -> SshError,
    ) -> SshError {
        error(Box::new(Presented {
            kind: kind(&key.algorithm()),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            name: self.names.main.clone(),
            line: line(&self.names, key, false).unwrap_or_default(),
            file: self.file.clone(),
            known,
        }))
    }
}

/// Our end of one connection, as `russh` calls it.
pub(super) struct Guard {
    trust: Trust,
    /// Checked already: a later key exchange shows the same one.
    trusted: Option<KeyData>,
    lost: watch::Sender<Option<String>>,
}

impl Guard {
    /// And where it will be said why the connection ended.
    pub(super) fn new(trust: Trust) -> (Guard, watch::Receiver<Option<String>>) {
        let (lost, told) = watch::channel(None);
        let guard = Guard {
            trust,
            trusted: None,
            lost,
        };
        (guard, told)
    }
}

impl Handler for Guard {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let key = shown.public_key().key_data().clone();
        if self.trusted.as_ref() != Some(&key) {
            self.trust.check(shown)?;
            self.trusted = Some(key);
        }
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SshError>) -> Result<(), SshError> {
        let why = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                format!("the server ended it, saying {:?}", info.message)
            }
            DisconnectReason::Error(SshError::Protocol(error)) => in_words(&error),
            DisconnectReason::Error(error) => error.to_string(),
        };
        self.lost.send_replace(Some(why));
        Ok(())
    }
}

fn in_words(error: &russh::Error) -> String {
    match error {
        russh::Error::KeepaliveTimeout => "the server no longer answers".to_owned(),
        russh::Error::HUP | russh::Error::Disconnect => "the other side closed it".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the other side closed it".to_owned()
        }
        russh::Error::IO(error) => error.to_string(),
        other => other.to_string(),
    }
}
