//! Counts what the prober saw, in bounded memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use web::http::HttpError;

use crate::probe_traffic::wire::{Answer, Failed};

/// With fewer requests than this nothing can be said.
pub const ENOUGH: u64 = 50;

/// Different failures that are kept apart; the rest is counted together.
const KINDS: usize = 8;

/// The numbers of one switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Requests that were answered or failed.
    pub sent: u64,
    /// Those without an answer, cut off, or answered 500 or more (503 excepted where the
    /// maintenance page is expected).
    pub failed: u64,
    /// How many of the failed had failed before the swap: not the switch's doing.
    pub failed_before: u64,
    /// How many of the failed were sent on a kept-alive connection that was closed in
    /// place of an answer. A browser would repeat a GET here, and not a POST.
    pub reused_closed: u64,
    /// Every different failure with its count, the first 8.
    pub failures: Vec<String>,
    /// What NGINX answered itself before it would have asked a color, with its count: an answer
    /// below 500, or 503 as of a limit. It tells nothing of a color, and is not among the sent.
    pub by_nginx: Vec<String>,
    /// From the first request to the end of asking.
    pub window: Duration,
    /// From the swap to the headers of the last answer by the old slot, in milliseconds.
    /// A request that the old slot had begun before the swap counts, so a slow app shows
    /// its own slowness here. `None`: no old answer came after the swap.
    pub last_old_ms: Option<f64>,
    /// Whether there were enough requests to say anything.
    pub enough: bool,
}

#[derive(Debug)]
pub(super) struct Tally {
    old: Option<String>,
    maintenance: bool,
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    sent: u64,
    failed: u64,
    failed_before: u64,
    reused_closed: u64,
    kinds: BTreeMap<String, u64>,
    other_kinds: u64,
    by_nginx: BTreeMap<u16, u64>,
    swap: Option<Instant>,
    end: Option<Instant>,
    last_old: Option<Instant>,
}

impl Tally {
    pub(super) fn new(old: Option<SocketAddr>, maintenance: bool) -> Tally {
        Tally {
            old: old.map(|address| address.to_string()),
            maintenance,
            started: Instant::now(),
            seen: Mutex::default(),
        }
    }

    pub(super) fn swapped(&self) {
        self.seen().swap.get_or_insert_with(Instant::now);
    }

    pub(super) fn ends(&self, at: Instant) {
        self.seen().end = Some(at);
    }

    pub(super) fn answered(&self, answer: &Answer) {
        let mut seen = self.seen();
        let declined = answer.status < 500 || answer.status == 503;
        if declined && answer.upstream.as_deref() == Some("") {
            *seen.by_nginx.entry(answer.status).or_default() += 1;
            return;
        }
        seen.sent += 1;
        if answer.upstream.is_some() && answer.upstream == self.old {
            seen.last_old = seen.last_old.max(Some(answer.at));
        }
        if answer.status >= 500 && !(self.maintenance && answer.status == 503) {
            let by = match answer.upstream.as_deref() {
                Some("") => " by NGINX itself".to_owned(),
                Some(upstream) => format!(" by {upstream}"),
                None => String::new(),
            };
            seen.fail(format!("answered {}{by}", answer.status));
        }
    }

    pub(super) fn failed(&self, failed: &Failed) {
        let mut seen = self.seen();
        seen.sent += 1;
        match failed {
            Failed::Answer {
                error: HttpError::Closed,
                reused: true,
            } => {
                seen.reused_closed += 1;
                seen.fail("a kept-alive connection was closed in place of an answer".into());
            }
            Failed::Answer { error, .. } => seen.fail(error.to_string()),
            Failed::NotSent => seen.fail("a new connection was closed at once".into()),
        }
    }

    pub(super) fn counted(&self) -> Counted {
        let seen = self.seen();
        let after_swap = |at: Instant| seen.swap.and_then(|swap| at.checked_duration_since(swap));
        let mut failures: Vec<String> = seen
            .kinds
            .iter()
            .map(|(words, count)| times(words, *count))
            .collect();
        if seen.other_kinds > 0 {
            failures.push(times("other failures", seen.other_kinds));
        }
        Counted {
            sent: seen.sent,
            failed: seen.failed,
            failed_before: seen.failed_before,
            reused_closed: seen.reused_closed,
            failures,
            by_nginx: seen
                .by_nginx
                .iter()
                .map(|(status, count)| {
                    let words = format!(
                        "answered {status} by NGINX itself before it asked a color, which loses nothing"
                    );
                    times(&words, *count)
                })
                .collect(),
            window: seen
                .end
                .unwrap_or_else(Instant::now)
                .saturating_duration_since(self.started),
            last_old_ms: seen
                .last_old
                .and_then(after_swap)
                .map(|late| late.as_secs_f64() * 1000.0),
            enough: seen.sent >= ENOUGH,
        }
    }

    /// A prober that panicked has left whole numbers behind.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn fail(&mut self, words: String) {
        self.failed += 1;
        if self.swap.is_none() {
            self.failed_before += 1;
        }
        if self.kinds.len() < KINDS || self.kinds.contains_key(&words) {
            *self.kinds.entry(words).or_default() += 1;
        } else {
            self.other_kinds += 1;
        }
    }
}

fn times(words: &str, count: u64) -> String {
    match count {
        1 => format!("{words} (once)"),
        count => format!("{words} ({count} times)"),
    }
}
