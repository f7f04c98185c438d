//! Both ends of a request: the client and the app.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use model::color::Color;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// Far above anything measured, for a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The header lines, as sent.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The color of the app that answered.
    pub fn color(&self) -> &str {
        self.header("X-Color").unwrap_or("none")
    }
}

pub async fn ask(
    from: IpAddr,
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: shop.example:81\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    raw(from, to, &request).await
}

pub async fn raw(from: IpAddr, to: SocketAddr, request: &str) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// An app that answers with its color and what it was asked; with 500 where it is told to fail.
pub fn serve_color(color: Color, port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(color, stream));
        }
    });
}

fn answer(color: Color, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |n| n.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        let text = head + &String::from_utf8_lossy(&body);
        let length = text.len();
        // In one piece: the kernel would wait with a second one for a word about the first.
        let fails = [format!("X-Fail: {color}\r\n"), "X-Fail: both\r\n".to_owned()];
        let status = match fails.iter().any(|line| text.contains(line)) {
            true => "500 Internal Server Error",
            false => "200 OK",
        };
        let body = if text.starts_with("HEAD ") { "" } else { &text };
        let head = format!("HTTP/1.1 {status}\r\nX-Color: {color}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).ok()?;
    }
}
