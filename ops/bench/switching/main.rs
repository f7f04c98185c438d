//! What a switch costs its visitors, by `bg` and by everything else a user could pick, in one
//! run on one machine with the same app. `ops/bench/switch` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

mod contest;
mod figures;
#[path = "../../load/load.rs"]
#[allow(dead_code, reason = "shared with the demo and the tests")]
mod load;
mod machine;
#[path = "../measured.rs"]
mod measured;
mod mechanism;
mod plot;
mod report;
mod scale;
mod table;
mod timing;
mod traffic;
mod trial;
mod turns;
mod watch;
#[path = "../../../tests/it"]
#[allow(dead_code, reason = "shared with the tests")]
mod it {
    pub mod sandbox;
}

use it::sandbox;

use std::time::Instant;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let scale = match (has("--quick"), has("--full")) {
        (true, false) => scale::Scale::quick(),
        (false, true) => scale::Scale::full(),
        (false, false) => scale::Scale::usual(),
        (true, true) => panic!("--quick or --full, not both"),
    };
    let began = Instant::now();
    let outcome = contest::run(&scale);
    let report = report::Report::of(&scale, outcome, began.elapsed());
    report.write();
    if !has("--json") {
        println!("{}", report.markdown());
    }
    println!("{}", report.last_line());
}
