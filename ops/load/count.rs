//! What the load has seen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::request::{Answer, Asked, Kind};

/// Failures past this many different ones are counted, and not shown.
const SHOWN_FAILURES: usize = 20;

/// Two changes of color closer than this are one switch: the moment in which both answer.
const ONE_SWITCH: Duration = Duration::from_secs(1);

/// The sums, as printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Count {
    /// All requests that have ended, well or not.
    pub requests: u64,
    /// Those without a good and whole answer, the wrong ones included.
    pub failed: u64,
    /// Those answered with a good status by something that is not the app, or with another
    /// body than was asked for.
    pub wrong: u64,
    /// Idle connections found closed before anything was sent on them.
    pub reopened: u64,
    /// Requests and failures of each kind.
    pub by_kind: BTreeMap<&'static str, KindCount>,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Answers by the color that gave them.
    pub by_color: BTreeMap<String, u64>,
    /// Answers by the release that gave them.
    pub by_release: BTreeMap<String, u64>,
    /// Every time the answering color changed.
    pub switches: Vec<Switch>,
    /// The slowest answer of an ordinary request, in milliseconds.
    pub slowest_ms: u64,
    /// The first different failures.
    pub failures: Vec<String>,
}

/// Requests and failures of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindCount {
    /// All.
    pub requests: u64,
    /// The failed ones.
    pub failed: u64,
}

/// The answering color changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// Who answered before.
    pub from: String,
    /// Who answers since.
    pub to: String,
    /// When it began, in milliseconds since the load's start.
    pub at_ms: u64,
    /// From the last request before which only the old color answered, to the first from
    /// which only the new one did, in milliseconds: no shorter than the truth, and no finer
    /// than the requests lie apart.
    pub within_ms: u64,
}

/// The sums while they are made.
pub struct Tally {
    start: Instant,
    count: Count,
    answered: Vec<(Duration, String)>,
}

impl Tally {
    /// Nothing yet.
    pub fn new(start: Instant) -> Tally {
        Tally {
            start,
            count: Count::default(),
            answered: Vec::new(),
        }
    }

    /// The load could not even begin.
    pub fn failed_to_start(&mut self, error: &std::io::Error) {
        self.fail(format!("the load did not start: {error}"));
        self.count.requests += 1;
    }

    /// One request more.
    pub fn add(&mut self, kind: Kind, asked: &Asked, accept: &[u16]) {
        self.count.requests += 1;
        self.count.reopened += u64::from(asked.reopened);
        let failed_before = self.count.failed;
        match &asked.answer {
            Ok(answer) => self.add_answer(kind, asked, answer, accept),
            Err(why) => self.fail(why.clone()),
        }
        let by_kind = self.count.by_kind.entry(kind.name()).or_default();
        by_kind.requests += 1;
        by_kind.failed += self.count.failed - failed_before;
    }

    fn add_answer(&mut self, kind: Kind, asked: &Asked, answer: &Answer, accept: &[u16]) {
        *self.count.by_status.entry(answer.status).or_default() += 1;
        if !matches!(kind, Kind::Slow(_) | Kind::Upload(_) | Kind::Stream(_)) {
            self.count.slowest_ms = self.count.slowest_ms.max(millis(asked.took));
        }
        if let Some(color) = &answer.color {
            *self.count.by_color.entry(color.clone()).or_default() += 1;
            self.answered
                .push((asked.sent.duration_since(self.start), color.clone()));
        }
        if let Some(release) = &answer.release {
            *self.count.by_release.entry(release.clone()).or_default() += 1;
        }
        if answer.status != 200 {
            if !accept.contains(&answer.status) {
                self.fail(format!("{}: status {}", kind.name(), answer.status));
            }
        } else if answer.color.is_none() || !kind.is_answered_by(&answer.body) {
            self.count.wrong += 1;
            let start: String = answer.body.chars().take(60).collect();
            self.fail(format!("{}: a wrong answer: {start:?}", kind.name()));
        }
    }

    fn fail(&mut self, why: String) {
        self.count.failed += 1;
        if self.count.failures.len() < SHOWN_FAILURES && !self.count.failures.contains(&why) {
            self.count.failures.push(why);
        }
    }

    /// The sums up to now.
    pub fn count(&self) -> Count {
        let mut answered = self.answered.clone();
        answered.sort();
        Count {
            switches: switches(&answered),
            ..self.count.clone()
        }
    }
}

/// Every change of color in answers ordered by when their requests were sent.
fn switches(answered: &[(Duration, String)]) -> Vec<Switch> {
    let mut found: Vec<Switch> = Vec::new();
    for ((before, from), (after, to)) in answered.iter().zip(answered.iter().skip(1)) {
        if from == to {
            continue;
        }
        match found.last_mut() {
            Some(last) if millis(*before) < last.at_ms + last.within_ms + millis(ONE_SWITCH) => {
                last.to.clone_from(to);
                last.within_ms = millis_up(*after) - last.at_ms;
            }
            _ => found.push(Switch {
                from: from.clone(),
                to: to.clone(),
                at_ms: millis(*before),
                within_ms: millis_up(*after) - millis(*before),
            }),
        }
    }
    found
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn millis_up(time: Duration) -> u64 {
    millis(time + Duration::from_micros(999))
}
