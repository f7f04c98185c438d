//! When a release is worse than the one before: a sequential test on counts. Requests are trials,
//! each of which failed or did not, and a limit says how often they may. The evidence is a mixture
//! of likelihood ratios against that limit; while the true rate is at most the limit, it ever
//! reaches `1 / alpha` with a probability of at most `alpha`, however often one looks (Ville's
//! inequality; Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence sequences",
//! 2021; Lindon and Malek, "Anytime-valid inference for multinomial count data", 2022).

use serde::{Deserialize, Serialize};

/// The evidence at which something is done: one bake in a hundred in vain, at most.
pub const ACT: f64 = 100.0;

/// The evidence at which somebody is told.
pub const WARN: f64 = 20.0;

/// Fewer failures than these are no verdict.
const FEWEST: u64 = 3;

/// How many rates the evidence is a mixture of.
const RATES: usize = 8;

/// The rate that is allowed whatever the release before did.
const FLOOR: f64 = 0.002;

/// The highest rate that is tested for.
const CEILING: f64 = 0.95;

/// The highest limit beside another color: above it nothing would be found.
const HIGHEST: f64 = 0.9;

/// From how many requests the release before is known well enough.
const KNOWN: u64 = 300;

/// How often requests fail, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How many there were.
    pub requests: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// How often a release may fail, from how often the one before did.
#[must_use]
pub fn limit(before: Counts) -> f64 {
    match before.requests >= KNOWN {
        true => (1.5 * upper(before)).clamp(FLOOR, 0.4),
        false => FLOOR,
    }
}

/// How many of the failures on two colors may be those of the one that gets `share` of the requests,
/// from 0 to 1: as many as if it failed twice as often. It fails as often where both meet the same
/// outage. None where the share is so high that nothing could be told.
#[must_use]
pub fn limit_beside(share: f64) -> Option<f64> {
    Some(2.0 * share / (1.0 + share)).filter(|limit| *limit <= HIGHEST)
}

/// The upper 80 % limit of the rate (Wilson's, which is near that of Clopper and Pearson at these
/// numbers and needs no special functions).
fn upper(counts: Counts) -> f64 {
    const Z: f64 = 0.8416;
    let n = counts.requests as f64;
    let p = counts.failed as f64 / n;
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (middle + half) / (1.0 + Z * Z / n)
}

/// The evidence that requests fail more often than a limit allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    limit: f64,
    logs: [f64; RATES],
    counts: Counts,
}

impl Evidence {
    /// None yet.
    #[must_use]
    pub fn against(limit: f64) -> Evidence {
        Evidence {
            limit,
            logs: [0.0; RATES],
            counts: Counts::default(),
        }
    }

    /// Takes in what else was seen.
    pub fn add(&mut self, more: Counts) {
        let limit = self.limit;
        self.weigh(limit, rates(limit), more);
    }

    /// Takes in failures beside another color, under a limit of its own, which must have been known
    /// before they came.
    pub fn add_beside(&mut self, limit: f64, more: Counts) {
        self.weigh(limit, rates_beside(limit), more);
    }

    fn weigh(&mut self, limit: f64, rates: [f64; RATES], more: Counts) {
        let failed = more.failed.min(more.requests);
        let (bad, good) = (failed as f64, (more.requests - failed) as f64);
        let weights = rates.map(|rate| weighs(rate, limit));
        for (log, (bad_weighs, good_weighs)) in self.logs.iter_mut().zip(weights) {
            *log += bad * bad_weighs + good * good_weighs;
        }
        self.counts.requests += more.requests;
        self.counts.failed += failed;
    }

    /// What several hosts saw of one release: each holds it against its own limit, and the product is
    /// evidence again.
    #[must_use]
    pub fn with(mut self, other: &Evidence) -> Evidence {
        self.logs
            .iter_mut()
            .zip(other.logs)
            .for_each(|(log, more)| *log += more);
        self.counts.requests += other.counts.requests;
        self.counts.failed += other.counts.failed;
        self
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &Evidence) -> Evidence {
        self.logs
            .iter_mut()
            .zip(earlier.logs)
            .for_each(|(log, less)| *log -= less);
        self.counts.requests = self.counts.requests.saturating_sub(earlier.counts.requests);
        self.counts.failed = self.counts.failed.saturating_sub(earlier.counts.failed);
        self
    }

