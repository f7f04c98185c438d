//! The instances of a worker: a singleton has one on a host, an overlapping worker two, so that
//! the new one starts before the old one stops.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::layout::Layout;
use crate::release::ReleaseId;

/// One instance: a name of PM2, a link that names the release, a kernel lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The worker.
    pub worker: String,
    /// Which of two, for a worker that overlaps. The color that its release had when it
    /// started, or the other one where that instance was taken.
    pub color: Option<Color>,
}

impl Instance {
    /// A singleton's.
    #[must_use]
    pub fn of(worker: &str) -> Instance {
        Instance {
            worker: worker.to_owned(),
            color: None,
        }
    }

    /// One of an overlapping worker's.
    #[must_use]
    pub fn colored(worker: &str, color: Color) -> Instance {
        Instance {
            worker: worker.to_owned(),
            color: Some(color),
        }
    }

    /// The instance of that name. No worker's name ends like a color.
    #[must_use]
    pub fn named(name: &str) -> Instance {
        let half = |color: Color| {
            let worker = name.strip_suffix(color.name())?.strip_suffix('-')?;
            Some(Instance::colored(worker, color))
        };
        Color::BOTH
            .into_iter()
            .find_map(half)
            .unwrap_or_else(|| Instance::of(name))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worker)?;
        match self.color {
            Some(color) => write!(f, "-{color}"),
            None => Ok(()),
        }
    }
}

/// The process that runs it, as that itself wrote it into the lock that it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
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

impl Holder {
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
    /// The folder of all instances.
    #[must_use]
    pub fn instances(&self) -> PathBuf {
        self.state().join("workers")
    }
    /// The link to the release that an instance runs.
    #[must_use]
    pub fn instance(&self, instance: &Instance) -> PathBuf {
        self.instances().join(instance.to_string())
    }
    /// The lock that its process holds.
    #[must_use]
    pub fn instance_lock(&self, instance: &Instance) -> PathBuf {
        self.instances().join(format!("{instance}.lock"))
    }
    /// The name of the entry of PM2 that a worker has replaced here.
    #[must_use]
    pub fn replaced(&self, worker: &str) -> PathBuf {
        self.instances().join(format!("{worker}.replaced"))
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
    fn an_instance_reads_back_from_its_name() {
        for instance in [
            Instance::of("sync"),
            Instance::of("blue"),
            Instance::colored("sync", Color::Blue),
            Instance::colored("deep-green-mail", Color::Green),
        ] {
            assert_eq!(Instance::named(&instance.to_string()), instance);
        }
    }
}
