//! The chain that a listener sends. Nothing of it is believed and nothing else is asked for,
//! so anything is taken: also what no client would take, which is what is looked for.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};

use crate::http::{HttpError, any_certificate, connect, diagnose};

/// What a listener shows for a name.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The listener.
    pub address: SocketAddr,
    /// The name that was asked for.
    pub name: String,
    /// The certificates as sent, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
}

/// Takes the chain that `address` sends whoever asks for `name`, by the PROXY protocol where
/// that is expected.
///
/// # Errors
/// When there is no handshake within `deadline`.
pub async fn presented(
    address: SocketAddr,
    proxy_protocol: bool,
    name: &str,
    deadline: Duration,
) -> Result<Shown, HttpError> {
    let chain = tokio::time::timeout(deadline, handshake(address, proxy_protocol, name))
        .await
        .map_err(|_| HttpError::NoAnswer { after: deadline })??;
    Ok(Shown {
        address,
        name: name.to_owned(),
        chain,
    })
}

async fn handshake(
    address: SocketAddr,
    proxy_protocol: bool,
    name: &str,
) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let name = ServerName::try_from(name.to_owned()).unwrap_or_else(|_| ServerName::from(address.ip()));
    let connector = any_certificate().map_err(|error| diagnose(&error))?;
    let stream = connect(address, proxy_protocol).await?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| diagnose(&error))?;
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().unwrap_or_default();
    Ok(chain.iter().cloned().map(CertificateDer::into_owned).collect())
}
