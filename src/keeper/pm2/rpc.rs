//! PM2's own socket, for reading: one request, one answer, within a deadline and a size.
//! Unlike PM2's command line it never starts a daemon, and it answers in milliseconds.
//!
//! The protocol is not documented. A message is one byte (version 1 in the upper half, the
//! number of arguments in the lower), then each argument as a big-endian u32 length and that
//! many bytes, which begin with `j:` for JSON or `s:` for text. A call is a JSON argument
//! and an id; the answer repeats the id. The same bytes on PM2 4.5, 5.4 and 7.0.

use std::path::Path;
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// An entry takes 5 to 10 kB in an answer: enough for more than a thousand of them.
const ANSWER_LIMIT: usize = 16 << 20;

/// An answer took 1 to 9 ms when measured.
pub const DEADLINE: Duration = Duration::from_secs(2);

const ID: &str = "s:bluegreen:0";

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody listens on the socket, or there is none.
    #[error("no PM2 daemon is running")]
    Down,
    /// The socket is there and may not be used, or broke.
    #[error("PM2's socket cannot be used")]
    Io(#[source] std::io::Error),
    /// The deadline passed.
    #[error("PM2's daemon did not answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The answer is larger than is read into memory.
    #[error("PM2's daemon announced an answer of {0} bytes")]
    TooLarge(usize),
    /// The bytes are no answer to the call.
    #[error("PM2's daemon answered with something else than {0}")]
    Odd(&'static str),
    /// The daemon says no.
    #[error("PM2's daemon refused: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    args: Vec<Value>,
    error: Option<String>,
}

/// Connects at once or not at all, so that it can be done with rights that are borrowed: a
/// daemon that lets its queue fill up holds nobody up.
///
/// # Errors
/// [`RpcError::Down`] when no daemon listens; [`RpcError::Io`] when the socket cannot be used.
pub fn connect(socket: &Path) -> Result<UnixStream, RpcError> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let connected = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        net::connect(&fd, &SocketAddrUnix::new(socket)?)?;
        UnixStream::from_std(fd.into())
    };
    connected().map_err(|source: std::io::Error| match source.kind() {
        ConnectionRefused | NotFound => RpcError::Down,
        _ => RpcError::Io(source),
    })
}

/// Calls `method` of the daemon at the other end of `stream` and returns its first result.
///
/// The method always gets one argument, an empty object: PM2's methods expect it without
/// looking, and a call of `getVersion` without it ends a 7.0.4 daemon.
///
/// # Errors
/// When what listens is no healthy daemon.
pub async fn call_over(mut stream: UnixStream, method: &str, deadline: Duration) -> Result<Value, RpcError> {
    let request = request(method);
    let exchange = async {
        stream.write_all(&request).await.map_err(RpcError::Io)?;
        read_answer(&mut stream).await
    };
    tokio::time::timeout(deadline, exchange)
        .await
        .unwrap_or(Err(RpcError::Silent(deadline)))
}

fn request(method: &str) -> Vec<u8> {
    let call = json!({"type": "call", "method": method, "args": [{}]});
    let call = format!("j:{call}");
    let mut frame = vec![0x10 | 2];
    for argument in [call.as_str(), ID] {
        let length = u32::try_from(argument.len()).unwrap_or(u32::MAX);
        frame.extend(length.to_be_bytes());
        frame.extend(argument.as_bytes());
    }
    frame
}

pub(super) async fn read_answer(stream: &mut UnixStream) -> Result<Value, RpcError> {
    let head = stream.read_u8().await.map_err(RpcError::Io)?;
    let count = usize::from(head & 0x0f);
    if head >> 4 != 1 || count != 2 {
        return Err(RpcError::Odd("a message of two parts"));
    }
    let answer = read_argument(stream, ANSWER_LIMIT).await?;
    let id = read_argument(stream, ID.len()).await?;
    if id != ID.as_bytes() {
        return Err(RpcError::Odd("the id of the call"));
    }
    let json = answer.strip_prefix(b"j:").ok_or(RpcError::Odd("JSON"))?;
    let answer: Answer = serde_json::from_slice(json).map_err(|_| RpcError::Odd("JSON"))?;
    match answer.error {
        Some(text) => Err(RpcError::Refused(text)),
        None => answer.args.into_iter().next().ok_or(RpcError::Odd("a result")),
    }
}

async fn read_argument(stream: &mut UnixStream, limit: usize) -> Result<Vec<u8>, RpcError> {
    let length = stream.read_u32().await.map_err(RpcError::Io)? as usize;
    if length > limit {
        return Err(RpcError::TooLarge(length));
    }
    // Not allocated ahead: what was announced has not come yet.
    let mut bytes = Vec::new();
    let mut part = stream.take(length as u64);
    part.read_to_end(&mut bytes).await.map_err(RpcError::Io)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(RpcError::Odd("a whole message"))
    }
}

#[cfg(test)]
mod tests {
    use crate::pm2::rpc::*;
    use tokio::net::UnixListener;

    /// Asks a server that says `answer` and then keeps the connection open or closes it.
    async fn ask(answer: &[u8], keeps_open: bool) -> Result<Value, RpcError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; request("getVersion").len()];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(answer).await.ok();
            if keeps_open {
                std::future::pending::<()>().await;
            }
        };
        let asked = async { call_over(connect(&socket)?, "getVersion", Duration::from_millis(300)).await };
        tokio::pin!(asked);
        tokio::select! {
            result = &mut asked => result,
            () = serve => asked.await,
        }
    }

    fn frame(parts: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0x10 | u8::try_from(parts.len()).unwrap()];
        for part in parts {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }

    #[tokio::test]
    async fn an_answer_is_read() {
        let answer = frame(&[r#"j:{"args":["7.0.4"]}"#, ID]);
        assert_eq!(ask(&answer, true).await.unwrap(), "7.0.4");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_told_apart() {
        let huge = [&[0x12][..], &u32::MAX.to_be_bytes()].concat();
        let whole = frame(&[r#"j:{"args":["7.0.4"]}"#, ID]);
        let cases: [(&[u8], bool, &str); 9] = [
            (b"", true, "PM2's daemon did not answer within 0.3 s"),
            (b"", false, "PM2's socket cannot be used"),
            (
                b"HTTP/1.1 400",
                true,
                "PM2's daemon answered with something else than a message of two parts",
            ),
            (
                &huge,
                true,
                "PM2's daemon announced an answer of 4294967295 bytes",
            ),
            (
                &whole[..whole.len() - 2],
                false,
                "PM2's daemon answered with something else than a whole message",
            ),
            (
                &frame(&[r#"j:{"args":["#, ID]),
                true,
                "PM2's daemon answered with something else than JSON",
            ),
            (
                &frame(&[r#"j:{"args":[]}"#, ID]),
                true,
                "PM2's daemon answered with something else than a result",
            ),
            (
                &frame(&[r#"j:{"args":[1]}"#, "s:bluegreen:9"]),
                true,
                "PM2's daemon answered with something else than the id of the call",
            ),
            (
                &frame(&[r#"j:{"error":"method does not exist"}"#, ID]),
                true,
                "PM2's daemon refused: method does not exist",
            ),
        ];
        for (answer, keeps_open, expected) in cases {
            assert_eq!(ask(answer, keeps_open).await.unwrap_err().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_socket_without_a_listener_means_no_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let left_behind = folder.path().join("s");
        drop(UnixListener::bind(&left_behind).unwrap());
        for socket in [left_behind, folder.path().join("none")] {
            let error = connect(&socket).unwrap_err();
            assert!(matches!(error, RpcError::Down), "{error}");
        }
    }
}
