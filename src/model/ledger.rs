//! What became of a release's requests, for as long as the release is kept: by the beginning of the
//! path, how many there were, how many failed, and how long they took.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bake::{Fact, Said};
use crate::judge::Counts;

/// So many places are told apart.
const PLACES: usize = 40;

/// Where the requests of all other places are counted.
pub const OTHERS: &str = "(others)";

/// So many steps double the time: each holds what is at most a fifth slower than its beginning.
const STEPS: f64 = 4.0;

/// What is faster than this, in milliseconds, is not told apart.
const FASTEST: f64 = 0.25;

/// The highest step, some eleven minutes.
const SLOWEST: u8 = 85;

/// How long requests took: how many there were in each step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Times(BTreeMap<u8, u64>);

impl Times {
    /// Takes in one more, in milliseconds.
    pub fn add(&mut self, ms: f64) {
        let step = (ms.max(FASTEST) / FASTEST).log2() * STEPS;
        let step = step.clamp(0.0, f64::from(SLOWEST)) as u8;
        *self.0.entry(step).or_default() += 1;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// What `share` of them, from 0 to 1, did not take longer than, in milliseconds; none where there
    /// is nothing.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let step = self.0.iter().find(|(_, count)| {
            below += **count;
            below >= wanted
        });
        // The middle of the step.
        step.map(|(step, _)| FASTEST * ((f64::from(*step) + 0.5) / STEPS).exp2())
    }
}

/// What became of the requests at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How many there were, and how many of them failed.
    pub counts: Counts,
    /// How long they took.
    pub times: Times,
}

/// What became of the requests at a place, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behavior {
    /// The beginning of the path.
    pub place: String,
    /// How many there were, and how many of them failed.
    pub counts: Counts,
    /// What half of them took at most, in milliseconds.
    pub p50_ms: Option<u64>,
    /// What 95 of 100 took at most.
    pub p95_ms: Option<u64>,
}

/// What became of a release's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By the beginning of the path.
    pub places: BTreeMap<String, Place>,
    /// When the first one came.
    pub since: Option<Timestamp>,
    /// When the last one did.
    pub until: Option<Timestamp>,
}

impl Ledger {
    /// Takes in a request of the release's.
    pub fn take(&mut self, fact: &Fact<'_>) {
        let said = fact.says();
        if said == Said::Nothing {
            return;
        }
        let at = Timestamp::from_millisecond((fact.at * 1000.0) as i64).ok();
        self.since = self.since.or(at);
        self.until = at.or(self.until);
        let is_known = self.places.contains_key(fact.place());
        let place = match is_known || self.places.len() < PLACES {
            true => fact.place(),
            false => OTHERS,
        };
        let place = self.places.entry(place.to_owned()).or_default();
        place.counts.requests += 1;
        place.counts.failed += u64::from(matches!(said, Said::Failed { .. } | Said::BothFailed));
        if let Some(ms) = fact.took_ms {
            place.times.add(ms);
        }
    }

    /// By place, the most asked for first.
    #[must_use]
    pub fn behavior(&self) -> Vec<Behavior> {
        let ms = |place: &Place, share| place.times.quantile(share).map(|ms| ms.round() as u64);
        let told = |(name, place): (&String, &Place)| Behavior {
            place: name.clone(),
            counts: place.counts,
            p50_ms: ms(place, 0.5),
            p95_ms: ms(place, 0.95),
        };
        let mut all: Vec<Behavior> = self.places.iter().map(told).collect();
        all.sort_by_key(|place| std::cmp::Reverse(place.counts.requests));
        all
    }

    /// All of it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let all = self.places.values().map(|place| place.counts);
        all.fold(Counts::default(), |sum, counts| Counts {
            requests: sum.requests + counts.requests,
            failed: sum.failed + counts.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_to_a_fifth() {
        let mut times = Times::default();
        assert_eq!(times.quantile(0.5), None);
        for ms in 1..=1000 {
            times.add(f64::from(ms));
        }
        assert_eq!(times.count(), 1000);
        for (share, ms) in [(0.5, 500.0), (0.95, 950.0), (0.0, 1.0), (1.0, 1000.0)] {
            let known = times.quantile(share).unwrap();
            assert!((known / ms).log2().abs() <= 0.25, "{share}: {known} for {ms}");
        }
        times.add(0.0);
        times.add(1e12);
        let text = serde_json::to_string(&times).unwrap();
        assert_eq!(serde_json::from_str::<Times>(&text).unwrap(), times);
    }

    #[test]
    fn each_request_is_counted_at_its_place() {
        let mut ledger = Ledger::default();
        let mut take = |status: &str, path: &str| {
            let line = format!("1796072460.123|green|200|{status}|0.020, 0.1|GET|OK|07||{path}");
            ledger.take(&Fact::read(&line).unwrap());
        };
        take("200", "/a");
        take("500", "/a/b");
        take("500, 200", "/a");
        take("500, 500", "/a");
        take("101", "/a");
        take("-", "/a");
        for n in 0..60 {
            take("200", &format!("/{n}"));
        }
        let place = &ledger.places["/a"];
        assert_eq!((place.counts.requests, place.counts.failed), (4, 3));
        let median = place.times.quantile(0.5).unwrap();
        assert!((18.0..23.0).contains(&median), "{median}");
        assert_eq!(ledger.places.len(), PLACES + 1);
        assert_eq!(ledger.places[OTHERS].counts.requests, 21);
        assert_eq!(ledger.counts().requests, 64);
        assert_eq!(ledger.since, ledger.until);
    }
}
