//! Many switches of one mechanism under every kind of client.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;

use crate::mechanism::Mechanism;
use crate::sandbox::{HOST, http, wait::wait_until};
use crate::traffic::{Mix, Record, Traffic};

/// After the last, as far as the picture goes.
const AFTER: Duration = Duration::from_millis(3800);

/// How long an app may be away.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a trial goes on.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// At least so many switches,
    pub switches: usize,
    /// and at least so many requests,
    pub requests: usize,
    /// but no longer than this.
    pub limit: Duration,
    /// From a command's end to the next one's start.
    pub between: Duration,
    /// The same before the first, for the steady state, and before the last, for the picture.
    pub quiet: Duration,
}

/// What was seen.
pub struct Trial {
    /// The requests.
    pub record: Record,
    /// In order. The last is the picture's.
    pub switches: Vec<Switch>,
    /// What commands said that did not do it.
    pub refused: Vec<String>,
}

/// One command under load; times are since the record's start.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// When it began.
    pub at: Duration,
    /// When it ended.
    pub ended: Duration,
    /// What it was to make live.
    pub to: Color,
}

/// Switches there and back under load.
pub fn run(mechanism: &dyn Mechanism, mix: Mix, extent: Extent) -> Trial {
    let began = Instant::now();
    let traffic = Traffic::start(mechanism.site(), mix);
    let (mut switches, mut refused) = (Vec::new(), Vec::new());
    let mut next = |pause: Duration| {
        std::thread::sleep(pause);
        let (switch, complaint) = switch(mechanism, began);
        switches.push(switch);
        refused.extend(complaint);
        switches.len()
    };
    let mut done = next(extent.quiet);
    let goes_on = |done| {
        let wanted = done + 1 < extent.switches || traffic.so_far() < extent.requests;
        wanted && began.elapsed() < extent.limit
    };
    while goes_on(done) {
        done = next(extent.between);
    }
    next(extent.quiet);
    std::thread::sleep(AFTER);
    Trial {
        record: traffic.stop(),
        switches,
        refused,
    }
}

/// With what the command said where it failed. Nobody switches a site that is down: one that
/// is comes back first.
fn switch(mechanism: &dyn Mechanism, start: Instant) -> (Switch, Option<String>) {
    let mut live = None;
    wait_until(PATIENCE, "the app answers", || {
        live = live_color(mechanism);
        live.is_some()
    });
    let to = live.unwrap().other();
    let mut command: Command = mechanism.switch(to);
    let at = start.elapsed();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let ended = start.elapsed();
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let complaint = (!output.status.success()).then(said);
    (Switch { at, ended, to }, complaint)
}

fn live_color(mechanism: &dyn Mechanism) -> Option<Color> {
    let answer = http::get(mechanism.site().plain, HOST, "/whoami").ok()?;
    answer.header("x-app-color")?.parse().ok()
}
