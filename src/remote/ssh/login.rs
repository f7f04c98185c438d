//! Logging in: which keys there are, in OpenSSH's order, and what the server says to each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::time::timeout;

use super::agent::{self, Agent, NoAgent};
use super::candidates::{Candidate, Holder, candidates};
use super::config::Settings;
use super::dial::{self, Line};
use super::error::{Advice, SshError};
use super::keys::{self, Identity, Private};
use super::known_hosts::kind;
use super::passphrase::{self, Answer};
use super::sign::{SignError, Signing};

/// How long the agent may take to sign: it may ask its user, or wait for a touch.
const AGENT_PATIENCE: Duration = Duration::from_secs(60);

/// Logs in with the first key that the server takes.
///
/// # Errors
/// [`SshError::Refused`] with everything that was tried, [`SshError::Locked`],
/// [`SshError::NotUnlocked`], [`SshError::TimedOut`].
pub(super) async fn log_in(line: &mut Line, settings: &Settings) -> Result<(), SshError> {
    let identities: Vec<Identity> = settings
        .identities
        .iter()
        .filter_map(|file| keys::load(file))
        .collect();
    let mut login = LogIn {
        settings,
        line,
        agent: None,
        rsa_hash: None,
        tried: Vec::new(),
        advice: Vec::new(),
        methods: None,
        locked: None,
    };
    login.open_agent().await;
    login.note_unusable(&identities);
    let certificates = login.certificates();
    let agent_keys = login
        .agent
        .as_ref()
        .map(|agent| agent.keys.clone())
        .unwrap_or_default();
    for candidate in candidates(settings, &identities, certificates, &agent_keys) {
        if login.try_one(candidate).await? {
            return Ok(());
        }
        if !login.goes_on() {
            break;
        }
    }
    Err(login.refused().await)
}

struct LogIn<'a> {
    settings: &'a Settings,
    line: &'a mut Line,
    agent: Option<Agent>,
    /// Asked for once an RSA key is at hand.
    rsa_hash: Option<Option<HashAlg>>,
    tried: Vec<String>,
    advice: Vec<Advice>,
    /// What the server takes besides.
    methods: Option<MethodSet>,
    /// A key that would have opened.
    locked: Option<SshError>,
}

