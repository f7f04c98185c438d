//! How much is measured.

use std::time::Duration;

use crate::trial::Extent;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// `quick`, `usual` or `full`.
    pub name: &'static str,
    /// Rounds in which `bg` and the script take turns.
    pub rounds: usize,
    /// Timed switches of each other mechanism.
    pub others: usize,
    /// Runs of `bg status` and `bg --version`.
    pub starts: usize,
    /// Timed switches of PM2.
    pub restarts: usize,
    /// Switches of the live way under load.
    pub live: Extent,
    /// Those of the script, of HAProxy and of Caddy, which do not wait for anything.
    pub bare: Extent,
    /// Those of the reload way, and of PM2.
    pub heavy: Extent,
    /// Those of the way that `auto` decides on.
    pub auto: Extent,
    /// What the configuration calls `evidence.window`.
    pub window: &'static str,
    /// Clients of each quick kind, and the pause of each.
    pub clients: (usize, Duration),
    /// The same where the most requests are to be carried.
    pub auto_clients: (usize, Duration),
    /// All of it together takes about so long at most; trials are cut short for it.
    pub budget: Option<Duration>,
}

/// No requests in particular; a pause between switches in which each comes to its end.
fn extent(switches: usize, limit: u64, between: u64, quiet: u64) -> Extent {
    Extent {
        switches,
        requests: 0,
        limit: Duration::from_secs(limit),
        between: Duration::from_millis(between),
        quiet: Duration::from_millis(quiet),
    }
}

impl Scale {
    /// Below five minutes on two cores. Where the switches do not fit, there are fewer.
    pub fn quick() -> Scale {
        let clients = (4, Duration::from_millis(40));
        Scale {
            name: "quick",
            rounds: 21,
            others: 5,
            restarts: 3,
            starts: 21,
            live: extent(50, 28, 0, 1200),
            bare: extent(50, 18, 250, 1200),
            heavy: extent(15, 14, 100, 1200),
            auto: extent(20, 14, 50, 1200),
            window: "200ms",
            clients,
            auto_clients: clients,
            budget: Some(Duration::from_secs(245)),
        }
    }

    /// At least fifty switches of each.
    pub fn usual() -> Scale {
        let clients = (6, Duration::from_millis(30));
        let fifty = extent(50, 600, 1000, 2500);
        Scale {
            name: "usual",
            rounds: 31,
            others: 21,
            restarts: 21,
            starts: 31,
            live: fifty,
            bare: fifty,
            heavy: fifty,
            auto: fifty,
            window: "1s",
            clients,
            auto_clients: clients,
            budget: None,
        }
    }

    /// The trials, in their order: live, auto, reload, script, HAProxy, Caddy, PM2 twice.
    pub fn trials(&self) -> [Extent; 8] {
        let (live, auto, bare, heavy) = (self.live, self.auto, self.bare, self.heavy);
        [live, auto, heavy, bare, bare, bare, heavy, heavy]
    }

    /// `auto` carries a million requests over a hundred switches.
    pub fn full() -> Scale {
        Scale {
            name: "full",
            rounds: 41,
            starts: 41,
            auto: Extent {
                requests: 1_000_000,
                ..extent(100, 5400, 2000, 2500)
            },
            auto_clients: (12, Duration::from_millis(5)),
            ..Scale::usual()
        }
    }
}
