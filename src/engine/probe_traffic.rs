//! The prober around a switch: asks NGINX like visitors do, from before the swap until a
//! while after it, and counts. It counts strictly: no request is ever sent twice, so a
//! request lost on a kept-alive connection is seen, which a pooled client would hide.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use site::endpoint::{Endpoint, Nonce, Pace};
use tokio::sync::watch;
use tokio::task::JoinSet;
use web::http::HttpError;

mod tally;
mod wire;

use tally::Tally;
pub use tally::{Counted, ENOUGH};
pub use wire::USER_AGENT;
use wire::{Caller, Failed, Wire};

/// Two connections that stay open and ask every 10 ms, and 50 fresh ones a second: 250
/// requests a second at most, a quarter of a core for an app that answers in 1 ms, and
/// enough for [`ENOUGH`] within the quarter of a second around a swap. After an answer
/// each waits as long as that took, so that a slow app is asked by one and a half at a time
/// on average, and by six for a moment: its workers are there for visitors.
const KEPT_ALIVE: usize = 2;
const KEPT_ALIVE_EVERY: Duration = Duration::from_millis(10);
const FRESH_EVERY: Duration = Duration::from_millis(20);

/// Fresh connections wait for each other beyond this, so that an app that hangs does not
/// get more and more of them.
const FRESH_AT_ONCE: usize = 4;

/// A request without a complete answer after this long has failed.
const DEADLINE: Duration = Duration::from_secs(5);

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTraffic {
    /// The listener.
    pub endpoint: Endpoint,
    /// The path.
    pub path: String,
    /// The slot that traffic leaves, if any: its address as NGINX names it.
    pub old: Option<SocketAddr>,
    /// Whether 503 is what visitors should get before or after the swap.
    pub maintenance: bool,
    /// How long it goes on after NGINX is behind the swap.
    pub window: Duration,
}

/// The prober at work. Dropping it ends it at once.
#[derive(Debug)]
pub struct Running {
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
    window: Duration,
    end: watch::Sender<Option<Instant>>,
}

impl ProbeTraffic {
    /// Starts asking and returns at once; must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no request can be made of the path and the host.
    pub fn start(self) -> Result<Running, HttpError> {
        let tally = Arc::new(Tally::new(self.old, self.maintenance));
        let caller = Arc::new(Caller::new(&self.endpoint, &self.path)?);
        let pace = self.endpoint.pace.as_ref();
        let (end, ends) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for _ in 0..KEPT_ALIVE {
            tasks.spawn(keep_alive(prober(&caller, &tally, pace), over(ends.clone())));
        }
        tasks.spawn(fresh(prober(&caller, &tally, pace), over(ends)));
        Ok(Running {
            tasks,
            tally,
            window: self.window,
            end,
        })
    }
}

impl Running {
    /// Marks the moment of the swap. Only the first call counts.
    pub fn swapped(&self) {
        self.tally.swapped();
    }

    /// NGINX is behind the swap, as far as it says: asking ends by itself, the window after
    /// this. Only the first call counts.
    pub fn followed(&self) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                let at = Instant::now() + self.window;
                self.tally.ends(at);
                *end = Some(at);
            }
            first
        });
    }

    /// Waits until the window is over (after this call if it had not begun) and for the
    /// requests in flight, 5 s at most, and counts.
    pub async fn finish(mut self) -> Counted {
        self.followed();
        while self.tasks.join_next().await.is_some() {}
        self.tally.counted()
    }
}

/// Waits for the end of asking.
async fn over(mut end: watch::Receiver<Option<Instant>>) {
    let at = end.wait_for(Option::is_some).await.map_or(None, |at| *at);
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

fn prober(caller: &Arc<Caller>, tally: &Arc<Tally>, pace: Option<&Pace>) -> Prober {
    Prober {
        caller: Arc::clone(caller),
        tally: Arc::clone(tally),
        nonce: Nonce::fresh(),
        pace: pace.cloned(),
    }
}

/// One visitor.
#[derive(Clone)]
struct Prober {
    caller: Arc<Caller>,
    tally: Arc<Tally>,
    nonce: Nonce,
    pace: Option<Pace>,
}

async fn keep_alive(prober: Prober, over: impl Future<Output = ()>) {
    tokio::pin!(over);
    let mut wire = None;
    for n in 0.. {
        let began = Instant::now();
        if prober.may_ask() {
            wire = prober.ask(wire, n).await;
        }
        tokio::select! {
            // After a slow request both are ready, and no further one may begin.
            biased;
            () = &mut over => return,
            () = pause(began, KEPT_ALIVE_EVERY, began.elapsed()) => {}
        }
    }
}

async fn fresh(prober: Prober, over: impl Future<Output = ()>) {
    tokio::pin!(over);
    let mut in_flight = JoinSet::new();
    let mut last = Duration::ZERO;
    for n in 0.. {
        let began = Instant::now();
        if in_flight.len() < FRESH_AT_ONCE && prober.may_ask() {
            let prober = prober.clone();
            in_flight.spawn(async move {
                prober.ask(None, n).await;
                began.elapsed()
            });
        }
        tokio::select! {
            biased;
            () = &mut over => break,
            () = pause(began, FRESH_EVERY, last) => {}
        }
        while let Some(done) = in_flight.try_join_next() {
            last = done.unwrap_or(last);
        }
    }
    while in_flight.join_next().await.is_some() {}
}

/// Until the next request is due, where the last one took `took`.
async fn pause(began: Instant, every: Duration, took: Duration) {
    tokio::time::sleep_until((began + every.max(took * 2)).into()).await;
}

impl Prober {
    /// Whether NGINX's limits leave room for one more: the proof goes first.
    fn may_ask(&self) -> bool {
        self.pace.as_ref().is_none_or(Pace::has_to_spare)
    }

    /// One request, counted; gives the connection back if it can be used again.
    async fn ask(&self, wire: Option<Wire>, n: u64) -> Option<Wire> {
        let nonce = self.nonce.nth(n);
        let asked = self.try_ask(wire, &nonce);
        let outcome = tokio::time::timeout(DEADLINE, asked).await;
        let late = HttpError::NoAnswer { after: DEADLINE };
        match outcome.unwrap_or(Err(Failed::Answer {
            error: late,
            reused: false,
        })) {
            Ok((wire, answer)) => {
                self.tally.answered(&answer);
                wire
            }
            Err(failed) => {
                self.tally.failed(&failed);
                None
            }
        }
    }

    async fn try_ask(
        &self,
        wire: Option<Wire>,
        nonce: &Nonce,
    ) -> Result<(Option<Wire>, wire::Answer), Failed> {
        if let Some(wire) = wire {
            match wire.send(&self.caller, nonce).await {
                // The close was seen before anything was sent: nothing is lost, and every
                // visitor's browser opens a new connection here too.
                Err(Failed::NotSent) => {}
                outcome => return outcome,
            }
        }
        let wire = self
            .caller
            .open()
            .await
            .map_err(|error| Failed::Answer { error, reused: false })?;
        wire.send(&self.caller, nonce).await
    }
}

#[cfg(test)]
mod tests;