impl LogIn<'_> {
    async fn open_agent(&mut self) {
        let Some(socket) = &self.settings.agent else {
            return;
        };
        let at = socket.display();
        match agent::open(socket, &self.line.handle, self.settings.connect_timeout).await {
            Ok(agent) if agent.keys.is_empty() => {
                self.tried.push(format!("the agent at `{at}` has no keys"));
                self.advice.push(Advice::FillAgent);
            }
            Ok(agent) => self.agent = Some(agent),
            Err(NoAgent::Dead) => {
                self.tried.push(format!("no agent answers at `{at}`"));
                self.advice.push(Advice::StartAgent(socket.clone()));
            }
            Err(NoAgent::Silent(why)) => {
                self.tried
                    .push(format!("the agent at `{at}` does not say what it has: {why}"));
            }
        }
    }

    fn note_unusable(&mut self, identities: &[Identity]) {
        for identity in identities {
            let file = identity.file.display();
            match &identity.private {
                Private::TooOpen(mode) => {
                    self.tried.push(format!(
                        "`{file}`: not used, its mode {mode:o} lets others read it"
                    ));
                    self.advice.push(Advice::Close(identity.file.clone()));
                }
                Private::Unusable(why) => self.tried.push(format!("`{file}`: not used, {why}")),
                _ => {}
            }
        }
    }

    fn certificates(&mut self) -> Vec<(PathBuf, russh::keys::Certificate)> {
        let mut found = Vec::new();
        for file in &self.settings.certificates {
            match keys::certificate(file) {
                Ok(certificate) => found.push((file.clone(), certificate)),
                Err(why) => self
                    .tried
                    .push(format!("`{}`: no certificate, {why}", file.display())),
            }
        }
        found
    }

    /// Whether the server took it.
    async fn try_one(&mut self, candidate: Candidate) -> Result<bool, SshError> {
        let Ok(hash) = self.hash_for(&candidate.public).await else {
            self.tried.push(format!(
                "{candidate}: not used, the server takes RSA keys only with SHA-1"
            ));
            return Ok(false);
        };
        match self.offer(&candidate, hash).await? {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) => {
                let also = if partial_success {
                    ", but another log-in on top is wanted"
                } else {
                    ""
                };
                let verdict = if partial_success { "accepted" } else { "refused" };
                self.tried.push(format!("{candidate}: {verdict}{also}"));
                self.methods = Some(remaining_methods);
                Ok(false)
            }
            Err(SignError::Locked) => self.unlock_and_try(candidate, hash).await,
            Err(error) => {
                let source =
                    std::error::Error::source(&error).map_or(String::new(), |why| format!(": {why}"));
                self.tried.push(format!("{candidate}: {error}{source}"));
                Ok(false)
            }
        }
    }

    async fn unlock_and_try(
        &mut self,
        candidate: Candidate,
        hash: Option<HashAlg>,
    ) -> Result<bool, SshError> {
        let Holder::LockedFile(file, text) = &candidate.holder else {
            return Ok(false);
        };
        let (user, path) = (self.settings.user.clone(), file.clone());
        match passphrase::unlock(file, text).await {
            Answer::Open(key) => {
                let opened = Candidate {
                    holder: Holder::File(file.clone(), key),
                    ..candidate.clone()
                };
                let taken = self.offer(&opened, hash).await?;
                if !matches!(taken, Ok(AuthResult::Success)) {
                    self.tried.push(format!("{candidate}: refused"));
                }
                Ok(matches!(taken, Ok(AuthResult::Success)))
            }
            Answer::NobodyThere => {
                self.tried.push(format!("{candidate}: accepted, but locked"));
                self.locked = self.locked.take().or(Some(SshError::Locked { user, file: path }));
                Ok(false)
            }
            Answer::Wrong => {
                self.tried
                    .push(format!("{candidate}: accepted, but not unlocked"));
                self.locked = self.locked.take().or(Some(SshError::NotUnlocked { file: path }));
                Ok(false)
            }
        }
    }

    async fn offer(
        &mut self,
        candidate: &Candidate,
        hash: Option<HashAlg>,
    ) -> Result<Result<AuthResult, SignError>, SshError> {
        let limit = match candidate.holder {
            Holder::Agent(_) => AGENT_PATIENCE.max(self.settings.connect_timeout),
            _ => self.settings.connect_timeout,
        };
        let mut signing = match (&candidate.holder, &mut self.agent) {
            (Holder::File(_, key), _) => Signing::Key(Arc::clone(key)),
            (Holder::Agent(identity), Some(agent)) => match candidate.certificate {
                Some(_) if matches!(identity, AgentIdentity::PublicKey { .. }) => {
                    Signing::AgentKey(&mut agent.client, candidate.public.clone())
                }
                _ => Signing::Agent(&mut agent.client, identity.clone()),
            },
            _ => Signing::Nobody,
        };
        let (user, handle) = (self.settings.user.as_str(), &mut self.line.handle);
        let asking = async {
            match &candidate.certificate {
                Some(certificate) => {
                    let certificate = certificate.clone();
                    handle
                        .authenticate_certificate_with(user, certificate, hash, &mut signing)
                        .await
                }
                None => {
                    let key = candidate.public.clone();
                    handle
                        .authenticate_publickey_with(user, key, hash, &mut signing)
                        .await
                }
            }
        };
        timeout(limit, asking).await.map_err(|_| SshError::TimedOut {
            what: format!("logging in to `{}`", dial::place(self.settings)),
            limit,
        })
    }

    /// The hash that an RSA key signs with, none for the others; an error where only SHA-1 is
    /// taken.
    async fn hash_for(&mut self, key: &PublicKey) -> Result<Option<HashAlg>, ()> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if self.rsa_hash.is_none() {
            let limit = self.settings.connect_timeout;
            let best = timeout(limit, self.line.handle.best_supported_rsa_hash()).await;
            // A server that does not say takes SHA-2, or is too old to be spoken to.
            self.rsa_hash = Some(match best {
                Ok(Ok(Some(best))) => best,
                _ => Some(HashAlg::Sha512),
            });
        }
        self.rsa_hash.flatten().map(Some).ok_or(())
    }

    /// Whether there is any use in a further key.
    fn goes_on(&self) -> bool {
        let takes_keys = self
            .methods
            .as_ref()
            .is_none_or(|methods| methods.contains(&MethodKind::PublicKey));
        takes_keys && !self.is_gone()
    }

    fn is_gone(&self) -> bool {
        self.line.handle.is_closed() || self.line.lost.borrow().is_some()
    }

    async fn refused(mut self) -> SshError {
        if let Some(locked) = self.locked {
            return locked;
        }
        if self.methods.is_none() && !self.is_gone() {
            let asking = self.line.handle.authenticate_none(self.settings.user.as_str());
            match timeout(self.settings.connect_timeout, asking).await {
                Ok(Ok(AuthResult::Failure {
                    remaining_methods, ..
                })) => self.methods = Some(remaining_methods),
                Ok(Ok(AuthResult::Success)) => self.tried.push("the server wants no key at all".to_owned()),
                _ => {}
            }
        }
        if let Some(why) = self.line.lost.borrow().clone() {
            self.tried.push(format!("after that {why}"));
        }
        self.advise();
        SshError::Refused {
            user: self.settings.user.clone(),
            tried: self.tried,
            advice: self.advice,
        }
    }

    fn advise(&mut self) {
        let offered = self.tried.iter().any(|line| line.ends_with(": refused"));
        let takes_keys = self
            .methods
            .as_ref()
            .is_none_or(|methods| methods.contains(&MethodKind::PublicKey) || methods.is_empty());
        if !takes_keys {
            let names: Vec<&str> = self
                .methods
                .iter()
                .flat_map(|methods| methods.iter())
                .map(Into::into)
                .collect();
            self.tried
                .push(format!("the server takes only {}", names.join(", ")));
            self.advice.push(Advice::NoPasswords);
        } else if offered {
            self.advice.push(Advice::Authorize);
        } else if self.tried.is_empty() {
            self.tried.push("there is no key to try".to_owned());
            self.advice.push(Advice::MakeKey);
        }
    }
}

/// `ED25519 SHA256:...`
pub(super) fn named(key: &PublicKey) -> String {
    format!("{} {}", kind(&key.algorithm()), key.fingerprint(HashAlg::Sha256))
}
