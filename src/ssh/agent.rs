//! The agent, which has keys and signs with them.

use std::path::Path;
use std::time::Duration;

use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Error, PublicKey};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::host_key::Guard;

/// An agent and what it has.
pub(super) struct Agent {
    /// The way to it.
    pub client: AgentClient<UnixStream>,
    /// Its keys and certificates.
    pub keys: Vec<AgentIdentity>,
}

/// Why there is none.
pub(super) enum NoAgent {
    /// Nobody listens at its socket.
    Dead,
    /// It does not say what it has.
    Silent(String),
}

/// Opens the agent at `socket` and asks what it has.
pub(super) async fn open(socket: &Path, handle: &Handle<Guard>, limit: Duration) -> Result<Agent, NoAgent> {
    let asking = async {
        let mut client = AgentClient::connect_uds(socket)
            .await
            .map_err(|_| NoAgent::Dead)?;
        // An agent may have keys for certain hosts only; one that knows nothing of that says no.
        if let Some(binding) = handle.agent_session_binding() {
            client.bind_session(binding, false).await.ok();
        }
        let keys = client.request_identities().await.map_err(silent)?;
        Ok(Agent { client, keys })
    };
    let late = |_| Err(NoAgent::Silent(format!("no answer within {} s", limit.as_secs())));
    timeout(limit, asking).await.unwrap_or_else(late)
}

fn silent(error: Error) -> NoAgent {
    NoAgent::Silent(error.to_string())
}

/// The key of an entry, the one inside where it is a certificate.
pub(super) fn key_of(identity: &AgentIdentity) -> PublicKey {
    identity.public_key().into_owned()
}
