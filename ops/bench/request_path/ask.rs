//! The simplest client there is: one connection, one request after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::sandbox::HOST;

/// Asks `times` times on one connection. Every answer must be a whole one with status 200.
pub fn ask(address: SocketAddr, path: &str, times: u32) {
    let mut stream = connect(address);
    stream.set_nodelay(true).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
    for _ in 0..times {
        stream.write_all(request.as_bytes()).unwrap();
        read_answer(&mut stream);
    }
}

/// NGINX below callgrind takes a second or two to listen.
fn connect(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
        if is_whole(&answer) {
            assert!(
                answer.starts_with(b"HTTP/1.1 200 "),
                "{:?}",
                String::from_utf8_lossy(&answer)
            );
            return;
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("an answer that says its length").parse().unwrap();
    answer.len() == head + 4 + length
}
