//! Parallel streams on one connection with TLS.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bluegreen::model::color::Color;
use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::{Request, Version};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Errand, PATIENCE, Site};

type Fault = Box<dyn Error + Send + Sync>;

/// What each `POST` sends.
const BODY: &[u8] = &[b'x'; 512];

/// Starts `streams` clients that share a connection. Every other one posts.
pub fn spawn(clients: &mut JoinSet<()>, streams: usize, errand: &Arc<Errand>) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    for number in 0..streams {
        let method = if number % 2 == 0 {
            Method::Get
        } else {
            Method::Post
        };
        clients.spawn(ask_on(method, shared.clone(), errand.clone()));
    }
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Post,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Get => "h2-get",
            Method::Post => "h2-post",
        }
    }
}

/// The connection that new streams are opened on.
#[derive(Default)]
struct Shared {
    sender: Option<SendRequest<Bytes>>,
    /// Which one it is, so that an old one's end takes no newer one away.
    number: u64,
}

impl Shared {
    async fn sender(&mut self, site: &Site) -> Result<(SendRequest<Bytes>, u64), Fault> {
        let sender = match &self.sender {
            Some(sender) => sender.clone(),
            None => self.sender.insert(connect(site).await?).clone(),
        };
        Ok((sender, self.number))
    }

    /// Whether it was that one that is let go.
    fn let_go(&mut self, number: u64) -> bool {
        let is_it = self.number == number && self.sender.is_some();
        if is_it {
            self.sender = None;
            self.number += 1;
        }
        is_it
    }
}

async fn ask_on(method: Method, shared: Arc<Mutex<Shared>>, errand: Arc<Errand>) {
    while errand.goes_on() {
        let sent = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, ask(method, &shared, &errand)).await;
        let outcome = match asked {
            Ok(Ok(color)) => Ok(color),
            Ok(Err(error)) => Err(format!("{}: {error}", method.name())),
            Err(_) => Err(format!("{}: no answer within {PATIENCE:?}", method.name())),
        };
        errand.note(method.name(), sent, outcome);
        tokio::time::sleep(errand.pause).await;
    }
}

/// A connection that takes no new stream is left before anything is sent on it; once the
/// request is sent, its failure is one.
async fn ask(method: Method, shared: &Mutex<Shared>, errand: &Errand) -> Result<Color, Fault> {
    loop {
        let (sender, number) = shared.lock().await.sender(&errand.site).await?;
        let begun = match sender.ready().await {
            Ok(mut sender) => sender.send_request(request(method, &errand.site.host)?, false),
            Err(error) => Err(error),
        };
        let Ok((answer, mut body)) = begun else {
            if shared.lock().await.let_go(number) {
                errand.with_record(|record| record.reopened += 1);
            }
            continue;
        };
        let payload = match method {
            Method::Get => Bytes::new(),
            Method::Post => Bytes::from_static(BODY),
        };
        let outcome = match body.send_data(payload, true) {
            Ok(()) => whole(answer).await,
            Err(error) => Err(error.into()),
        };
        if outcome.is_err() {
            shared.lock().await.let_go(number);
        }
        return outcome;
    }
}

fn request(method: Method, host: &str) -> Result<Request<()>, Fault> {
    let (method, path) = match method {
        Method::Get => ("GET", "/whoami"),
        Method::Post => ("POST", "/upload"),
    };
    let request = Request::builder().version(Version::HTTP_2).method(method);
    Ok(request.uri(format!("https://{host}{path}")).body(())?)
}

async fn whole(answer: h2::client::ResponseFuture) -> Result<Color, Fault> {
    let (head, mut body) = answer.await?.into_parts();
    let mut read = 0;
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        body.flow_control().release_capacity(length)?;
        read += length;
    }
    if head.status != 200 {
        return Err(format!("status {}", head.status.as_u16()).into());
    }
    let color = head.headers.get("x-app-color").ok_or("a wrong answer")?;
    if read == 0 {
        return Err("an empty answer".into());
    }
    Ok(color.to_str()?.parse()?)
}

async fn connect(site: &Site) -> Result<SendRequest<Bytes>, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(site.certificate.clone()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(site.tls).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(site.host.clone())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    // Its errors come back through the streams.
    tokio::spawn(connection);
    Ok(sender)
}
