//! Every mechanism in turn: first how long a switch takes, then what it loses.

use std::time::Duration;

use bluegreen::model::color::Color;

use crate::figures::{self, Figures};
use crate::machine::Machine;
use crate::mechanism::{Bg, Caddy, Ground, Haproxy, Mechanism, Pm2, Script};
use crate::plot::Panel;
use crate::timing::{Times, Timing, median_ms, medians, timed};
use crate::traffic::Mix;
use crate::trial::{self, Extent};
use crate::watch::Watch;

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
    /// Switches of the live way, of the script, of HAProxy and of Caddy under load.
    pub light: Extent,
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
}

fn extent(switches: usize, requests: usize, limit: u64, between: u64) -> Extent {
    Extent {
        switches,
        requests,
        limit: Duration::from_secs(limit),
        between: Duration::from_millis(between),
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
            starts: 21,
            light: extent(50, 0, 22, 50),
            heavy: extent(15, 0, 16, 100),
            auto: extent(20, 0, 16, 50),
            window: "200ms",
            clients,
            auto_clients: clients,
        }
    }

    /// At least fifty switches of each.
    pub fn usual() -> Scale {
        let clients = (6, Duration::from_millis(30));
        Scale {
            name: "usual",
            rounds: 31,
            others: 21,
            starts: 31,
            light: extent(50, 0, 300, 500),
            heavy: extent(50, 0, 300, 500),
            auto: extent(50, 0, 300, 500),
            window: "1s",
            clients,
            auto_clients: clients,
        }
    }

    /// `auto` carries a million requests over a hundred switches.
    pub fn full() -> Scale {
        Scale {
            name: "full",
            rounds: 41,
            others: 21,
            starts: 41,
            light: extent(50, 0, 400, 1500),
            heavy: extent(50, 0, 400, 1500),
            auto: extent(100, 1_000_000, 3600, 2000),
            auto_clients: (12, Duration::from_millis(5)),
            ..Scale::usual()
        }
    }
}

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
    let mut outcome = Outcome {
        machine: Machine::look(&ground),
        ..Outcome::default()
    };
    say("setting up");
    let start = |name, way| Bg::start(name, way, scale.window, &ground);
    let (live, reload, auto, script) = std::thread::scope(|scope| {
        let live = scope.spawn(|| start("bg live", "live"));
        let reload = scope.spawn(|| start("bg reload", "reload"));
        let auto = scope.spawn(|| start("bg auto", "auto"));
        let script = Script::start(&ground);
        let ready = |bg: std::thread::ScopedJoinHandle<'_, Bg>| bg.join().unwrap();
        (ready(live), ready(reload), ready(auto), script)
    });
    say("timing bg and the script in turns");
    let turns = Turns::take(&live, &reload, &script, scale.rounds);
    outcome.rollback = medians(&turns.rollback);
    outcome.status_ms = started(scale.starts, || live.command(&["status"]));
    outcome.startup_ms = started(scale.starts, || live.command(&["--version"]));
    let auto_times = times(&auto, scale.others);
    let way = auto.way();
    let mut hold = |mechanism: Box<dyn Mechanism>, way, times, extent, clients| {
        hold(&mut outcome, &*mechanism, way, times, extent, clients);
    };
    hold(
        Box::new(live),
        None,
        medians(&turns.live),
        scale.light,
        scale.clients,
    );
    hold(
        Box::new(auto),
        Some(way),
        auto_times,
        scale.auto,
        scale.auto_clients,
    );
    hold(
        Box::new(reload),
        None,
        medians(&turns.reload),
        scale.heavy,
        scale.clients,
    );
    hold(
        Box::new(script),
        None,
        medians(&turns.script),
        scale.light,
        scale.clients,
    );
    others(scale, &ground, &mut outcome);
    outcome
}

