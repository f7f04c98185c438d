//! One request on a fresh connection, as plain as can be.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names as sent, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// `GET`, as HTTP/1.0 so that the body comes in one piece and ends with the connection.
pub fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
    get_with(address, host, path, &[])
}

/// The same with more headers.
pub fn get_with(address: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    ask(stream, host, path, headers)
}

/// The same as somebody at another address of this machine.
pub fn get_from(from: Ipv4Addr, address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
    let stream = connect_from(from, address)?;
    ask(stream, host, path, &[])
}

/// A connection from another address of this machine.
pub fn connect_from(from: Ipv4Addr, address: SocketAddr) -> io::Result<TcpStream> {
    let alone = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let stream = alone.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(address).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn ask(mut stream: TcpStream, host: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let more: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n{more}\r\n")?;
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole)?;
    let whole = String::from_utf8_lossy(&whole).into_owned();
    parse(&whole).ok_or_else(|| io::Error::other(format!("not an answer: {whole:?}")))
}

fn parse(whole: &str) -> Option<Answer> {
    let (head, body) = whole.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Answer {
        status,
        headers,
        body: body.to_owned(),
    })
}
