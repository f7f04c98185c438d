//! Where a worker sits: a singleton has one seat on a host, an overlapping worker has two, so
//! that the new one can sit down before the old one gets up.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::layout::Layout;
use crate::release::ReleaseId;

/// One seat: a name of PM2, a link that names the release, a kernel lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The worker.
    pub worker: String,
    /// Which of two, for a worker that overlaps. The color that its release had when it sat
    /// down, or the other one where that seat was taken.
    pub color: Option<Color>,
}

impl Seat {
    /// A singleton's.
    #[must_use]
    pub fn of(worker: &str) -> Seat {
        Seat {
            worker: worker.to_owned(),
            color: None,
        }
    }

    /// One of an overlapping worker's.
    #[must_use]
    pub fn colored(worker: &str, color: Color) -> Seat {
        Seat {
            worker: worker.to_owned(),
            color: Some(color),
        }
    }

    /// The seat of that name. No worker's name ends like a color.
    #[must_use]
    pub fn named(name: &str) -> Seat {
        let half = |color: Color| {
            let worker = name.strip_suffix(color.name())?.strip_suffix('-')?;
            Some(Seat::colored(worker, color))
        };
        Color::BOTH
            .into_iter()
            .find_map(half)
            .unwrap_or_else(|| Seat::of(name))
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worker)?;
        match self.color {
            Some(color) => write!(f, "-{color}"),
            None => Ok(()),
        }
    }
}

/// Who sits there, as the process itself wrote it into the lock that it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupant {
    /// Its pid.
    pub pid: u32,
    /// When that process began, in clock ticks since boot.
    pub started: u64,
    /// The boot that this counts from.
    pub boot: String,
    /// The release that it runs.
    pub release: ReleaseId,
    /// Since when.
    pub since: Timestamp,
    /// Whether somebody started it at a terminal, and not PM2.
    pub by_hand: bool,
    /// The user.
    pub by: String,
}

impl Occupant {
    /// `as process 4711 of 3f6f782, for 12 s`.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        let age = now.duration_since(self.since).as_secs().max(0);
        let who = match self.by_hand {
            true => format!(", started by hand by {}", self.by),
            false => String::new(),
        };
        format!(
            "as process {} of {}, for {age} s{who}",
            self.pid,
            self.release.short()
        )
    }
}

impl Layout {
    /// The folder of all seats.
    #[must_use]
    pub fn seats(&self) -> PathBuf {
        self.state().join("workers")
    }
    /// The link to the release that a seat runs.
    #[must_use]
    pub fn seat(&self, seat: &Seat) -> PathBuf {
        self.seats().join(seat.to_string())
    }
    /// What is held for as long as somebody sits there.
    #[must_use]
    pub fn seat_lock(&self, seat: &Seat) -> PathBuf {
        self.seats().join(format!("{seat}.lock"))
    }
    /// The name of the entry of PM2 that a worker has replaced here.
    #[must_use]
    pub fn replaced(&self, worker: &str) -> PathBuf {
        self.seats().join(format!("{worker}.replaced"))
    }
    /// Output of a worker.
    #[must_use]
    pub fn worker_log(&self, worker: &str) -> PathBuf {
        self.root().join("logs").join(format!("worker-{worker}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_reads_back_from_its_name() {
        for seat in [
            Seat::of("sync"),
            Seat::of("blue"),
            Seat::colored("sync", Color::Blue),
            Seat::colored("deep-green-mail", Color::Green),
        ] {
            assert_eq!(Seat::named(&seat.to_string()), seat);
        }
    }
}