fn others(scale: &Scale, ground: &Ground, outcome: &mut Outcome) {
    type Start<'a> = (
        &'static str,
        Extent,
        Box<dyn Fn() -> Option<Box<dyn Mechanism>> + 'a>,
    );
    fn boxed(mechanism: Option<impl Mechanism + 'static>) -> Option<Box<dyn Mechanism>> {
        mechanism.map(|mechanism| Box::new(mechanism) as Box<dyn Mechanism>)
    }
    let all: [Start<'_>; 4] = [
        ("haproxy", scale.light, Box::new(|| boxed(Haproxy::start(ground)))),
        ("caddy", scale.light, Box::new(|| boxed(Caddy::start(ground)))),
        (
            "pm2 reload",
            scale.heavy,
            Box::new(|| boxed(Pm2::start("pm2 reload", "reload", ground))),
        ),
        (
            "pm2 restart",
            scale.heavy,
            Box::new(|| boxed(Pm2::start("pm2 restart", "restart", ground))),
        ),
    ];
    for (name, extent, start) in all {
        match start() {
            Some(mechanism) => {
                let times = times(&*mechanism, scale.others);
                hold(outcome, &*mechanism, None, times, extent, scale.clients);
            }
            None => outcome.missing.push(name),
        }
    }
}

/// The switches under load.
fn hold(
    outcome: &mut Outcome,
    mechanism: &dyn Mechanism,
    way: Option<String>,
    times: Times,
    extent: Extent,
    (size, pause): (usize, Duration),
) {
    say(&format!("{} under load", mechanism.name()));
    let trial = trial::run(mechanism, Mix::of(size, pause), extent);
    outcome.panels.push(Panel::of(mechanism.name(), &trial));
    outcome
        .figures
        .push(figures::of(mechanism.name(), way, &trial, times));
}

/// Of a mechanism by itself.
fn times(mechanism: &dyn Mechanism, runs: usize) -> Times {
    say(&format!("timing {}", mechanism.name()));
    let watch = Watch::start(mechanism.site());
    let timings: Vec<Timing> = (0..runs).map(|_| one(mechanism, &watch)).collect();
    medians(&timings)
}

fn one(mechanism: &dyn Mechanism, watch: &Watch) -> Timing {
    let to = other_color(watch);
    timed(mechanism.switch(to), to, watch)
}

fn other_color(watch: &Watch) -> Color {
    loop {
        if let Some(color) = watch.color() {
            return color.other();
        }
        std::thread::yield_now();
    }
}

/// They take turns, so that whatever else the machine does falls on all.
#[derive(Default)]
struct Turns {
    live: Vec<Timing>,
    rollback: Vec<Timing>,
    reload: Vec<Timing>,
    script: Vec<Timing>,
}

impl Turns {
    fn take(live: &Bg, reload: &Bg, script: &Script, rounds: usize) -> Turns {
        let mut turns = Turns::default();
        for _ in 0..rounds {
            // Green holds the newer release: from there it is a rollback, and from blue not.
            turns.rollback.push(alone(live, |to| {
                assert_eq!(to, Color::Blue);
                live.command(&["rollback"])
            }));
            turns.script.push(alone(script, |to| script.switch(to)));
            turns.live.push(alone(live, |to| live.switch(to)));
            turns.script.push(alone(script, |to| script.switch(to)));
            turns.reload.push(alone(reload, |to| reload.switch(to)));
        }
        turns
    }
}

/// The site is watched for this one switch only: no other's watchers take the processor.
fn alone(mechanism: &dyn Mechanism, command: impl FnOnce(Color) -> std::process::Command) -> Timing {
    let watch = Watch::start(mechanism.site());
    let to = other_color(&watch);
    timed(command(to), to, &watch)
}

/// The median of a command's whole run.
fn started(runs: usize, command: impl Fn() -> std::process::Command) -> f64 {
    let times = (0..runs).map(|_| {
        let mut command = command();
        let began = std::time::Instant::now();
        let output = command.output().unwrap();
        let took = began.elapsed();
        assert!(output.status.success(), "{command:?}: {output:?}");
        took
    });
    median_ms(times.collect())
}

/// With the time in UTC, so that a long run is seen to go on.
fn say(text: &str) {
    eprintln!("{} {text}", jiff::Timestamp::now().strftime("%H:%M:%S"));
}
