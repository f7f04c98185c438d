//! What the clients have seen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;

/// Failures past this many different ones are counted, and not kept in words.
const KEPT_IN_WORDS: usize = 20;

/// Everything that was asked, in the order of the ends.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it began.
    pub start: Instant,
    /// The requests, those too that failed.
    pub samples: Vec<Sample>,
    /// How often each failure was seen.
    pub failures: BTreeMap<String, u64>,
    /// Idle connections found closed before anything was sent on them: no loss.
    pub reopened: u64,
    /// What became of the websockets.
    pub sockets: Sockets,
}

/// One request; on a websocket, one message and its echo.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Of what kind the client is.
    pub kind: &'static str,
    /// When it was sent, since the record's start.
    pub sent: Duration,
    /// How long it took to its end.
    pub took: Duration,
    /// Who answered; nobody where it failed.
    pub color: Option<Color>,
}

impl Sample {
    /// Whether it got no good and whole answer.
    pub fn failed(&self) -> bool {
        self.color.is_none()
    }
}

/// Websockets from their opening to their end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets {
    /// Opened.
    pub opened: u64,
    /// Ended by the other side.
    pub closed: u64,
    /// Answered by another color than before.
    pub moved: u64,
}

impl Record {
    /// Nothing yet.
    pub fn new(start: Instant) -> Record {
        Record {
            start,
            samples: Vec::new(),
            failures: BTreeMap::new(),
            reopened: 0,
            sockets: Sockets::default(),
        }
    }

    /// One request that has ended now.
    pub fn add(&mut self, kind: &'static str, sent: Instant, outcome: Result<Color, String>) {
        self.samples.push(Sample {
            kind,
            sent: sent - self.start,
            took: sent.elapsed(),
            color: outcome.as_ref().ok().copied(),
        });
        if let Err(why) = outcome {
            let is_new = !self.failures.contains_key(&why);
            let why = if is_new && self.failures.len() >= KEPT_IN_WORDS {
                "others".to_owned()
            } else {
                why
            };
            *self.failures.entry(why).or_default() += 1;
        }
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.samples.iter().filter(|sample| sample.failed()).count()
    }

    /// Requests and failures of each kind.
    pub fn by_kind(&self) -> BTreeMap<&'static str, (usize, usize)> {
        let mut kinds = BTreeMap::<_, (usize, usize)>::new();
        for sample in &self.samples {
            let count = kinds.entry(sample.kind).or_default();
            count.0 += 1;
            count.1 += usize::from(sample.failed());
        }
        kinds
    }
}
