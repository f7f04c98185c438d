//! From an address to an open, trusted connection on which nobody has logged in yet.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{AlgorithmKind, Disconnect, Preferred, compression};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::config::Settings;
use crate::error::SshError;
use crate::host_key::{Guard, Trust};
use crate::idle_timeout::Stalling;

/// How many times the server may leave the question unanswered whether it is still there.
const ALIVE_QUESTIONS: usize = 3;
/// The least time that each of several addresses of one name gets.
const LEAST: Duration = Duration::from_secs(1);

/// A connection to one host.
pub(super) struct Line {
    /// What `russh` offers to do on it.
    pub handle: Handle<Guard>,
    /// Says why it ended, once it has.
    pub lost: watch::Receiver<Option<String>>,
}

impl Line {
    /// Ends it in an orderly way, or is done with it after `limit`.
    pub(super) async fn hang_up(&self, limit: Duration) {
        let bye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        let mut lost = self.lost.clone();
        let ended = async {
            if bye.await.is_ok() {
                lost.wait_for(Option::is_some).await.ok();
            }
        };
        timeout(limit, ended).await.ok();
    }
}

/// Opens a TCP connection to the first address of the host that answers.
///
/// # Errors
/// [`SshError::NoSuchName`], [`SshError::Unreachable`], [`SshError::TimedOut`].
pub(super) async fn tcp(settings: &Settings) -> Result<TcpStream, SshError> {
    let limit = settings.connect_timeout;
    let addresses = addresses(settings, limit).await?;
    first_that_answers(addresses, limit)
        .await
        .unwrap_or_else(|| Err(no_such_name(settings, io::ErrorKind::NotFound.into())))
}

/// Nothing where there is no address.
async fn first_that_answers(
    addresses: Vec<SocketAddr>,
    limit: Duration,
) -> Option<Result<TcpStream, SshError>> {
    let deadline = Instant::now() + limit;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut failure = None;
    for address in addresses {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let share = (remaining / left.max(1)).max(LEAST);
        left = left.saturating_sub(1);
        failure = Some(match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it each small packet waits for an answer to the one before: 40 ms.
                stream.set_nodelay(true).ok();
                return Some(Ok(stream));
            }
            Ok(Err(source)) => SshError::Unreachable {
                address: address.to_string(),
                source,
            },
            Err(_) => SshError::TimedOut {
                what: format!("`{address}`"),
                limit: share,
            },
        });
    }
    failure.map(Err)
}

async fn addresses(settings: &Settings, limit: Duration) -> Result<Vec<SocketAddr>, SshError> {
    let looked_up = tokio::net::lookup_host((settings.host.as_str(), settings.port));
    match timeout(limit, looked_up).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(source)) => Err(no_such_name(settings, source)),
        Err(_) => Err(SshError::TimedOut {
            what: format!("the name `{}`", settings.host),
            limit,
        }),
    }
}

fn no_such_name(settings: &Settings, source: io::Error) -> SshError {
    SshError::NoSuchName {
        host: settings.host.clone(),
        source,
    }
}

/// Exchanges keys over `stream` and checks the host's.
///
/// # Errors
/// What [`Trust::check`] says, [`SshError::NotSsh`], [`SshError::NothingInCommon`],
/// [`SshError::TimedOut`].
pub(super) async fn shake_hands<S>(stream: S, settings: &Settings, trust: Trust) -> Result<Line, SshError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = settings.connect_timeout;
    let config = Arc::new(client_config(settings, &trust));
    let patience = settings.alive_interval * u32::try_from(ALIVE_QUESTIONS + 1).unwrap_or(4);
    let (guard, lost) = Guard::new(trust);
    let stream = Stalling::new(stream, patience);
    match timeout(limit, client::connect_stream(config, stream, guard)).await {
        Ok(Ok(handle)) => Ok(Line { handle, lost }),
        Ok(Err(SshError::Protocol(error))) => Err(in_handshake(error, settings)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SshError::TimedOut {
            what: format!("the SSH server at `{}`", place(settings)),
            limit,
        }),
    }
}

fn client_config(settings: &Settings, trust: &Trust) -> client::Config {
    let kinds = trust.wanted_kinds();
    client::Config {
        nodelay: true,
        keepalive_interval: Some(settings.alive_interval),
        keepalive_max: ALIVE_QUESTIONS,
        preferred: Preferred {
            // A server with a certificate shows it only when it is asked for one.
            host_key_certificates: if trust.has_authority() {
                kinds.clone().into()
            } else {
                Vec::new().into()
            },
            key: kinds.into(),
            compression: vec![compression::NONE].into(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

fn in_handshake(error: russh::Error, settings: &Settings) -> SshError {
    let address = place(settings);
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => SshError::NothingInCommon {
            address,
            kind: match kind {
                AlgorithmKind::Kex => "key exchange",
                AlgorithmKind::Key => "kind of host key",
                AlgorithmKind::Cipher => "cipher",
                AlgorithmKind::Compression => "compression",
                AlgorithmKind::Mac => "message authentication",
            },
            theirs: theirs.join(", "),
        },
        russh::Error::Version | russh::Error::HUP | russh::Error::Disconnect => SshError::NotSsh { address },
        russh::Error::IO(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ) =>
        {
            SshError::NotSsh { address }
        }
        error => SshError::Protocol(error),
    }
}

/// `web1:22`, `[::1]:22`.
pub(super) fn place(settings: &Settings) -> String {
    match settings.host.contains(':') {
        true => format!("[{}]:{}", settings.host, settings.port),
        false => format!("{}:{}", settings.host, settings.port),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use crate::dial::*;

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_does_not_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // Nobody listens on port 1.
        let refused: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let limit = Duration::from_secs(5);
        let stream = first_that_answers(vec![refused, good], limit)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(stream.nodelay().unwrap());
        let error = first_that_answers(vec![refused, refused], limit)
            .await
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, SshError::Unreachable { .. }), "{error:?}");
        assert!(first_that_answers(Vec::new(), limit).await.is_none());
    }
}
