//! Signing a log-in, by the agent or with a key from a file. `russh` asks for it only when the
//! server has said that it takes the key.

use std::sync::Arc;

use russh::SendError;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::{self, Encode};
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{self, Signature};
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use tokio::net::UnixStream;

/// Who signs.
pub(super) enum Signing<'a> {
    /// The agent, with what it has under this name.
    Agent(&'a mut AgentClient<UnixStream>, Box<AgentIdentity>),
    /// The agent, with its key for a certificate that it does not have.
    AgentKey(&'a mut AgentClient<UnixStream>, PublicKey),
    /// This key.
    Key(Arc<PrivateKey>),
    /// Nobody yet: it is only asked whether the server takes the key.
    Nobody,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    /// [`Signing::Nobody`] was asked: the server takes the key.
    #[error("the key is locked")]
    Locked,
    /// The connection is gone.
    #[error("the connection is lost")]
    Gone(#[from] SendError),
    /// The agent.
    #[error("the agent does not sign")]
    Agent(#[source] russh::keys::Error),
    /// The key.
    #[error("the key cannot sign")]
    Key(#[from] ssh_key::Error),
    /// What was signed.
    #[error("the signature has no wire form")]
    Encoding(#[from] ssh_encoding::Error),
}

impl russh::Signer for Signing<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        match self {
            Signing::Agent(agent, identity) => by_agent(agent, identity, hash, data).await,
            Signing::AgentKey(agent, key) => by_agent(agent, &key.clone().into(), hash, data).await,
            Signing::Key(key) => with_key(key, hash, data),
            Signing::Nobody => Err(SignError::Locked),
        }
    }
}

async fn by_agent(
    agent: &mut AgentClient<UnixStream>,
    identity: &AgentIdentity,
    hash: Option<HashAlg>,
    data: Vec<u8>,
) -> Result<Vec<u8>, SignError> {
    agent
        .sign_request(identity, hash, data)
        .await
        .map_err(SignError::Agent)
}

/// The signature follows what it signs.
fn with_key(key: &PrivateKey, hash: Option<HashAlg>, mut data: Vec<u8>) -> Result<Vec<u8>, SignError> {
    let signed: Result<Signature, _> = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&data),
        pair => pair.try_sign(&data),
    };
    let signature = signed.map_err(ssh_key::Error::from)?;
    let mut bytes = Vec::new();
    signature.encode(&mut bytes)?;
    bytes.encode(&mut data)?;
    Ok(data)
}