    /// How strong it is: 1 for none.
    #[must_use]
    pub fn strength(&self) -> f64 {
        let sum: f64 = self.logs.iter().map(|log| log.exp()).sum();
        sum / RATES as f64
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// Whether it is enough to act.
    #[must_use]
    pub fn convicts(&self) -> bool {
        self.counts.failed >= FEWEST && self.strength() >= ACT
    }

    /// Whether it is enough to tell somebody.
    #[must_use]
    pub fn warns(&self) -> bool {
        self.strength() >= WARN
    }

    /// Whether a release in which one request of twenty fails would have shown by now: what was seen
    /// is twenty times as likely of one that keeps to the limit.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let rate = (2.0 * self.limit).max(0.05);
        let (bad, good) = weighs(rate, self.limit);
        let failed = self.counts.failed as f64;
        let passed = (self.counts.requests - self.counts.failed) as f64;
        failed * bad + passed * good <= -WARN.ln() && !self.warns()
    }

    /// How likely a release whose requests fail at `rate` would have been found after as many
    /// requests, about.
    #[must_use]
    pub fn finds(&self, rate: f64) -> f64 {
        let requests = self.counts.requests;
        let needed = fewest(requests, |failed| {
            let mut other = Evidence::against(self.limit);
            other.add(Counts { requests, failed });
            other.convicts()
        });
        at_least(needed, requests as f64 * rate)
    }

    /// The same where trials are failures: how likely it would have been found among `requests` that
    /// it was asked, beside the failures of the other color.
    #[must_use]
    pub fn finds_beside(&self, limit: f64, requests: u64, rate: f64) -> f64 {
        let others = self.counts.requests - self.counts.failed;
        let needed = fewest(requests, |failed| {
            let mut other = Evidence::against(limit);
            let counts = Counts {
                requests: others + failed,
                failed,
            };
            other.add_beside(limit, counts);
            other.convicts()
        });
        at_least(needed, requests as f64 * rate)
    }
}

/// The rates that the evidence against a limit is a mixture of.
fn rates(limit: f64) -> [f64; RATES] {
    let (low, high) = ((2.0 * limit).min(CEILING).ln(), CEILING.ln());
    let step = (high - low) / (RATES - 1) as f64;
    std::array::from_fn(|k| (low + step * k as f64).exp())
}

/// The same beside another color: evenly between half as often again and nearly always, by the odds, as
/// the limit may be high.
fn rates_beside(limit: f64) -> [f64; RATES] {
    const HIGHEST: f64 = 999.0;
    let (low, high) = ((1.5 * limit / (1.0 - limit)).ln(), HIGHEST.ln());
    let step = (high - low) / (RATES - 1) as f64;
    std::array::from_fn(|k| {
        let odds = (low + step * k as f64).exp();
        odds / (1.0 + odds)
    })
}

/// How much a failure and a success say for `rate` against the limit.
fn weighs(rate: f64, limit: f64) -> (f64, f64) {
    ((rate / limit).ln(), ((1.0 - rate) / (1.0 - limit)).ln())
}

