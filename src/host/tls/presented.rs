//! The chain that a listener sends. Nothing of it is believed and nothing else is asked for,
//! so anything is taken: also what no client would take, which is what is looked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::Shown;
use crate::host::http::{HttpError, connect, diagnose};

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
    let connector = TlsConnector::from(Arc::new(config().map_err(|error| diagnose(&error))?));
    let stream = connect(address, proxy_protocol).await?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| diagnose(&error))?;
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().unwrap_or_default();
    Ok(chain.iter().cloned().map(CertificateDer::into_owned).collect())
}

fn config() -> Result<ClientConfig, Error> {
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Onlooker))
            .with_no_client_auth(),
    )
}

/// Looks on.
#[derive(Debug)]
struct Onlooker;

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
