//! Bakes in simulated traffic: requests come evenly, and each fails with the same chance, whatever
//! became of the others.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

use model::judge::{Counts, Evidence, limit, limit_beside};
use serde_json::json;

/// How long a bake goes on, in ticks of a quarter of a second as the watcher's.
const TICKS: u32 = 4 * 600;

/// How long the release before was watched.
const BEFORE: u64 = 3600;

const RATES: [u64; 4] = [1, 2, 10, 100];
const BASELINES: [f64; 5] = [0.0, 0.001, 0.005, 0.01, 0.02];
const BAD: [f64; 4] = [0.01, 0.05, 0.2, 1.0];

/// How many of `trials` fail.
fn failures(random: &mut fastrand::Rng, trials: u64, rate: f64) -> u64 {
    if rate <= 0.0 || trials == 0 {
        return 0;
    }
    if rate >= 1.0 {
        return trials;
    }
    // From one failure to the next.
    let (mut at, mut count) = (0.0, 0);
    loop {
        at += (1.0 - random.f64()).ln() / (1.0 - rate).ln();
        if at > trials as f64 {
            return count;
        }
        count += 1;
    }
}

/// When a bake comes to a verdict, in seconds; none where it does not.
fn bake(random: &mut fastrand::Rng, per_second: u64, before: f64, now: f64) -> Option<f64> {
    let requests = per_second * BEFORE;
    let failed = failures(random, requests, before);
    let mut evidence = Evidence::against(limit(Counts { requests, failed }));
    let mut came = 0;
    for tick in 1..=TICKS {
        let due = u64::from(tick) * per_second / 4;
        let requests = due - came;
        came = due;
        let failed = failures(random, requests, now);
        evidence.add(Counts { requests, failed });
        if evidence.convicts() {
            return Some(f64::from(tick) / 4.0);
        }
    }
    None
}

/// When a canary comes to a verdict, in seconds; none where it reaches its end. Both colors fail with
/// the chances given.
fn canary(random: &mut fastrand::Rng, per_second: f64, live: f64, new: f64) -> Option<f64> {
    /// The share in percent, and for how many seconds.
    const STEPS: [(u32, u32); 3] = [(5, 600), (25, 300), (50, 300)];
    let mut evidence = Evidence::against(limit(Counts::default()));
    let mut passed = 0;
    for (percent, seconds) in STEPS {
        let meant = f64::from(percent) / 100.0;
        let (mut own, mut all) = (0.0, 0.0);
        for tick in 1..=4 * seconds {
            let at = limit_beside((meant * 100.0 + own) / (100.0 + all));
            // What comes in a quarter of a second, whole requests in the long run.
            let due = |of: f64, tick: u32| (f64::from(tick) * of / 4.0) as u64;
            let came = |of: f64| due(of, tick) - due(of, tick - 1);
            let [news, lives] = [meant * per_second, (1.0 - meant) * per_second].map(came);
            let failed = failures(random, news, new);
            let others = failures(random, lives, live);
            (own, all) = (own + news as f64, all + (news + lives) as f64);
            let Some(at) = at else { continue };
            evidence.add_beside(
                at,
                Counts {
                    requests: failed + others,
                    failed,
                },
            );
            if evidence.convicts() {
                return Some(f64::from(passed + tick) / 4.0);
            }
        }
        passed += 4 * seconds;
    }
    None
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let only_json = words.iter().any(|word| word == "--json");
    let runs = words.iter().position(|word| word == "--runs");
    let runs: u32 = runs.map_or(10_000, |at| words[at + 1].parse().expect("--runs takes a number"));
    let say = |text: String| {
        if !only_json {
            println!("{text}");
        }
    };
    let mut random = fastrand::Rng::with_seed(1);
    say(format!("Bakes of ten minutes, {runs} a case.\n"));
    say("| nothing is wrong: fails before and now | found guilty at 1 / 2 / 10 / 100 requests a second |\n|---|---|".to_owned());
    let mut worst: f64 = 0.0;
    for baseline in BASELINES {
        let shares = RATES.map(|per_second| {
            let guilty = (0..runs)
                .filter(|_| bake(&mut random, per_second, baseline, baseline).is_some())
                .count();
            guilty as f64 / f64::from(runs) * 100.0
        });
        worst = shares.into_iter().fold(worst, f64::max);
        let shares = shares.map(|share| format!("{share:.2}"));
        say(format!(
            "| {:.1} % | {} % |",
            baseline * 100.0,
            shares.join(" / ")
        ));
    }
    say(
        "\n| fails now, 0.1 % before | found, and the median of when, at 1 / 2 / 10 / 100 |\n|---|---|"
            .to_owned(),
    );
    let mut found = Vec::new();
    for bad in BAD {
        let cells = RATES.map(|per_second| {
            let mut times: Vec<f64> = (0..runs)
                .filter_map(|_| bake(&mut random, per_second, 0.001, bad))
                .collect();
            times.sort_by(f64::total_cmp);
            let share = times.len() as f64 / f64::from(runs) * 100.0;
            let median = times.get(times.len() / 2).copied().unwrap_or(f64::NAN);
            found.push(
                json!({"fails": bad, "per_second": per_second, "found_percent": share, "median_s": median}),
            );
            match share >= 99.95 {
                true => format!("{median:.2} s"),
                false => format!("{share:.1} %, {median:.0} s"),
            }
        });
        say(format!("| {:.0} % | {} |", bad * 100.0, cells.join(" / ")));
    }
    say(
        "\n| a canary, 5% 10m, 25% 5m, 50% 5m: fails, both alike | found guilty at 1 / 10 / 100 |\n|---|---|"
            .to_owned(),
    );
    for rate in [0.001, 0.005, 0.01, 0.05, 0.5] {
        let shares = [1.0, 10.0, 100.0].map(|per_second| {
            let guilty = (0..runs / 5)
                .filter(|_| canary(&mut random, per_second, rate, rate).is_some())
                .count();
            guilty as f64 / f64::from(runs / 5) * 100.0
        });
        worst = shares.into_iter().fold(worst, f64::max);
        let shares = shares.map(|share| format!("{share:.2}"));
        say(format!("| {:.1} % | {} % |", rate * 100.0, shares.join(" / ")));
    }
    say("\n| the canary fails, the live color 0.1 % | found, and the median of when, at 1 / 10 / 100 |\n|---|---|".to_owned());
    for bad in BAD {
        let cells = [1.0, 10.0, 100.0].map(|per_second| {
            let mut times: Vec<f64> = (0..runs / 20)
                .filter_map(|_| canary(&mut random, per_second, 0.001, bad))
                .collect();
            times.sort_by(f64::total_cmp);
            let share = times.len() as f64 / f64::from(runs / 20) * 100.0;
            let median = times.get(times.len() / 2).copied().unwrap_or(f64::NAN);
            format!("{share:.0} %, {median:.0} s")
        });
        say(format!("| {:.0} % | {} |", bad * 100.0, cells.join(" / ")));
    }
    println!("{}", json!({"worst_false_percent": worst, "found": found}));
}
