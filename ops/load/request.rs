//! One request on a connection of its own.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::Sleep;

/// What a connection asks for, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GET` on one connection that stays open.
    Get,
    /// `POST` on one connection that stays open.
    Post,
    /// `GET`, each on a new connection.
    FreshGet,
    /// `POST`, each on a new connection.
    FreshPost,
    /// An answer that takes this many seconds.
    Slow(u32),
    /// A body that takes this many seconds to send.
    Upload(u32),
    /// An answer that is streamed for this many seconds.
    Stream(u32),
}

impl Kind {
    /// As in the count.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::Post => "post",
            Kind::FreshGet => "fresh-get",
            Kind::FreshPost => "fresh-post",
            Kind::Slow(_) => "slow",
            Kind::Upload(_) => "upload",
            Kind::Stream(_) => "stream",
        }
    }

    /// Whether each request gets a new connection.
    pub fn is_fresh(self) -> bool {
        matches!(self, Kind::FreshGet | Kind::FreshPost)
    }

    fn payload(self) -> Payload {
        match self {
            Kind::Post | Kind::FreshPost => Payload::new(1, Duration::ZERO),
            // A piece each tenth of a second.
            Kind::Upload(seconds) => Payload::new(seconds * 10, Duration::from_millis(100)),
            Kind::Get | Kind::FreshGet | Kind::Slow(_) | Kind::Stream(_) => Payload::new(0, Duration::ZERO),
        }
    }

    fn path(self) -> String {
        match self {
            Kind::Get | Kind::FreshGet => "/whoami".into(),
            Kind::Post | Kind::FreshPost | Kind::Upload(_) => "/upload".into(),
            Kind::Slow(seconds) => format!("/slow?seconds={seconds}"),
            Kind::Stream(seconds) => format!("/stream?seconds={seconds}"),
        }
    }

    /// Whether `body` is the whole answer to what was asked, by what the sample app sends.
    pub fn is_answered_by(self, body: &str) -> bool {
        match self {
            Kind::Get | Kind::FreshGet => body.contains("\"color\""),
            Kind::Post | Kind::FreshPost | Kind::Upload(_) => {
                let digits: String = body.chars().filter(char::is_ascii_digit).collect();
                digits == self.payload().length().to_string()
            }
            Kind::Slow(_) => body.contains("\"slept\""),
            Kind::Stream(_) => body.ends_with("end\n"),
        }
    }
}

/// What became of one request.
pub struct Asked {
    /// When it was sent.
    pub sent: Instant,
    /// How long it took to its end.
    pub took: Duration,
    /// Whether an open connection had been closed by the server while it was idle, noticed
    /// before anything was sent, so that a new one was opened: no loss, and counted.
    pub reopened: bool,
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
}

/// A whole answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The color that the app names.
    pub color: Option<String>,
    /// The release that the app names.
    pub release: Option<String>,
    /// The body.
    pub body: String,
}

/// A connection, opened when it is needed.
pub struct Connection {
    address: SocketAddr,
    /// From where, on this machine, as each is a visitor of its own.
    from: Option<SocketAddr>,
    host: String,
    open: Option<SendRequest<Payload>>,
}

impl Connection {
    /// Not opened yet, that of the `nth` visitor.
    pub fn new(address: SocketAddr, nth: u8, host: &str) -> Connection {
        let is_here = address.is_ipv4() && address.ip().is_loopback();
        let own = SocketAddr::from(([127, 0, 1, nth], 0));
        Connection {
            address,
            from: is_here.then_some(own),
            host: host.to_owned(),
            open: None,
        }
    }

    /// The next request opens a new one.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Asks once, and never again.
    pub async fn ask(&mut self, kind: Kind, patience: Duration) -> Asked {
        let had_one = self.open.is_some();
        let sender = match self.open.take() {
            Some(mut sender) => sender.ready().await.ok().map(|()| sender),
            None => None,
        };
        let reused = sender.is_some();
        let sent = Instant::now();
        let answer = tokio::time::timeout(patience, self.ask_on(sender, kind)).await;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| {
                let which = if reused { "reused" } else { "new" };
                format!("{} on a {which} connection: {}", kind.name(), in_full(&*error))
            }),
            Err(_) => Err(format!("{}: no answer within {patience:?}", kind.name())),
        };
        Asked {
            sent,
            took: sent.elapsed(),
            reopened: had_one && !reused,
            answer,
        }
    }

    async fn ask_on(
        &mut self,
        sender: Option<SendRequest<Payload>>,
        kind: Kind,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut sender = match sender {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let payload = kind.payload();
        let method = if payload.length() > 0 {
            Method::POST
        } else {
            Method::GET
        };
        let request = Request::builder()
            .method(method)
            .uri(kind.path())
            .header(HOST, &self.host)
            .header("user-agent", "load")
            .body(payload)?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.open = Some(sender);
        Ok(Answer {
            status: head.status.as_u16(),
            color: text(&head.headers, "x-app-color"),
            release: text(&head.headers, "x-app-release"),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Payload>, Box<dyn Error + Send + Sync>> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(from) = self.from {
            socket.bind(from)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come back through the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn in_full(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |&error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A request body of equal pieces with a pause before each.
pub struct Payload {
    left: u32,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Payload {
    const PIECE: &[u8] = &[b'x'; 512];

    fn new(pieces: u32, pause: Duration) -> Payload {
        Payload {
            left: pieces,
            pause,
            sleep: Box::pin(tokio::time::sleep(pause)),
        }
    }

    fn length(&self) -> u64 {
        u64::from(self.left) * Self::PIECE.len() as u64
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() && self.sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.left -= 1;
        let next = tokio::time::Instant::now() + self.pause;
        self.sleep.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(Self::PIECE)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}
