//! Time by the clock, and the processors' time of this process and of all that it awaited.

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How often each is done.
const RUNS: usize = 11;

/// Medians.
#[derive(Clone, Copy)]
pub struct Cost {
    /// By the clock.
    pub wall_ms: f64,
    /// User and kernel, children included.
    pub cpu_ms: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ({:.1})", self.wall_ms, self.cpu_ms)
    }
}

/// What `work` costs, once it has been done before; `prepare` counts for nothing.
pub fn of(prepare: impl Fn(), work: impl Fn()) -> Cost {
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        prepare();
        let (began, used) = (Instant::now(), processor());
        work();
        if run > 0 {
            wall.push(began.elapsed());
            cpu.push(processor() - used);
        }
    }
    Cost {
        wall_ms: median(wall),
        cpu_ms: median(cpu),
    }
}

fn processor() -> Duration {
    let of = |who| {
        let usage = getrusage(who).unwrap();
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    let sum = of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN);
    Duration::from_micros(sum.unsigned_abs())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
