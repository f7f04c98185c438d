//! Every mechanism in turn: first how long a switch takes, then what it loses.

use std::time::{Duration, Instant};

use crate::figures::{self, Figures};
use crate::machine::Machine;
use crate::mechanism::{Bg, Caddy, Ground, Haproxy, Mechanism, Pm2, Script};
use crate::plot::Panel;
use crate::scale::Scale;
use crate::timing::{Times, medians};
use crate::traffic::Mix;
use crate::trial::{self, Extent};
use crate::turns::{Turns, started, times};

/// A trial takes so much longer than its extent: the picture, and the last slow answers.
const TAIL: Duration = Duration::from_secs(10);

/// All that was measured.
#[derive(Default)]
pub struct Outcome {
    /// What it was measured on.
    pub machine: Machine,
    /// A row for each mechanism that is here.
    pub figures: Vec<Figures>,
    /// Those that are not.
    pub missing: Vec<&'static str>,
    /// Of the picture.
    pub panels: Vec<Panel>,
    /// `bg rollback` in the live way.
    pub rollback: Times,
    /// `bg status`.
    pub status_ms: f64,
    /// `bg --version`.
    pub startup_ms: f64,
}

/// Runs all of it.
pub fn run(scale: &Scale) -> Outcome {
    let ground = Ground::new();
    let mut contest = Contest {
        scale: *scale,
        began: Instant::now(),
        to_come: scale.trials().to_vec(),
        outcome: Outcome {
            machine: Machine::look(&ground),
            ..Outcome::default()
        },
    };
    contest.bg_and_script(&ground);
    let (bare, heavy) = (scale.bare, scale.heavy);
    contest.other("haproxy", Haproxy::start(&ground), scale.others, bare);
    contest.other("caddy", Caddy::start(&ground), scale.others, bare);
    for verb in ["reload", "restart"] {
        let pm2 = Pm2::start(verb, &ground);
        contest.other(Pm2::name_of(verb), pm2, scale.restarts, heavy);
    }
    contest.outcome
}

struct Contest {
    scale: Scale,
    began: Instant,
    /// Trials that are not over.
    to_come: Vec<Extent>,
    outcome: Outcome,
}

impl Contest {
    fn bg_and_script(&mut self, ground: &Ground) {
        say("setting up");
        let scale = self.scale;
        let [live, reload, auto] = all_of_bg(scale.window, ground);
        let script = Script::start(ground);
        say("timing bg and the script in turns");
        let turns = Turns::take(&live, &reload, &script, scale.rounds);
        self.outcome.rollback = medians(&turns.rollback);
        self.outcome.status_ms = started(scale.starts, || live.command(&["status"]));
        self.outcome.startup_ms = started(scale.starts, || live.command(&["--version"]));
        let auto_times = times(&auto, scale.others);
        let way = auto.way();
        self.hold(live, None, medians(&turns.live), scale.live);
        self.hold(auto, Some(way), auto_times, scale.auto);
        self.hold(reload, None, medians(&turns.reload), scale.heavy);
        self.hold(script, None, medians(&turns.script), scale.bare);
    }

    /// One that may not be installed.
    fn other<M: Mechanism>(&mut self, name: &'static str, here: Option<M>, runs: usize, extent: Extent) {
        let Some(mechanism) = here else {
            self.to_come.remove(0);
            self.outcome.missing.push(name);
            return;
        };
        say(&format!("timing {name}"));
        let times = times(&mechanism, runs);
        self.hold(mechanism, None, times, extent);
    }

    /// The switches under load, and the mechanism's end.
    fn hold(&mut self, mechanism: impl Mechanism, way: Option<String>, times: Times, extent: Extent) {
        let name = mechanism.name();
        say(&format!("{name} under load"));
        let (size, pause) = match extent.requests {
            0 => self.scale.clients,
            _ => self.scale.auto_clients,
        };
        let limit = extent.limit.min(self.share(extent));
        let trial = trial::run(&mechanism, Mix::of(size, pause), Extent { limit, ..extent });
        self.to_come.remove(0);
        self.outcome.panels.push(Panel::of(name, &trial));
        self.outcome.figures.push(figures::of(name, way, &trial, times));
    }

    /// Of what is left of the budget, for one trial's switches: by what each may take.
    fn share(&self, extent: Extent) -> Duration {
        let Some(budget) = self.scale.budget else {
            return Duration::MAX;
        };
        let tails = TAIL * u32::try_from(self.to_come.len()).unwrap();
        let left = budget.saturating_sub(self.began.elapsed() + tails);
        let limits: Duration = self.to_come.iter().map(|extent| extent.limit).sum();
        left.mul_f64(extent.limit.as_secs_f64() / limits.as_secs_f64())
    }
}

/// Live, reload, auto: set up at the same time.
fn all_of_bg(window: &str, ground: &Ground) -> [Bg; 3] {
    std::thread::scope(|scope| {
        let ways = ["live", "reload", "auto"];
        ways.map(|way| scope.spawn(move || Bg::start(way, window, ground)))
            .map(|starting| starting.join().unwrap())
    })
}

/// With the time in UTC, so that a long run is seen to go on.
fn say(text: &str) {
    eprintln!("{} {text}", jiff::Timestamp::now().strftime("%H:%M:%S"));
}
