//! Answers that time does not change: whoever waits for a redirect to become a page waits in vain.

use crate::health::{Round, Unhealthy};

/// So many rounds with the same such answer are enough. More than one: an app may still be
/// putting its parts together.
const ROUNDS: u32 = 3;

/// An error of the app's own may be its database's, which comes back now and then.
const ROUNDS_OF_ERRORS: u32 = 5;

/// The failures of one check, round after round.
#[derive(Debug, Default)]
pub(super) struct Settled {
    last: Vec<String>,
    rounds: u32,
}

impl Settled {
    /// Takes in a round that was not healthy; `log` is what the app printed since its start.
    /// Whether its failures have been the same for long enough.
    pub(super) fn by(&mut self, round: &Round, log: impl FnOnce() -> Vec<String>) -> bool {
        let fails = |probe: &crate::health::Probe| {
            let unhealthy = probe.outcome.as_ref().err()?;
            let told = format!("{}: {unhealthy}", probe.check);
            Some((told, rounds_for(unhealthy)))
        };
        let failed: Vec<(String, Option<u32>)> = round.probes.iter().filter_map(fails).collect();
        let words: Vec<String> = failed.iter().map(|(words, _)| words.clone()).collect();
        self.rounds = if words == self.last { self.rounds + 1 } else { 1 };
        self.last = words;
        let Some(least) = failed.iter().filter_map(|(_, rounds)| *rounds).min() else {
            return false;
        };
        let is_error = least == ROUNDS_OF_ERRORS;
        self.rounds >= least && (!is_error || log().iter().any(|line| is_of_a_traceback(line)))
    }
}

fn rounds_for(unhealthy: &Unhealthy) -> Option<u32> {
    match unhealthy {
        Unhealthy::Redirected {
            status: 301 | 308, ..
        }
        | Unhealthy::LoginWanted
        | Unhealthy::HostRefused { .. }
        | Unhealthy::NotFound { .. } => Some(ROUNDS),
        Unhealthy::AppFailed { status: 500, .. } => Some(ROUNDS_OF_ERRORS),
        _ => None,
    }
}

fn is_of_a_traceback(line: &str) -> bool {
    line.contains("  File \"") && line.contains(", line ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::gate::settled::*;
    use crate::health::Probe;

    fn round(outcomes: &[Option<Unhealthy>]) -> Round {
        let probe = |outcome: &Option<Unhealthy>| Probe {
            check: "GET /".to_owned(),
            outcome: outcome.clone().map_or(Ok(()), Err),
            at: Instant::now(),
            took: Duration::ZERO,
        };
        Round {
            probes: outcomes.iter().map(probe).collect(),
            cut_short: false,
        }
    }

    fn moved(status: u16) -> Unhealthy {
        Unhealthy::Redirected {
            status,
            location: "https://shop.test/".to_owned(),
        }
    }

    fn failed(status: u16, said: &str) -> Unhealthy {
        Unhealthy::AppFailed {
            status,
            said: said.to_owned(),
        }
    }

    /// After how many of such rounds no more are made.
    fn rounds_of(outcome: &Unhealthy, log: &str) -> Option<usize> {
        let mut settled = Settled::default();
        (1..20).find(|_| settled.by(&round(&[None, Some(outcome.clone())]), || vec![log.to_owned()]))
    }

    #[test]
    fn only_answers_that_stay_end_the_wait() {
        let traceback = "flask-blue |   File \"/srv/shop/app.py\", line 3, in <module>";
        let missing = Unhealthy::NotFound {
            path: "/ping".to_owned(),
        };
        assert_eq!(rounds_of(&missing, ""), Some(3));
        assert_eq!(rounds_of(&Unhealthy::LoginWanted, ""), Some(3));
        assert_eq!(rounds_of(&moved(301), ""), Some(3));
        let other_host = Unhealthy::HostRefused {
            status: 400,
            host: "shop.test".to_owned(),
            said: "bad".to_owned(),
        };
        assert_eq!(rounds_of(&other_host, ""), Some(3));
        assert_eq!(rounds_of(&failed(500, "oh"), traceback), Some(5));
        assert_eq!(
            rounds_of(&failed(500, "not ready"), "flask-blue | connecting"),
            None
        );
        assert_eq!(rounds_of(&failed(503, "warming up"), traceback), None);
        assert_eq!(rounds_of(&moved(302), ""), None);
    }

    #[test]
    fn answers_that_differ_begin_again() {
        let mut settled = Settled::default();
        let missing = Unhealthy::NotFound {
            path: "/ping".to_owned(),
        };
        let mut ends = |outcome: &Unhealthy| settled.by(&round(&[Some(outcome.clone())]), Vec::new);
        assert!(!ends(&missing) && !ends(&missing));
        assert!(!ends(&failed(503, "warming up")));
        assert!(!ends(&missing) && !ends(&missing) && ends(&missing));
    }
}
