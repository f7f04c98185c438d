//! Logging in: each key is offered in turn until the server takes one.

use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use tokio::time::timeout;

use crate::agent::{self, Agent, NoAgent};
use crate::candidates::{Candidate, Holder, candidates};
use crate::config::Settings;
use crate::dial::{self, Line};
use crate::error::SshError;
use crate::keys::{self, Identity};
use crate::passphrase::{self, Answer};
use crate::refusal::{Refusal, no_keys_in, nobody_at};
use crate::sign::{SignError, Signing};

/// How long the agent may take to sign: it may ask its user, or wait for a touch.
const AGENT_PATIENCE: Duration = Duration::from_secs(60);

/// Logs in with the first key that the server takes.
///
/// # Errors
/// [`SshError::Refused`] with everything that was tried, [`SshError::Locked`],
/// [`SshError::NotUnlocked`], [`SshError::TimedOut`], [`SshError::Lost`].
pub(super) async fn log_in(line: &mut Line, settings: &Settings) -> Result<(), SshError> {
    let mut login = LogIn {
        settings,
        line,
        agent: None,
        rsa_hash: None,
        refusal: Refusal::default(),
    };
    login.open_agent().await;
    let identities = login.identities();
    let certificates = login.certificates();
    let in_agent = login
        .agent
        .as_ref()
        .map_or(Vec::new(), |agent| agent.keys.clone());
    for candidate in candidates(settings, &identities, certificates, &in_agent) {
        if login.try_one(candidate).await? {
            return Ok(());
        }
        if login.is_gone() || !login.refusal.goes_on() {
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
    rsa_hash: Option<RsaHash>,
    refusal: Refusal,
}

/// What a server takes from RSA keys.
#[derive(Clone, Copy)]
enum RsaHash {
    Sha2(HashAlg),
    OnlySha1,
}

impl LogIn<'_> {
    async fn open_agent(&mut self) {
        let Some(socket) = &self.settings.agent else {
            return;
        };
        let limit = self.settings.connect_timeout;
        let (line, advice) = match agent::open(socket, &self.line.handle, limit).await {
            Ok(agent) if agent.keys.is_empty() => no_keys_in(socket),
            Ok(agent) => {
                self.agent = Some(agent);
                return;
            }
            Err(NoAgent::Dead) => nobody_at(socket),
            Err(NoAgent::Silent(why)) => {
                let at = socket.display();
                return self
                    .refusal
                    .note(format!("the agent at `{at}` does not list its keys: {why}"));
            }
        };
        self.refusal.note_with(line, advice);
    }

    fn identities(&mut self) -> Vec<Identity> {
        let mut found = Vec::new();
        for file in &self.settings.identities {
            match keys::load(file) {
                Some(identity) => found.push(identity),
                None if self.settings.identities_are_named => {
                    self.refusal
                        .note(format!("`{}`: there is no such file", file.display()));
                }
                None => {}
            }
        }
        self.refusal.note_unusable(&found);
        found
    }

    fn certificates(&mut self) -> Vec<Certificate> {
        let mut found = Vec::new();
        for file in &self.settings.certificates {
            match keys::certificate(file) {
                Ok(certificate) => found.push(certificate),
                Err(why) => self.refusal.note(format!(
                    "`{}`: not used, it is not a certificate: {why}",
                    file.display()
                )),
            }
        }
        found
    }

    /// Whether the server took it.
    async fn try_one(&mut self, candidate: Candidate) -> Result<bool, SshError> {
        let hash = match self.rsa_hash(&candidate.public).await {
            None => None,
            Some(RsaHash::Sha2(hash)) => Some(hash),
            Some(RsaHash::OnlySha1) => {
                self.refusal.note(format!(
                    "{candidate}: not used, the server takes RSA keys only with SHA-1"
                ));
                return Ok(false);
            }
        };
        match self.offer(&candidate, hash).await? {
            Ok(answer) => Ok(self.is_success(&candidate, answer)),
            Err(SignError::Locked) => self.unlock_and_try(candidate, hash).await,
            Err(error) => {
                let source = std::error::Error::source(&error);
                let why = source.map_or(String::new(), |why| format!(": {why}"));
                self.refusal.note(format!("{candidate}: {error}{why}"));
                Ok(false)
            }
        }
    }

    fn is_success(&mut self, candidate: &Candidate, answer: AuthResult) -> bool {
        match answer {
            AuthResult::Success => return true,
            // Not an answer: the connection is gone. The server may have said why.
            AuthResult::Failure {
                remaining_methods, ..
            } if remaining_methods.is_empty() && self.is_gone() => {}
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => self
                .refusal
                .note_answer(&candidate.to_string(), remaining_methods, partial_success),
        }
        false
    }

    async fn unlock_and_try(
        &mut self,
        candidate: Candidate,
        hash: Option<HashAlg>,
    ) -> Result<bool, SshError> {
        let Holder::LockedFile(file, text) = &candidate.holder else {
            return Ok(false);
        };
        let (user, file) = (self.settings.user.clone(), file.clone());
        match passphrase::unlock(&file, text).await {
            Answer::Open(key) => {
                let opened = Candidate {
                    holder: Holder::File(file, key),
                    ..candidate
                };
                match self.offer(&opened, hash).await? {
                    Ok(answer) => return Ok(self.is_success(&opened, answer)),
                    Err(error) => self.refusal.note(format!("{opened}: {error}")),
                }
            }
            Answer::NobodyThere => {
                let error = SshError::Locked { user, file };
                self.refusal.note_locked(&candidate.to_string(), error);
            }
            Answer::Wrong => {
                let error = SshError::NotUnlocked { file };
                self.refusal.note_locked(&candidate.to_string(), error);
            }
        }
        Ok(false)
    }

    /// Shows the server a key, and signs with it when the server takes it.
    async fn offer(
        &mut self,
        candidate: &Candidate,
        hash: Option<HashAlg>,
    ) -> Result<Result<AuthResult, SignError>, SshError> {
        let limit = match candidate.holder {
            Holder::Agent(_) => AGENT_PATIENCE.max(self.settings.connect_timeout),
            _ => self.settings.connect_timeout,
        };
        let mut signing = signing(candidate, self.agent.as_mut());
        let (user, handle) = (self.settings.user.as_str(), &mut self.line.handle);
        let asking = async {
            match candidate.certificate.clone() {
                Some(shown) => {
                    handle
                        .authenticate_certificate_with(user, shown, hash, &mut signing)
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

    /// What an RSA key signs with; nothing for the others.
    async fn rsa_hash(&mut self, key: &PublicKey) -> Option<RsaHash> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return None;
        }
        if self.rsa_hash.is_none() {
            let limit = self.settings.connect_timeout;
            let best = timeout(limit, self.line.handle.best_supported_rsa_hash()).await;
            // A server that does not say takes SHA-2, or is too old to be spoken to.
            self.rsa_hash = Some(match best {
                Ok(Ok(Some(None))) => RsaHash::OnlySha1,
                Ok(Ok(Some(Some(hash)))) => RsaHash::Sha2(hash),
                _ => RsaHash::Sha2(HashAlg::Sha512),
            });
        }
        self.rsa_hash
    }

    fn is_gone(&self) -> bool {
        self.line.handle.is_closed() || self.line.lost.borrow().is_some()
    }

    async fn refused(mut self) -> SshError {
        let user = self.settings.user.as_str();
        if self.refusal.methods().is_none() && !self.is_gone() {
            // Nothing was offered: what would it have taken?
            let asking = self.line.handle.authenticate_none(user);
            let answer = timeout(self.settings.connect_timeout, asking).await;
            if let Ok(Ok(AuthResult::Failure {
                remaining_methods, ..
            })) = answer
            {
                self.refusal.set_methods(remaining_methods);
            }
        }
        let lost = self.line.lost.borrow().clone();
        self.refusal.into_error(user, lost)
    }
}

fn signing<'a>(candidate: &Candidate, agent: Option<&'a mut Agent>) -> Signing<'a> {
    match (&candidate.holder, agent) {
        (Holder::File(_, key), _) => Signing::Key(Arc::clone(key)),
        (Holder::Agent(identity), Some(agent)) => match (&**identity, &candidate.certificate) {
            (AgentIdentity::PublicKey { key, .. }, Some(_)) => {
                Signing::AgentKey(&mut agent.client, key.clone())
            }
            _ => Signing::Agent(&mut agent.client, identity.clone()),
        },
        _ => Signing::Nobody,
    }
}
