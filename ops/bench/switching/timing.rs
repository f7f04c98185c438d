//! How long one switch takes, from the start of its command's process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;
use serde::Serialize;

use crate::sandbox::wait::wait_until;
use crate::watch::Watch;

/// So many answers of the new color in a row, and traffic has moved for good.
const SETTLED: usize = 60;
const PATIENCE: Duration = Duration::from_secs(30);

/// One switch.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// To the first answer of the new color.
    pub first: Duration,
    /// To the last answer of the old one.
    pub last: Duration,
    /// To the command's end.
    pub end: Duration,
}

/// The medians of several, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Times {
    /// How many there were.
    pub runs: usize,
    /// [`Timing::first`].
    pub first_ms: f64,
    /// [`Timing::last`].
    pub last_ms: f64,
    /// [`Timing::end`].
    pub end_ms: f64,
}

/// Runs a command that makes `to` live while the site is watched.
pub fn timed(mut command: Command, to: Color, watch: &Watch) -> Timing {
    wait_until(PATIENCE, "the old color answers", || {
        watch.color() == Some(to.other())
    });
    watch.forget();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let end = began.elapsed();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    wait_until(PATIENCE, "only the new color answers", || {
        let seen = watch.since(began);
        seen.len() >= SETTLED && seen.iter().rev().take(SETTLED).all(|seen| seen.color == to)
    });
    let seen = watch.since(began);
    let at = |color| {
        seen.iter()
            .filter(move |seen| seen.color == color)
            .map(|seen| seen.at - began)
    };
    Timing {
        first: at(to).min().unwrap(),
        last: at(to.other()).max().unwrap_or_default(),
        end,
    }
}

/// Of several switches.
pub fn medians(timings: &[Timing]) -> Times {
    let of = |pick: fn(&Timing) -> Duration| median_ms(timings.iter().map(pick).collect());
    Times {
        runs: timings.len(),
        first_ms: of(|timing| timing.first),
        last_ms: of(|timing| timing.last),
        end_ms: of(|timing| timing.end),
    }
}

/// The middle one, in milliseconds; 0 of none.
pub fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    in_ms(middle)
}

/// To a hundredth.
pub fn in_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}