/// The least number that convicts, up to `most`; it grows with the failures.
fn fewest(most: u64, convicts: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most + 1);
    while low + 1 < high {
        let middle = low.midpoint(high);
        match convicts(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    high
}

/// How likely at least `needed` come where `mean` are to be expected: by the law of Poisson, or of
/// many by the normal one.
fn at_least(needed: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    if term == 0.0 {
        let z = (needed as f64 - 0.5 - mean) / mean.sqrt();
        return if z < 0.0 { 1.0 } else { 0.0 };
    }
    for k in 0..needed {
        below += term;
        term *= mean / (k + 1) as f64;
    }
    (1.0 - below).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(limit: f64, requests: u64, failed: u64) -> Evidence {
        let mut evidence = Evidence::against(limit);
        evidence.add(Counts { requests, failed });
        evidence
    }

    #[test]
    fn evidence_is_the_same_in_one_piece_and_in_many() {
        let mut many = Evidence::against(0.002);
        for n in 0..1000 {
            many.add(Counts {
                requests: 1,
                failed: u64::from(n % 100 == 0),
            });
        }
        let one = after(0.002, 1000, 10);
        assert!((many.strength() / one.strength() - 1.0).abs() < 1e-9);
        assert_eq!(many.counts(), one.counts());
        assert!((Evidence::against(0.002).strength() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_several_hosts_saw_is_as_much_as_if_one_had_seen_it() {
        let half = after(0.002, 500, 2);
        assert!(!half.convicts());
        let both = half.clone().with(&half);
        assert_eq!(both.counts(), after(0.002, 1000, 4).counts());
        assert!((both.strength() / after(0.002, 1000, 4).strength() - 1.0).abs() < 1e-9);
        assert_eq!(both.clone().since(&half).counts(), half.counts());
        assert!((both.since(&half).strength() / half.strength() - 1.0).abs() < 1e-9);
        // What one is allowed to do says nothing against the other.
        let used_to_it = after(0.05, 1000, 40).with(&after(0.002, 1000, 0));
        assert!(!used_to_it.warns());
    }

    #[test]
    fn three_failures_in_a_row_convict_and_two_do_not() {
        assert!(!after(0.002, 2, 2).convicts());
        assert!(after(0.002, 3, 3).convicts());
        assert!(after(0.002, 61, 5).convicts());
        assert!(!after(0.002, 10_000, 20).warns());
        assert!(!after(0.002, 10_000, 0).warns());
    }

    #[test]
    fn what_the_release_before_did_is_allowed_and_half_more() {
        let at = |requests, failed| limit(Counts { requests, failed });
        assert_eq!(at(299, 200), 0.002);
        assert_eq!(at(3600, 0), 0.002);
        let one_in_fifty = at(3600, 72);
        assert!((0.030..0.035).contains(&one_in_fifty), "{one_in_fifty}");
        assert_eq!(at(1000, 900), 0.4);
    }

    #[test]
    fn beside_another_color_it_is_the_share_of_the_failures_that_convicts() {
        let at = limit_beside(0.05).unwrap();
        let mut both = Evidence::against(at);
        let failed = |failed: u64| Counts { requests: 1, failed };
        // An outage that hits both, however long it is.
        for n in 0..10_000 {
            both.add_beside(at, failed(u64::from(n % 20 == 0)));
            assert!(!both.convicts(), "{n}");
        }
        let in_a_row = |share: f64| {
            let at = limit_beside(share).unwrap();
            let mut new = Evidence::against(at);
            let mut count = 0;
            while !new.convicts() {
                new.add_beside(at, failed(1));
                count += 1;
            }
            count
        };
        assert_eq!([0.05, 0.25, 0.5].map(in_a_row), [3, 6, 13]);
        assert_eq!(limit_beside(0.9), None);
        let power = |requests, rate| Evidence::against(at).finds_beside(at, requests, rate);
        assert!(power(126, 0.05) > 0.94, "{}", power(126, 0.05));
        assert!(power(20, 0.05) < 0.2, "{}", power(20, 0.05));
    }

    #[test]
    fn a_clean_release_is_known_when_one_failure_in_twenty_would_have_shown() {
        assert!(!after(0.002, 60, 0).is_clean());
        assert!(after(0.002, 61, 0).is_clean());
        assert!(!after(0.002, 61, 1).is_clean());
        assert!(after(0.002, 200, 1).is_clean());
        assert!(!after(0.002, 60, 3).is_clean());
        let power = |rate| after(0.002, 612, 0).finds(rate);
        assert!(power(0.05) > 0.999, "{}", power(0.05));
        assert!((0.1..0.9).contains(&power(0.01)), "{}", power(0.01));
        assert!(power(0.001) < 0.05, "{}", power(0.001));
        assert!(after(0.002, 1_000_000, 0).finds(0.01) > 0.99);
    }
}
