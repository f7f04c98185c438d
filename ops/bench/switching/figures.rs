//! What is reported of a mechanism.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::timing::{Times, in_ms, median_ms};
use crate::traffic::Sample;
use crate::trial::{Switch, Trial};

/// So long after a command's start its requests count as those of the switch, and so long
/// after its end the state is steady again.
const NEAR: Duration = Duration::from_secs(1);

/// The clients whose time is the server's and not their own.
const QUICK: [&str; 6] = ["get", "post", "fresh-get", "fresh-post", "h2-get", "h2-post"];

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// As in the table.
    pub mechanism: &'static str,
    /// The way in force, where `bg` decides on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Commands under load.
    pub switches: usize,
    /// Those of them that did not end well.
    pub refused: usize,
    /// What they said, once each.
    pub refusals: Vec<String>,
    /// All requests of all clients.
    pub requests: usize,
    /// Those without a good and whole answer.
    pub failed: usize,
    /// The same by kind of client.
    pub by_kind: BTreeMap<&'static str, OfKind>,
    /// Websockets.
    pub websockets: Websockets,
    /// Idle connections found closed before anything was sent: no loss.
    pub reopened: u64,
    /// How often each failure was seen.
    pub failures: BTreeMap<String, u64>,
    /// Of switches without other load.
    pub times: Times,
    /// Under load, from a command's start to the last old answer to a request that was sent
    /// after it, before the next switch began: the median, and the longest.
    pub old_under_load_ms: (f64, f64),
    /// Before the first switch, and more than a second after the end of each.
    pub steady: Latency,
    /// Within a second after one began.
    pub near: Latency,
}

/// Of one kind of client.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OfKind {
    /// All.
    pub requests: usize,
    /// The failed ones.
    pub failed: usize,
}

/// What became of the open websockets.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Websockets {
    /// Opened.
    pub opened: u64,
    /// Ended by the server.
    pub closed: u64,
    /// Answered by another color than before, on the same connection.
    pub moved: u64,
}

/// Of requests that are quick to answer, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// How many there were.
    pub requests: usize,
    /// The middle one.
    pub p50: f64,
    /// 99 of 100 are no slower.
    pub p99: f64,
    /// 999 of 1,000 are no slower.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

/// The row of a trial.
pub fn of(mechanism: &'static str, way: Option<String>, trial: &Trial, times: Times) -> Figures {
    let record = &trial.record;
    let quick = |when: When| {
        let samples = record.samples.iter().filter(|sample| is_quick(sample));
        let chosen =
            samples.filter(|sample| !sample.failed() && When::of(sample, &trial.switches) == Some(when));
        latency(chosen.map(|sample| sample.took).collect())
    };
    let kinds = record.by_kind().into_iter();
    let mut refusals = trial.refused.clone();
    refusals.sort();
    refusals.dedup();
    Figures {
        mechanism,
        way,
        switches: trial.switches.len(),
        refused: trial.refused.len(),
        refusals,
        requests: record.samples.len(),
        failed: record.failed(),
        by_kind: kinds
            .map(|(kind, (requests, failed))| (kind, OfKind { requests, failed }))
            .collect(),
        websockets: Websockets {
            opened: record.sockets.opened,
            closed: record.sockets.closed,
            moved: record.sockets.moved,
        },
        reopened: record.reopened,
        failures: record.failures.clone(),
        times,
        old_under_load_ms: old_under_load(trial),
        steady: quick(When::Steady),
        near: quick(When::Near),
    }
}

fn is_quick(sample: &Sample) -> bool {
    QUICK.contains(&sample.kind)
}

/// When a request was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Steady,
    Near,
}

impl When {
    /// `None` between the two. `switches` are in order.
    fn of(sample: &Sample, switches: &[Switch]) -> Option<When> {
        let later = switches.partition_point(|switch| switch.at <= sample.sent);
        let Some(last) = later.checked_sub(1).and_then(|before| switches.get(before)) else {
            return Some(When::Steady);
        };
        if sample.sent <= last.at + NEAR {
            Some(When::Near)
        } else {
            (sample.sent > last.ended + NEAR).then_some(When::Steady)
        }
    }
}

fn old_under_load(trial: &Trial) -> (f64, f64) {
    let mut last_old = vec![Duration::ZERO; trial.switches.len()];
    for sample in trial.record.samples.iter().filter(|sample| is_quick(sample)) {
        let later = trial.switches.partition_point(|switch| switch.at <= sample.sent);
        let Some(number) = later.checked_sub(1) else {
            continue;
        };
        let switch = trial.switches[number];
        if sample.color == Some(switch.to.other()) {
            let since = sample.sent + sample.took - switch.at;
            last_old[number] = last_old[number].max(since);
        }
    }
    let longest = last_old.iter().max().copied().unwrap_or_default();
    (median_ms(last_old), in_ms(longest))
}

fn latency(mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    let at = |share: f64| {
        // The smallest time that so large a share does not exceed.
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.saturating_sub(1)).copied().map_or(0.0, in_ms)
    };
    Latency {
        requests: times.len(),
        p50: at(0.5),
        p99: at(0.99),
        p99_9: at(0.999),
        max: at(1.0),
    }
}
