//! What the commands cost on a host that has been used for years. `ops/bench/growth` runs it.

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

mod cost;
#[path = "../measured.rs"]
mod measured;
mod years;

use it::sandbox;

use std::fs;

use cost::Cost;
use sandbox::Sandbox;
use serde_json::json;
use years::Years;

/// Releases on disk and runs in the history. The middle of each is what the other is varied at.
const CASES: [(usize, usize); 5] = [(10, 10), (10, 1_000), (10, 10_000), (100, 1_000), (1_000, 1_000)];
/// Everything at once.
const MOST: (usize, usize) = (1_000, 10_000);

/// What is measured, in the order of the table.
const WHAT: [&str; 5] = ["status", "switch", "history", "releases", "prune"];

fn main() {
    let only_json = std::env::args().any(|word| word == "--json");
    let sandbox = host();
    let years = Years::of(&sandbox);
    if !only_json {
        println!("Wall-clock ms (CPU ms), medians.\n");
        println!("| releases | runs | {} |", WHAT.join(" | "));
        println!("|---:|---:|{}", "---:|".repeat(WHAT.len()));
    }
    let mut rows = Vec::new();
    for (releases, runs) in CASES.into_iter().chain([MOST]) {
        years.pass(releases, runs);
        // A host that has come here by itself has its journal folded.
        sandbox.bg(&["switch"]).assert_code(0);
        let costs = WHAT.map(|what| measure(&sandbox, &years, what));
        if !only_json {
            let cells = costs.map(|cost| cost.to_string());
            println!("| {releases} | {runs} | {} |", cells.join(" | "));
        }
        rows.push(costs);
    }
    // From the least of everything to the most.
    let growth = |index: usize| {
        let (least, most) = (rows.first().unwrap()[index], rows.last().unwrap()[index]);
        (most.wall_ms / least.wall_ms * 100.0).round() / 100.0
    };
    println!(
        "{}",
        json!({
            "status_growth": growth(0),
            "switch_growth": growth(1),
            "history_growth": growth(2),
            "releases_growth": growth(3),
            "prune_growth": growth(4),
        })
    );
}

/// Two releases, both warm, and no window after a switch in which nothing is done.
fn host() -> Sandbox {
    let sandbox = Sandbox::deployed_with(|config| {
        sandbox::set(config, "evidence", "window", "0s");
    });
    sandbox.commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox
}

fn measure(sandbox: &Sandbox, years: &Years, what: &str) -> Cost {
    if what == "prune" {
        return cost::of(|| years.add_one(), || years.prune());
    }
    let run = || {
        let output = measured::command(sandbox, &[what]).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    cost::of(|| {}, run)
}
