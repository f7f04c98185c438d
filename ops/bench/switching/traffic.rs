//! Every kind of client at once on one site, each request kept with its time: what becomes
//! of them while traffic is switched. Nothing is ever asked twice.
//!
//! Shared by the bench and by the tests, both of which include this file by its path and
//! have the load generator of `ops/load` as `crate::load`.

#[path = "traffic/http2.rs"]
mod http2;
#[path = "traffic/record.rs"]
mod record;
#[path = "traffic/websocket.rs"]
mod websocket;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;
use tokio::task::JoinSet;

use crate::load::{Asked, Connection, Kind};

pub use record::{Record, Sample};

/// One answer may take this long; the longest that is asked for takes three seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where all of it goes.
#[derive(Clone, Debug)]
pub struct Site {
    /// The plain listener.
    pub plain: SocketAddr,
    /// The listener with TLS and HTTP/2.
    pub tls: SocketAddr,
    /// The name that is asked for.
    pub host: String,
    /// The certificate that it must show, in DER.
    pub certificate: Vec<u8>,
}

/// How many clients there are of each kind.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Those of HTTP/1.1.
    pub connections: Vec<(Kind, usize)>,
    /// Connections over TLS with HTTP/2, and the streams that are busy at once on each.
    pub http2: (usize, usize),
    /// Open websockets.
    pub websockets: usize,
    /// Between an answer and the next request of the same client.
    pub pause: Duration,
}

impl Mix {
    /// All kinds, `size` clients for each that is quick to answer.
    pub fn of(size: usize, pause: Duration) -> Mix {
        Mix {
            connections: vec![
                (Kind::Get, size),
                (Kind::Post, size),
                (Kind::FreshGet, size.div_ceil(2)),
                (Kind::FreshPost, size.div_ceil(2)),
                (Kind::Slow(3), 2),
                (Kind::Stream(2), 2),
                (Kind::Upload(2), 2),
            ],
            http2: (2, size),
            websockets: 3,
            pause,
        }
    }
}

/// What each client needs.
struct Errand {
    site: Site,
    pause: Duration,
    ending: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
}

impl Errand {
    fn goes_on(&self) -> bool {
        !self.ending.load(Ordering::Relaxed)
    }

    /// One request more, and what came of it.
    fn note(&self, kind: &'static str, sent: Instant, outcome: Result<Color, String>) {
        self.with_record(|record| record.add(kind, sent, outcome));
    }

    fn with_record(&self, change: impl FnOnce(&mut Record)) {
        change(&mut locked(&self.record));
    }
}

/// Traffic under way on a thread of its own; it ends with [`Traffic::stop`], or when dropped.
pub struct Traffic {
    ending: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    /// Starts all of it.
    pub fn start(site: &Site, mix: Mix) -> Traffic {
        let ending = Arc::new(AtomicBool::new(false));
        let record = Arc::new(Mutex::new(Record::new(Instant::now())));
        let errand = Arc::new(Errand {
            site: site.clone(),
            pause: mix.pause,
            ending: ending.clone(),
            record: record.clone(),
        });
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(all_clients(mix, errand));
        });
        Traffic {
            ending,
            record,
            thread: Some(thread),
        }
    }

    /// Requests that have ended by now.
    pub fn so_far(&self) -> usize {
        locked(&self.record).samples.len()
    }

    /// Every client finishes the request that it is at.
    pub fn stop(mut self) -> Record {
        self.end().unwrap();
        std::mem::replace(&mut *locked(&self.record), Record::new(Instant::now()))
    }

    fn end(&mut self) -> std::thread::Result<()> {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end().ok();
    }
}

async fn all_clients(mix: Mix, errand: Arc<Errand>) {
    let mut clients = JoinSet::new();
    for (kind, count) in mix.connections {
        for _ in 0..count {
            clients.spawn(ask_on(kind, errand.clone()));
        }
    }
    for _ in 0..mix.http2.0 {
        http2::spawn(&mut clients, mix.http2.1, &errand);
    }
    for _ in 0..mix.websockets {
        clients.spawn(websocket::talk(errand.clone()));
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

async fn ask_on(kind: Kind, errand: Arc<Errand>) {
    let mut connection = Connection::new(errand.site.plain, 1, &errand.site.host);
    while errand.goes_on() {
        let asked = connection.ask(kind, PATIENCE).await;
        errand.with_record(|record| record.reopened += u64::from(asked.reopened));
        errand.note(kind.name(), asked.sent, outcome(kind, asked));
        if kind.is_fresh() {
            connection.close();
        }
        tokio::time::sleep(errand.pause).await;
    }
}

fn outcome(kind: Kind, asked: Asked) -> Result<Color, String> {
    let answer = asked.answer?;
    if answer.status != 200 {
        return Err(format!("{}: status {}", kind.name(), answer.status));
    }
    let color = answer.color.and_then(|color| color.parse().ok());
    match color {
        Some(color) if kind.is_answered_by(&answer.body) => Ok(color),
        _ => Err(format!("{}: a wrong answer", kind.name())),
    }
}

fn locked(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
