//! One address and how a connection to it begins: the PROXY protocol where the listener expects
//! it, then TLS, then HTTP/1.1.

use std::net::SocketAddr;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{DnsName, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::certificate::any_certificate;
use crate::http::{HttpError, diagnose};

/// The header of the PROXY protocol for a connection that a proxy makes on its own account:
/// the listener goes by the connection's own address, which is this machine's.
const ON_OWN_ACCOUNT: &[u8] = b"PROXY UNKNOWN\r\n";

/// Where a request is sent.
#[derive(Clone)]
pub struct Connector {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy_protocol: bool,
}

impl Connector {
    /// `host` is the SNI with `tls`, if it is a name. The certificate is not looked at.
    pub fn new(
        address: SocketAddr,
        host: &str,
        tls: bool,
        proxy_protocol: bool,
    ) -> Result<Connector, HttpError> {
        let connector = || any_certificate().map_err(|error| diagnose(&error));
        // An address has no SNI, as with a site whose name is a pattern.
        let name = || {
            DnsName::try_from(host.to_ascii_lowercase())
                .map_or_else(|_| ServerName::from(address.ip()), ServerName::DnsName)
        };
        Ok(Connector {
            address,
            tls: tls.then(|| Ok((connector()?, name()))).transpose()?,
            proxy_protocol,
        })
    }

    /// A new connection, ready for a request.
    pub async fn open(&self) -> Result<SendRequest<Empty<Bytes>>, HttpError> {
        let stream = connect(self.address, self.proxy_protocol).await?;
        match &self.tls {
            None => shake_hands(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                shake_hands(stream.map_err(|error| diagnose(&error))?).await
            }
        }
    }
}

/// A connection, and the PROXY protocol's header on it where that is expected.
pub async fn connect(address: SocketAddr, proxy_protocol: bool) -> Result<TcpStream, HttpError> {
    let open = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true).ok();
        if proxy_protocol {
            stream.write_all(ON_OWN_ACCOUNT).await?;
        }
        Ok::<_, std::io::Error>(stream)
    };
    open.await.map_err(|error| diagnose(&error))
}

async fn shake_hands(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Empty<Bytes>>, HttpError> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| diagnose(&error))?;
    // It ends when the sender is dropped; its errors come back with the request.
    tokio::spawn(connection);
    Ok(sender)
}
