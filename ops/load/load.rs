//! Constant mixed load, counted by its own hand: plain HTTP/1.1 connections, no pool, and
//! nothing is ever asked twice. A request whose reused connection is closed before the
//! answer has failed, as it has for a browser's POST.
//!
//! Shared by the demo's `load` program and by the tests, both of which include this file
//! by its path.

#[path = "count.rs"]
mod count;
#[path = "request.rs"]
mod request;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use count::Count;
use count::Tally;
pub use request::{Asked, Connection, Kind};

/// What is asked of whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the front door listens.
    pub address: SocketAddr,
    /// The Host header.
    pub host: String,
    /// How many connections of each kind are busy at once.
    pub workers: Vec<(Kind, usize)>,
    /// The pause of a connection between an answer and its next request.
    pub pause: Duration,
    /// Statuses that are no failure, besides 200.
    pub accept: Vec<u16>,
    /// How long one answer may take.
    pub patience: Duration,
}

impl Plan {
    /// 200 is the only good answer, 10 ms between a connection's requests, a minute's patience.
    pub fn new(address: SocketAddr, host: &str, workers: &[(Kind, usize)]) -> Plan {
        Plan {
            address,
            host: host.to_owned(),
            workers: workers.to_vec(),
            pause: Duration::from_millis(10),
            accept: Vec::new(),
            patience: Duration::from_secs(60),
        }
    }
}

/// Load that is under way on a thread of its own; it ends with [`Load::stop`], or when dropped.
pub struct Load {
    ending: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the load of [`Plan::new`].
    #[allow(dead_code, reason = "the tests start it; the program makes a plan of its own")]
    pub fn start(address: SocketAddr, host: &str, workers: &[(Kind, usize)]) -> Load {
        Load::run(Plan::new(address, host, workers))
    }

    /// Starts the load of `plan`.
    pub fn run(plan: Plan) -> Load {
        let ending = Arc::new(AtomicBool::new(false));
        let tally = Arc::new(Mutex::new(Tally::new(Instant::now())));
        let thread = std::thread::spawn({
            let (ending, tally) = (ending.clone(), tally.clone());
            move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(all_workers(plan, ending, tally)),
                Err(error) => locked(&tally).failed_to_start(&error),
            }
        });
        Load {
            ending,
            tally,
            thread: Some(thread),
        }
    }

    /// The count up to now; requests in flight are not in it.
    pub fn so_far(&self) -> Count {
        locked(&self.tally).count()
    }

    /// Lets every connection finish the request it is at, and counts.
    pub fn stop(mut self) -> Count {
        self.end();
        self.so_far()
    }

    fn end(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            locked(&self.tally).failed_to_start(&std::io::Error::other("the load's thread panicked"));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

async fn all_workers(plan: Plan, ending: Arc<AtomicBool>, tally: Arc<Mutex<Tally>>) {
    let plan = Arc::new(plan);
    let mut workers = tokio::task::JoinSet::new();
    let kinds = plan.workers.iter();
    let kinds = kinds.flat_map(|&(kind, connections)| (0..connections).map(move |_| kind));
    for (kind, nth) in kinds.zip((1..=u8::MAX).cycle()) {
        workers.spawn(work(kind, nth, plan.clone(), ending.clone(), tally.clone()));
    }
    workers.join_all().await;
}

async fn work(kind: Kind, nth: u8, plan: Arc<Plan>, ending: Arc<AtomicBool>, tally: Arc<Mutex<Tally>>) {
    let mut connection = Connection::new(plan.address, nth, &plan.host);
    while !ending.load(Ordering::Relaxed) {
        let asked: Asked = connection.ask(kind, plan.patience).await;
        locked(&tally).add(kind, &asked, &plan.accept);
        if kind.is_fresh() {
            connection.close();
        }
        tokio::time::sleep(plan.pause).await;
    }
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
