//! Many switches of one mechanism under every kind of client.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;

use crate::mechanism::Mechanism;
use crate::sandbox::{HOST, http};
use crate::traffic::{Mix, Record, Traffic};

/// Before the first switch, for the steady state; around the last, for the picture.
const QUIET: Duration = Duration::from_millis(2500);

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
}

/// What was seen.
pub struct Trial {
    /// The requests.
    pub record: Record,
    /// When each command began, since the record's start. The last is the picture's.
    pub switches: Vec<Duration>,
    /// What commands said that did not do it.
    pub refused: Vec<String>,
}

/// Switches there and back under load.
pub fn run(mechanism: &dyn Mechanism, mix: Mix, extent: Extent) -> Trial {
    let began = Instant::now();
    let traffic = Traffic::start(mechanism.site(), mix);
    let (mut switches, mut refused) = (Vec::new(), Vec::new());
    std::thread::sleep(QUIET);
    let is_enough = |switches: &Vec<Duration>| {
        let enough = switches.len() + 1 >= extent.switches && traffic.so_far() >= extent.requests;
        enough || began.elapsed() > extent.limit
    };
    while !is_enough(&switches) {
        switches.push(began.elapsed());
        refused.extend(switch(mechanism));
        std::thread::sleep(extent.between);
    }
    std::thread::sleep(QUIET);
    switches.push(began.elapsed());
    refused.extend(switch(mechanism));
    std::thread::sleep(QUIET);
    Trial {
        record: traffic.stop(),
        switches,
        refused,
    }
}

/// What the command said where it failed.
fn switch(mechanism: &dyn Mechanism) -> Option<String> {
    let to = live_color(mechanism).map_or(Color::Blue, Color::other);
    let mut command: Command = mechanism.switch(to);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(said)
}

fn live_color(mechanism: &dyn Mechanism) -> Option<Color> {
    let answer = http::get(mechanism.site().plain, HOST, "/whoami").ok()?;
    answer.header("x-app-color")?.parse().ok()
}
