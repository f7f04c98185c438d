//! Switches that are timed, with no other load on the machine.

use std::process::Command;
use std::time::Instant;

use bluegreen::model::color::Color;

use crate::mechanism::{Bg, Mechanism, Script};
use crate::timing::{Times, Timing, median_ms, medians, timed};
use crate::watch::Watch;

/// Of a mechanism by itself.
pub fn times(mechanism: &dyn Mechanism, runs: usize) -> Times {
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

/// `bg` and the script take turns, so that whatever else the machine does falls on all.
#[derive(Default)]
pub struct Turns {
    /// `bg switch` in the live way.
    pub live: Vec<Timing>,
    /// `bg rollback`, there too.
    pub rollback: Vec<Timing>,
    /// `bg switch` in the reload way.
    pub reload: Vec<Timing>,
    /// The script, twice a round.
    pub script: Vec<Timing>,
}

impl Turns {
    /// So many rounds.
    pub fn take(live: &Bg, reload: &Bg, script: &Script, rounds: usize) -> Turns {
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
fn alone(mechanism: &dyn Mechanism, command: impl FnOnce(Color) -> Command) -> Timing {
    let watch = Watch::start(mechanism.site());
    let to = other_color(&watch);
    timed(command(to), to, &watch)
}

/// The median of a command's whole run.
pub fn started(runs: usize, command: impl Fn() -> Command) -> f64 {
    let times = (0..runs).map(|_| {
        let mut command = command();
        let began = Instant::now();
        let output = command.output().unwrap();
        let took = began.elapsed();
        assert!(output.status.success(), "{command:?}: {output:?}");
        took
    });
    median_ms(times.collect())
}
