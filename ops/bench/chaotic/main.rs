//! Long walks over hosts of their own: what `ops/bench/chaos` runs.

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
    pub mod walk;
}

use it::{sandbox, walk};

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;

/// Random walks, each on a host of its own.
#[derive(Parser)]
struct Arguments {
    /// How many walks, with as many seeds.
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of a walk.
    #[arg(long, default_value_t = 8)]
    steps: usize,
    /// Walks at once.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Prints the sums as the last line.
    #[arg(long)]
    json: bool,
    /// `cargo bench` says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let next = AtomicU64::new(arguments.seed);
    let end = arguments.seed + arguments.runs;
    let walked = Mutex::new(walk::Walked::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let one = take(seed, arguments.steps);
                    report(seed, &one);
                    let mut all = walked.lock().unwrap();
                    all.requests += one.requests;
                    all.failed += one.failed;
                    all.kills += one.kills;
                    all.violations.extend(one.violations);
                }
            });
        }
    });
    let all = walked.into_inner().unwrap();
    println!(
        "\n{} walks, seeds {} to {}, {} commands killed: {} violations; {} requests, {} failed",
        arguments.runs,
        arguments.seed,
        end - 1,
        all.kills,
        all.violations.len(),
        all.requests,
        all.failed
    );
    if arguments.json {
        let sums = serde_json::json!({
            "runs": arguments.runs,
            "violations": all.violations.len(),
            "requests": all.requests,
            "failed": all.failed,
            "kills": all.kills,
            "first_seed": arguments.seed,
        });
        println!("{sums}");
    }
    std::process::exit(i32::from(!all.violations.is_empty() || all.failed > 0));
}

/// A walk that a panic ends has met what nobody thought of.
fn take(seed: u64, steps: usize) -> walk::Walked {
    std::panic::catch_unwind(|| walk::walk(seed, &walk::steps(seed, steps))).unwrap_or_else(|_| {
        walk::Walked {
            violations: vec![format!("seed {seed}: the walk itself panicked")],
            ..walk::Walked::default()
        }
    })
}

fn report(seed: u64, walked: &walk::Walked) {
    eprintln!(
        "seed {seed}: {} requests, {} failed, {} violations",
        walked.requests,
        walked.failed,
        walked.violations.len()
    );
    for violation in &walked.violations {
        eprintln!("{violation}");
    }
}
