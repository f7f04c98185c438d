//! What a deploy takes, `bg` beside a script written by hand. `ops/bench/deploy` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

#[path = "../../load/load.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the demo")]
mod load;
#[path = "../../../tests/it"]
#[allow(dead_code, reason = "shared with the tests")]
mod it {
    pub mod sandbox;
}

mod deployer;
mod hand;
#[path = "../measured.rs"]
mod measured;
mod tool;

use it::sandbox;

use std::time::Duration;

use serde_json::json;

use deployer::{Deployer, Took};
use hand::Hand;
use tool::Tool;

/// Deploys of each kind; the medians are compared.
const RUNS: usize = 9;
const CHANGED_RUNS: usize = 3;

fn main() {
    let only_json = std::env::args().any(|word| word == "--json");
    let (tool, hand) = (Tool::start("auto"), Hand::start());
    let unchanged = side_by_side(&tool, &hand, RUNS, |_| {});
    let changed = side_by_side(&tool, &hand, CHANGED_RUNS, |deployer| {
        deployer.change_requirements();
    });
    if !only_json {
        println!("| deploy | first new answer | command ends |");
        println!("|---|---|---|");
        row("`bg`, requirements unchanged", unchanged.0);
        row("the script", unchanged.1);
        row("`bg` with uv, requirements changed", changed.0);
        row("the script with pip", changed.1);
    }
    println!(
        "{}",
        json!({
            "deploy_ratio": ratio(unchanged.0.first, unchanged.1.first),
            "deploy_end_ratio": ratio(unchanged.0.end, unchanged.1.end),
            "uv_ratio": ratio(changed.0.first, changed.1.first),
        })
    );
}

/// The two take turns, so that whatever else the machine does falls on both.
fn side_by_side(
    tool: &dyn Deployer,
    hand: &dyn Deployer,
    runs: usize,
    change: impl Fn(&dyn Deployer),
) -> (Took, Took) {
    let (mut tools, mut hands) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        for (deployer, took) in [(tool, &mut tools), (hand, &mut hands)] {
            deployer.commit();
            change(deployer);
            took.push(deployer.deploy());
        }
    }
    (median(&tools), median(&hands))
}

fn median(took: &[Took]) -> Took {
    let middle = |of: fn(&Took) -> Duration| {
        let mut times: Vec<Duration> = took.iter().map(of).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Took {
        first: middle(|took| took.first),
        end: middle(|took| took.end),
    }
}

fn row(what: &str, took: Took) {
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    println!("| {what} | {} | {} |", ms(took.first), ms(took.end));
}

fn ratio(over: Duration, under: Duration) -> f64 {
    (over.as_secs_f64() / under.as_secs_f64() * 1000.0).round() / 1000.0
}
