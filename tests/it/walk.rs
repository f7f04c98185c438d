//! The long walk: random steps on one host, good and bad, and after each of them the front
//! door answers with the release that must be live. Each walk has a seed and can be taken
//! again. `ops/bench/chaos` takes many.

pub mod ground;
pub mod step;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use ground::Ground;
use step::Step;

/// What came of a walk.
#[derive(Debug, Default)]
pub struct Walked {
    /// Requests of a client outside `bg`, on a front door that was open.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// `kill -9` of a command at a random instant.
    pub kills: u64,
    /// What was not as it must be.
    pub violations: Vec<String>,
}

/// The steps of the walk with this seed.
pub fn steps(seed: u64, how_many: usize) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = proptest::collection::vec(step::any(), how_many);
    steps.new_tree(&mut runner).unwrap().current()
}

/// Takes them. Every fourth seed walks in the reload way, which loses idle connections, and
/// asks on fresh ones.
pub fn walk(seed: u64, steps: &[Step]) -> Walked {
    let way = if seed % 4 == 3 { "reload" } else { "live" };
    let mut ground = Ground::new(way);
    let mut taken = Vec::new();
    for step in steps {
        taken.push(format!("{step:?}"));
        let before = ground.violations.len();
        step.take(&mut ground);
        if ground.violations.len() > before {
            // From here on nobody can say what must be live.
            break;
        }
    }
    let mut walked = ground.end();
    for violation in &mut walked.violations {
        *violation = format!("seed {seed} ({way}): {} => {violation}", taken.join(", "));
    }
    walked
}

#[test]
fn short_walks_end_where_they_must() {
    let seeds = [1, 2, 3];
    let (mut kills, mut meant, mut requests) = (0, 0, 0);
    for seed in seeds {
        let steps = steps(seed, 8);
        let walked = walk(seed, &steps);
        assert_eq!(walked.violations, [] as [String; 0]);
        assert_eq!(walked.failed, 0, "seed {seed}: {steps:?}");
        requests += walked.requests;
        kills += walked.kills;
        meant += steps.iter().filter(|step| step.kills()).count();
    }
    assert!(requests > 300, "{requests}");
    assert!(meant > 2, "only {meant} steps kill a command");
    // A step of a canary is killed where there is one.
    assert!(kills >= meant as u64, "{kills} commands were killed of {meant}");
}

#[test]
fn a_seed_always_gives_the_same_walk_and_another_one_another() {
    let said = |seed| format!("{:?}", steps(seed, 20));
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8));
}
