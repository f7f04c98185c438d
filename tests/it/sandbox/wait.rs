//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// Returns as soon as `holds`; fails the test with `what` when it does not within `limit`.
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        // How often it is looked at, not how long it takes.
        std::thread::sleep(Duration::from_millis(5));
    }
}
