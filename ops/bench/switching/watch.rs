//! Who answers, looked at so finely that the moment of a switch can be told: some
//! connections that stay open, each asking the app again as soon as it has an answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;

use crate::traffic::Site;

/// They ask out of step, about once a millisecond together, and leave most of the
/// processor to the command that is timed.
const WATCHERS: usize = 3;
const PAUSE: Duration = Duration::from_micros(1500);

/// An answer of the app.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When the last byte of it was here.
    pub at: Instant,
    /// Who gave it.
    pub color: Color,
}

/// Watchers at work, until this is dropped.
pub struct Watch {
    ending: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    watchers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Starts them.
    pub fn start(site: &Site) -> Watch {
        let ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let watchers = (0..WATCHERS)
            .map(|_| {
                let (ending, seen, site) = (ending.clone(), seen.clone(), site.clone());
                std::thread::spawn(move || look(&site, &ending, &seen))
            })
            .collect();
        Watch {
            ending,
            seen,
            watchers,
        }
    }

    /// The answers since `from`.
    pub fn since(&self, from: Instant) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.at >= from).copied().collect()
    }

    /// Who answered last.
    pub fn color(&self) -> Option<Color> {
        self.seen.lock().unwrap().last().map(|seen| seen.color)
    }

    /// Lets go of what was seen before.
    pub fn forget(&self) {
        let mut seen = self.seen.lock().unwrap();
        let last = seen.pop();
        seen.clear();
        seen.extend(last);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        for watcher in self.watchers.drain(..) {
            watcher.join().ok();
        }
    }
}

fn look(site: &Site, ending: &AtomicBool, seen: &Mutex<Vec<Seen>>) {
    let mut open = None;
    while !ending.load(Ordering::Relaxed) {
        match ask(&mut open, site.plain, &site.host) {
            Ok(Some(color)) => seen.lock().unwrap().push(Seen {
                at: Instant::now(),
                color,
            }),
            // Nobody's answer: what fails is counted elsewhere.
            Ok(None) | Err(_) => open = None,
        }
        std::thread::sleep(PAUSE);
    }
}

fn ask(open: &mut Option<TcpStream>, address: SocketAddr, host: &str) -> io::Result<Option<Color>> {
    let mut stream = match open.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream
        }
    };
    let question = format!("GET /whoami HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let head = head_of_answer(&mut stream)?;
    if !head.contains("connection: close") {
        *open = Some(stream);
    }
    Ok(value(&head, "x-app-color").and_then(|color| color.parse().ok()))
}

/// In lower case; the body has been read as well.
fn head_of_answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut whole = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        whole.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&whole).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let wanted = value(head, "content-length").and_then(|length| length.parse().ok());
        if body.len() >= wanted.unwrap_or(0) {
            return Ok(head.to_owned());
        }
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value)
}
