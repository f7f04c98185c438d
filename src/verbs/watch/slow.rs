//! A release that became slow: where its requests take longer than those of the release before did,
//! both are asked in turn, and only that counts. An hour of the day or a cold cache slows down either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use engine::app::App;
use jiff::SignedDuration;
use model::bake::{Bake, Fact, Slow};
use model::color::Color;
use model::judge::{Counts, Evidence};
use model::ledger::{Ledger, Place, Times};

use super::super::compare::{self, pages};

/// Caches are cold at first.
const WARM: SignedDuration = SignedDuration::from_secs(30);

/// From so many requests on a place's times are known.
const KNOWN: u64 = 50;

/// Slow is so many times what it was,
const TIMES: f64 = 2.0;

/// and so many milliseconds more.
const MORE: f64 = 100.0;

/// How often both are asked at most.
const PAIRS: usize = 20;

/// For how long at most.
const LONGEST: Duration = Duration::from_secs(60);

/// For so many places both are asked at most.
const PLACES: usize = 3;

/// How many pages of a place are asked for in turn.
const PAGES: usize = 5;

/// The times of a bake, and the places for which both were asked.
#[derive(Default)]
pub(super) struct Pace {
    times: BTreeMap<String, Times>,
    asked: BTreeSet<String>,
}

impl Pace {
    /// Takes in a request.
    pub(super) fn take(&mut self, bake: &Bake, fact: &Fact<'_>) {
        let warm = bake.since + WARM;
        let is_warm = fact.at * 1000.0 >= warm.as_millisecond() as f64;
        if let Some(ms) = fact
            .took_ms
            .filter(|_| is_warm && fact.color == bake.release.color)
        {
            self.times.entry(fact.place().to_owned()).or_default().add(ms);
        }
    }

    /// A place that is slower than `before`, once each.
    pub(super) fn suspect(&mut self, before: &Ledger) -> Option<Slow> {
        if self.asked.len() >= PLACES {
            return None;
        }
        let slow = self.times.iter().find_map(|(place, times)| {
            let was = before.places.get(place).filter(|_| !self.asked.contains(place))?;
            slower(place, was, times)
        })?;
        self.asked.insert(slow.place.clone());
        Some(slow)
    }
}

fn slower(place: &str, was: &Place, times: &Times) -> Option<Slow> {
    let is_known = was.times.count() >= KNOWN && times.count() >= KNOWN;
    let (before_ms, now_ms) = (was.times.quantile(0.95)?, times.quantile(0.95)?);
    let slow = Slow {
        place: place.to_owned(),
        before_ms: before_ms.round() as u64,
        now_ms: now_ms.round() as u64,
    };
    (is_known && is_slower(before_ms, now_ms)).then_some(slow)
}

fn is_slower(before_ms: f64, now_ms: f64) -> bool {
    now_ms >= TIMES * before_ms && now_ms >= before_ms + MORE
}

/// Asks both colors in turn, the one first and then the other, and says whether `slow` is what it
/// seems to be.
pub(super) async fn is_so(app: &App, bake: &Bake, slow: Slow) -> Option<Slow> {
    let paths = pages_at(app, &slow.place);
    let began = Instant::now();
    let mut evidence = Evidence::against(0.5);
    for (n, path) in paths.iter().cycle().take(PAIRS).enumerate() {
        if began.elapsed() > LONGEST {
            return None;
        }
        let (new, old) = (bake.release.color, bake.before.color);
        let order = if n % 2 == 0 { [new, old] } else { [old, new] };
        let mut times = BTreeMap::new();
        for color in order {
            times.insert(color, time(app, color, path).await);
        }
        let pair = |color| times.get(&color).copied().flatten();
        let (Some(now), Some(before)) = (pair(new), pair(old)) else {
            continue;
        };
        // A pair that does not differ says nothing.
        if is_slower(before, now) || is_slower(now, before) {
            evidence.add(Counts {
                requests: 1,
                failed: u64::from(now > before),
            });
        }
        if evidence.convicts() {
            return Some(slow);
        }
    }
    None
}

/// How long a good answer takes, in milliseconds.
async fn time(app: &App, color: Color, path: &str) -> Option<f64> {
    let began = Instant::now();
    let answer = compare::directly(app, color, path).await.ok()?;
    (!Fact::failed(answer.status)).then(|| began.elapsed().as_secs_f64() * 1000.0)
}

/// What visitors asked for there last, or the place itself.
fn pages_at(app: &App, place: &str) -> Vec<String> {
    let known = pages::last(app, 200).unwrap_or_default();
    let at = |path: &&String| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let mut paths: Vec<String> = known.iter().filter(at).take(PAGES).cloned().collect();
    if paths.is_empty() {
        paths.extend(Fact::path_to_ask(place));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: f64, count: u64) -> Times {
        let mut times = Times::default();
        (0..count).for_each(|_| times.add(ms));
        times
    }

    #[test]
    fn slow_is_twice_as_long_and_a_tenth_of_a_second_more() {
        let was = |ms, count| Place {
            counts: Counts::default(),
            times: times(ms, count),
        };
        let slow = slower("/a", &was(50.0, 60), &times(200.0, 60));
        assert_eq!(slow.map(|slow| slow.place).as_deref(), Some("/a"));
        assert_eq!(slower("/a", &was(50.0, 49), &times(200.0, 60)), None);
        assert_eq!(slower("/a", &was(50.0, 60), &times(200.0, 49)), None);
        assert_eq!(slower("/a", &was(5.0, 60), &times(50.0, 60)), None);
        assert_eq!(slower("/a", &was(500.0, 60), &times(700.0, 60)), None);
    }
}
