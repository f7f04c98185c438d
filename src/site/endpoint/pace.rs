//! How often NGINX may be asked where its configuration limits that: a bucket that leaks, as
//! NGINX's own `limit_req` keeps it, a tenth slower and one request shorter; without a burst it
//! forgives no request that comes early, so there each waits a little longer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// On a busy machine a request may reach NGINX that much later than it was meant to, and the next
/// one in time.
const LATE: Duration = Duration::from_millis(40);

/// Shared by everything that asks for one switch; a request is counted before it is sent.
#[derive(Clone, Debug)]
pub struct Pace {
    every: Duration,
    burst: u32,
    /// When what was asked so far has leaked away.
    empty: Arc<Mutex<Instant>>,
}

impl PartialEq for Pace {
    fn eq(&self, other: &Pace) -> bool {
        Arc::ptr_eq(&self.empty, &other.empty)
    }
}

impl Eq for Pace {}

impl Pace {
    /// Below one request each `every`, and `burst` at once.
    #[must_use]
    pub fn below(every: Duration, burst: u32) -> Pace {
        let margin = if burst == 0 { LATE } else { Duration::ZERO };
        Pace {
            every: every + (every / 10).max(margin),
            burst: burst.saturating_sub(1),
            empty: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Waits until one more request may be sent.
    pub async fn turn(&self) {
        tokio::time::sleep_until(self.next(Instant::now())).await;
    }

    /// Counts one more request, and says when it may be sent.
    fn next(&self, now: Instant) -> Instant {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*empty).max(now);
        *empty = from + self.every;
        from.checked_sub(self.every * self.burst).unwrap_or(now).max(now)
    }

    /// Whether one more request may be sent with half of the burst left for those that have to
    /// be.
    #[must_use]
    pub fn has_to_spare(&self) -> bool {
        self.spares(Instant::now())
    }

    fn spares(&self, now: Instant) -> bool {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*empty).max(now);
        let spare = from.saturating_duration_since(now) <= self.every * (self.burst / 2);
        if spare {
            *empty = from + self.every;
        }
        spare
    }

    /// How many requests may be sent within `time`.
    #[must_use]
    pub fn within(&self, time: Duration) -> u32 {
        let leaked = time.as_nanos() / self.every.as_nanos().max(1);
        self.burst
            .saturating_add(u32::try_from(leaked).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use crate::endpoint::pace::*;

    #[test]
    fn no_more_is_asked_than_the_bucket_takes() {
        // A bucket is empty from when it is made, so it is asked at a time that lies after that.
        let now = Instant::now() + Duration::from_secs(1);
        let pace = Pace::below(Duration::from_millis(100), 5);
        let waits = |pace: &Pace, now| pace.next(now).saturating_duration_since(now).as_millis();
        let waited: Vec<u128> = (0..7).map(|_| waits(&pace, now)).collect();
        assert_eq!(waited, [0, 0, 0, 0, 0, 110, 220]);
        assert!(!pace.spares(now), "the proof goes first");
        let later = now + Duration::from_secs(2);
        let spare = (0..9).filter(|_| pace.spares(later)).count();
        assert_eq!(spare, 3, "half of the burst stays");
        assert_eq!(pace.within(Duration::from_secs(1)), 4 + 9);
        // Without a burst each waits for the one before.
        let strict = Pace::below(Duration::from_secs(1), 0);
        let waited: Vec<u128> = (0..3).map(|_| waits(&strict, now)).collect();
        assert_eq!(waited, [0, 1100, 2200]);
        let quick = Pace::below(Duration::from_millis(100), 0);
        assert_eq!([waits(&quick, now), waits(&quick, now)], [0, 140]);
    }
}
