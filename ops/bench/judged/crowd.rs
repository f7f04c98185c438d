//! Visitors who come at a steady rate, whatever becomes of their requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Meanwhile;
use super::it::sandbox::HOST;
use super::it::sandbox::http::connect_from;

/// So many can be busy at once.
const THREADS: usize = 24;

/// What they met.
pub struct Met {
    /// How many requests they sent.
    pub asked: u64,
    /// How many failed: GETs, and POSTs. What is asked for in vain by design is not among them.
    pub failed: [u64; 2],
}

#[derive(Default)]
struct Counted {
    asked: AtomicU64,
    gets: AtomicU64,
    posts: AtomicU64,
    ends: AtomicBool,
}

/// The visitors.
pub struct Crowd {
    counted: Arc<Counted>,
    threads: Vec<JoinHandle<()>>,
}

/// What somebody asks for.
struct Errand {
    visitor: u64,
    method: &'static str,
    path: &'static str,
    counts: bool,
}

impl Crowd {
    /// They come from now on.
    pub fn comes(site: SocketAddr, rate: u64, meanwhile: Meanwhile) -> Crowd {
        let counted = Arc::<Counted>::default();
        let next = Arc::<AtomicU64>::default();
        let began = Instant::now();
        let mut threads: Vec<JoinHandle<()>> = (0..THREADS)
            .map(|_| {
                let (counted, next) = (counted.clone(), next.clone());
                std::thread::spawn(move || {
                    while !counted.ends.load(Ordering::Relaxed) {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        wait_until(began + Duration::from_secs_f64(nth as f64 / rate as f64));
                        run(site, &usual(nth), &counted);
                    }
                })
            })
            .collect();
        for kind in [
            Some(Meanwhile::Nothing),
            (meanwhile != Meanwhile::Nothing).then_some(meanwhile),
        ] {
            let Some(kind) = kind else { continue };
            let counted = counted.clone();
            threads.push(std::thread::spawn(move || {
                for second in 0.. {
                    wait_until(began + Duration::from_secs(second));
                    if counted.ends.load(Ordering::Relaxed) {
                        return;
                    }
                    each_second(kind, second)
                        .iter()
                        .for_each(|errand| run(site, errand, &counted));
                }
            }));
        }
        Crowd { counted, threads }
    }

    /// They come no more.
    pub fn go(self) -> Met {
        self.counted.ends.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Met {
            asked: of(&self.counted.asked),
            failed: [of(&self.counted.gets), of(&self.counted.posts)],
        }
    }
}

fn wait_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// One in ten sends something; one visitor in ten has the cookie.
fn usual(nth: u64) -> Errand {
    let (method, path) = match nth % 10 {
        9 => ("POST", "/upload"),
        _ => ("GET", "/whoami"),
    };
    Errand {
        visitor: nth / 10 * 7 + nth % 10,
        method,
        path,
        counts: true,
    }
}

fn each_second(kind: Meanwhile, second: u64) -> Vec<Errand> {
    let get = |visitor, path, counts| Errand {
        visitor,
        method: "GET",
        path,
        counts,
    };
    match kind {
        Meanwhile::Nothing => vec![get(1000 + second, "/slow?seconds=0", true)],
        Meanwhile::Bot => (0..5).map(|_| get(7, "/wp-login.php", false)).collect(),
        // `x` is no number of seconds, on any release.
        Meanwhile::Bursts if second.is_multiple_of(15) => {
            (0..5).map(|_| get(second, "/slow?seconds=x", false)).collect()
        }
        Meanwhile::Bursts | Meanwhile::Outage => Vec::new(),
    }
}

fn run(site: SocketAddr, errand: &Errand, counted: &Counted) {
    counted.asked.fetch_add(1, Ordering::Relaxed);
    let status = ask(site, errand).unwrap_or(0);
    if errand.counts && status != 200 {
        let failed = match errand.method {
            "POST" => &counted.posts,
            _ => &counted.gets,
        };
        failed.fetch_add(1, Ordering::Relaxed);
    }
}

fn ask(site: SocketAddr, errand: &Errand) -> std::io::Result<u16> {
    let [low, high] = [errand.visitor % 200 + 1, errand.visitor / 200 % 20 + 1];
    let from = Ipv4Addr::new(127, 0, u8::try_from(high).unwrap(), u8::try_from(low).unwrap());
    let stream = connect_from(from, site)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    sent(stream, errand)
}

fn sent(mut stream: TcpStream, errand: &Errand) -> std::io::Result<u16> {
    let Errand {
        method,
        path,
        visitor,
        ..
    } = errand;
    let cookie = if visitor % 10 == 0 {
        "Cookie: plan=gold\r\n"
    } else {
        ""
    };
    let body = if *method == "POST" { "x=1" } else { "" };
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {HOST}\r\n{cookie}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole)?;
    let text = String::from_utf8_lossy(&whole);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("no answer"))
}
