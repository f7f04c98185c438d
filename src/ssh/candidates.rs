//! The order in which keys are offered, OpenSSH's: certificates, then keys of the agent that
//! the configuration names, then its other ones, then those that are only in files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey};

use crate::agent::key_of;
use crate::config::Settings;
use crate::keys::{Identity, Private};
use crate::known_hosts::kind;

/// Something to offer.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The key that signs.
    pub public: PublicKey,
    /// What is shown in its place.
    pub certificate: Option<Certificate>,
    /// Who has the private half.
    pub holder: Holder,
}

/// Who has the private half of a key.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    /// The agent.
    Agent(Box<AgentIdentity>),
    /// A file, open.
    File(PathBuf, Arc<PrivateKey>),
    /// A file with a passphrase, and its text.
    LockedFile(PathBuf, String),
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(certificate) = &self.certificate {
            write!(f, "certificate {:?} with ", certificate.key_id())?;
        }
        match &self.holder {
            Holder::Agent(identity) => write!(f, "the agent's key `{}`", identity.comment())?,
            Holder::File(file, _) | Holder::LockedFile(file, _) => write!(f, "`{}`", file.display())?,
        }
        let fingerprint = self.public.fingerprint(HashAlg::Sha256);
        write!(f, " ({} {fingerprint})", kind(&self.public.algorithm()))
    }
}

/// Everything that can be offered, in order, none twice.
pub(super) fn candidates(
    settings: &Settings,
    identities: &[Identity],
    certificates: Vec<Certificate>,
    agent: &[AgentIdentity],
) -> Vec<Candidate> {
    let mut all = with_certificates(identities, certificates, agent);
    let named_in_agent = identities.iter().flat_map(|identity| {
        let public = identity.public.as_ref();
        agent
            .iter()
            .filter(move |entry| public.is_some_and(|public| is_same(public, &key_of(entry))))
    });
    all.extend(named_in_agent.cloned().map(from_agent));
    if !settings.identities_only {
        all.extend(agent.iter().cloned().map(from_agent));
    }
    all.extend(identities.iter().filter_map(from_file));
    let mut once: Vec<Candidate> = Vec::new();
    for candidate in all {
        let is_new = |other: &Candidate| {
            !is_same(&other.public, &candidate.public) || other.certificate != candidate.certificate
        };
        if once.iter().all(is_new) {
            once.push(candidate);
        }
    }
    once
}

fn with_certificates(
    identities: &[Identity],
    certificates: Vec<Certificate>,
    agent: &[AgentIdentity],
) -> Vec<Candidate> {
    let beside = identities
        .iter()
        .filter_map(|identity| identity.certificate.clone());
    let all = certificates.into_iter().chain(beside);
    all.filter_map(|certificate| {
        let public = PublicKey::new(certificate.public_key().clone(), "");
        let in_agent = agent.iter().find(|entry| is_same(&public, &key_of(entry)));
        let in_file = || {
            let mut files = identities.iter().filter_map(from_file);
            files.find(|candidate| is_same(&candidate.public, &public))
        };
        let candidate = in_agent.cloned().map(from_agent).or_else(in_file)?;
        Some(Candidate {
            certificate: Some(certificate),
            ..candidate
        })
    })
    .collect()
}

fn from_agent(identity: AgentIdentity) -> Candidate {
    let certificate = match &identity {
        AgentIdentity::Certificate { certificate, .. } => Some(certificate.clone()),
        AgentIdentity::PublicKey { .. } => None,
    };
    Candidate {
        public: key_of(&identity),
        certificate,
        holder: Holder::Agent(Box::new(identity)),
    }
}

fn from_file(identity: &Identity) -> Option<Candidate> {
    let file = identity.file.clone();
    let holder = match &identity.private {
        Private::Open(key) => Holder::File(file, Arc::clone(key)),
        Private::Locked(text) => Holder::LockedFile(file, text.clone()),
        _ => return None,
    };
    Some(Candidate {
        public: identity.public.clone()?,
        certificate: None,
        holder,
    })
}

/// Whether they are the same key; the comments may differ.
fn is_same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}
