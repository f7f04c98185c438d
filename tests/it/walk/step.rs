//! What can happen to a host.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::ground::Ground;

/// A command that changes something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verb {
    /// Of a good commit.
    Deploy,
    /// To the color that is not live.
    Switch,
    /// To what served before.
    Rollback,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verb::Deploy => "deploy",
            Verb::Switch => "switch",
            Verb::Rollback => "rollback",
        }
    }
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// A command that goes well.
    Do(Verb),
    /// A release that does not pass the gate.
    DeployBad,
    /// One that takes its time to start.
    DeploySlow,
    /// The page is put up, or taken away.
    Maintenance(bool),
    /// The command is killed after so many milliseconds.
    Kill(Verb, u64),
    /// So is the one that puts the page up, or takes it away.
    KillMaintenance(bool, u64),
    /// PM2's daemon is killed; what it keeps runs on.
    Pm2Killed,
    /// NGINX is stopped and started again.
    NginxRestarted,
    /// It is down while somebody types a command.
    NginxDown(Verb),
    /// The color that is not live loses its process.
    WarmKilled,
    /// Somebody else reloads NGINX while a command is under way.
    ForeignReload(Verb),
    /// Everything ends, and comes back as it does at boot.
    Reboot,
    /// Two operators at once.
    Two(Verb, Verb),
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![Just(Verb::Deploy), Just(Verb::Switch), Just(Verb::Rollback)]
}

/// Any step; a killed command is the likeliest.
pub fn any() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => verb().prop_map(Step::Do),
        1 => Just(Step::DeployBad),
        1 => Just(Step::DeploySlow),
        2 => proptest::bool::ANY.prop_map(Step::Maintenance),
        6 => (verb(), 0_u64..2500).prop_map(|(verb, after)| Step::Kill(verb, after)),
        1 => (proptest::bool::ANY, 0_u64..800)
            .prop_map(|(on, after)| Step::KillMaintenance(on, after)),
        1 => Just(Step::Pm2Killed),
        1 => Just(Step::NginxRestarted),
        1 => verb().prop_map(Step::NginxDown),
        1 => Just(Step::WarmKilled),
        1 => verb().prop_map(Step::ForeignReload),
        1 => Just(Step::Reboot),
        1 => (verb(), verb()).prop_map(|(one, other)| Step::Two(one, other)),
    ]
}

impl Step {
    /// Whether a command is killed in it.
    pub fn kills(&self) -> bool {
        matches!(self, Step::Kill(..) | Step::KillMaintenance(..))
    }

    /// Takes it, and looks whether all is as it must be.
    pub fn take(&self, ground: &mut Ground) {
        match self {
            Step::Do(verb) => good(ground, *verb),
            Step::DeployBad => {
                ground.commit_bad();
                let outcome = ground.bg(&["deploy"]);
                ground.ended(&outcome, &[1]);
                ground.stays();
            }
            Step::DeploySlow => {
                ground.commit_slow();
                let outcome = ground.bg(&["deploy"]);
                ground.ended(&outcome, &[0]);
                ground.moved_or_stays(true);
                ground.pruned();
            }
            Step::Maintenance(on) => {
                let outcome = ground.bg(&page(*on));
                ground.ended(&outcome, &[0]);
                ground.maintenance = *on;
                ground.stays();
            }
            Step::Kill(verb, after) => until_killed(*after, |after| {
                ground.prepare(*verb);
                let ended = killed(ground, &[verb.word()], after);
                // Before anybody has looked, a healthy release answers.
                ground.somebody_answers();
                ground.repaired();
                ground.whatever_moved();
                ended
            }),
            Step::KillMaintenance(on, after) => until_killed(*after, |after| {
                let ended = killed(ground, &page(*on), after);
                // Either may answer until somebody has looked.
                ground.maintenance = true;
                ground.somebody_answers();
                ground.repaired();
                ground.page_may_be_up();
                ground.stays();
                ended
            }),
            Step::Pm2Killed => {
                ground.kill_pm2();
                ground.repaired();
                ground.stays();
            }
            Step::NginxRestarted => {
                ground.close();
                ground.sandbox.front.stop();
                ground.sandbox.front.start_again();
                ground.open();
                ground.stays();
            }
            Step::NginxDown(verb) => {
                ground.prepare(*verb);
                ground.close();
                ground.sandbox.front.stop();
                let outcome = ground.bg(&[verb.word()]);
                ground.sandbox.front.start_again();
                ground.ended(&outcome, &[1, 7]);
                ground.open();
                ground.repaired();
                ground.stays();
            }
            Step::WarmKilled => {
                ground.kill_warm();
                ground.repaired();
                ground.stays();
            }
            Step::ForeignReload(verb) => {
                ground.prepare(*verb);
                let running = ground.start(&[verb.word()]);
                ground.reload_nginx();
                let outcome = running.wait();
                ground.may_end(*verb, &outcome);
                ground.moved_or_stays(outcome.code == Some(0));
            }
            Step::Reboot => {
                ground.reboot();
                ground.stays();
            }
            Step::Two(one, other) => two(ground, *one, *other),
        }
    }
}

fn good(ground: &mut Ground, verb: Verb) {
    ground.prepare(verb);
    let outcome = ground.bg(&[verb.word()]);
    ground.may_end(verb, &outcome);
    ground.moved_or_stays(outcome.code == Some(0));
    if verb == Verb::Deploy {
        ground.pruned();
    }
}

fn page(on: bool) -> [&'static str; 2] {
    ["maintenance", if on { "on" } else { "off" }]
}

/// A command that was over before it could be killed is typed again and killed earlier, so
/// that a fast machine kills as many as a slow one.
fn until_killed(after: u64, mut take: impl FnMut(u64) -> Option<u64>) {
    let mut next = Some(after);
    while let Some(after) = next {
        next = take(after);
    }
}

/// Kills a command after so many milliseconds; when to try again where it was over by then.
fn killed(ground: &mut Ground, args: &[&str], after: u64) -> Option<u64> {
    let started = Instant::now();
    let mut running = ground.start(args);
    let until = started + Duration::from_millis(after);
    while Instant::now() < until && !running.has_ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let ended = running.has_ended().then(|| started.elapsed());
    if ended.is_none() {
        running.signal(nix::sys::signal::Signal::SIGKILL);
        ground.kills += 1;
    }
    running.wait();
    ended.map(|took| u64::try_from(took.as_millis() / 2).unwrap_or(0))
}

fn two(ground: &mut Ground, one: Verb, other: Verb) {
    ground.prepare(Verb::Deploy);
    let (first, second) = (ground.start(&[one.word()]), ground.start(&[other.word()]));
    for (verb, running) in [(one, first), (other, second)] {
        let outcome = running.wait();
        // The second is refused while the first goes on, and may find other things after it.
        if outcome.code != Some(4) {
            ground.may_end(verb, &outcome);
        }
    }
    ground.whatever_moved();
}
