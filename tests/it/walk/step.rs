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
    /// So many of the visitors get the other color.
    Canary(u8),
    /// A canary is given up, or there is none.
    Abort,
    /// It goes on by hand, or there is none.
    Promote,
    /// A release of which the first visitors come by command, and all others by themselves.
    DeployCanary,
    /// The same, and the command is killed; then it is given up.
    KillCanary(u64),
    /// The next step is killed.
    KillPromote(u64),
    /// A preview is opened, and perhaps ended.
    Preview(bool),
    /// Whatever watches a release is killed.
    WatcherKilled,
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
        3 => (1_u8..=100).prop_map(Step::Canary),
        1 => Just(Step::Abort),
        1 => Just(Step::Promote),
        1 => Just(Step::DeployCanary),
        2 => (0_u64..2500).prop_map(Step::KillCanary),
        2 => (0_u64..800).prop_map(Step::KillPromote),
        1 => proptest::bool::ANY.prop_map(Step::Preview),
        1 => Just(Step::WatcherKilled),
    ]
}

impl Step {
    /// Whether a command is killed in it.
    pub fn kills(&self) -> bool {
        matches!(self, Step::Kill(..) | Step::KillMaintenance(..))
    }

    /// Whether it needs the live way.
    fn is_of_a_canary(&self) -> bool {
        matches!(
            self,
            Step::Canary(_)
                | Step::Abort
                | Step::Promote
                | Step::DeployCanary
                | Step::KillCanary(_)
                | Step::KillPromote(_)
                | Step::Preview(_)
        )
    }

    /// Takes it, and looks whether all is as it must be.
    pub fn take(&self, ground: &mut Ground) {
        if self.is_of_a_canary() && !ground.is_live_way() {
            return;
        }
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
                ground.may_end(Verb::Deploy, &outcome);
                ground.moved_or_stays(outcome.code == Some(0));
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
            // It has visitors.
            Step::WarmKilled if ground.in_canary() => {}
            Step::WarmKilled => {
                ground.kill_warm();
                ground.repaired();
                ground.stays();
            }
            Step::ForeignReload(verb) => {
                ground.prepare(*verb);
                let may_move = moves(ground, *verb);
                let running = ground.start(&[verb.word()]);
                ground.reload_nginx();
                let outcome = running.wait();
                ground.may_end(*verb, &outcome);
                ground.moved_or_stays(may_move && outcome.code == Some(0));
            }
            Step::Reboot => {
                ground.reboot();
                ground.stays();
            }
            Step::Two(one, other) => two(ground, *one, *other),
            Step::Canary(share) => {
                // What a rollback came from may be cold, and is refused.
                let outcome = ground.bg(&["canary", &format!("{share}%")]);
                ground.ended(&outcome, &[0, 1]);
                ground.stays();
            }
            Step::Abort => {
                let outcome = ground.bg(&["abort"]);
                ground.ended(&outcome, &[0]);
                ground.stays();
            }
            Step::Promote => {
                let was = ground.in_canary();
                let outcome = ground.bg(&["promote", "--all"]);
                ground.ended(&outcome, if was { &[0, 1] } else { &[1] });
                ground.moved_or_stays(outcome.code == Some(0));
            }
            Step::DeployCanary => {
                ground.prepare(Verb::Deploy);
                let was = ground.in_canary();
                let outcome = ground.bg(&["deploy", "--canary"]);
                ground.ended(&outcome, if was { &[1] } else { &[0] });
                // Nothing is watched behind the page, and nothing goes on by itself.
                match !was && !ground.maintenance && outcome.code == Some(0) {
                    true => {
                        ground.goes_on();
                        ground.moved_or_stays(true);
                    }
                    false => ground.stays(),
                }
            }
            Step::KillCanary(after) => until_killed(*after, |after| {
                ground.prepare(Verb::Deploy);
                let ended = killed(ground, &["deploy", "--canary"], after);
                ground.somebody_answers();
                ground.repaired();
                // Or it goes on by itself.
                let outcome = ground.bg(&["abort"]);
                ground.ended(&outcome, &[0]);
                ground.whatever_moved();
                // Nothing is killed where it was refused, as in a canary.
                ended.filter(|_| !ground.in_canary())
            }),
            Step::KillPromote(after) => until_killed(*after, |after| {
                let was = ground.in_canary();
                let ended = killed(ground, &["promote", "--all"], after);
                ground.somebody_answers();
                ground.repaired();
                ground.whatever_moved();
                ended.filter(|_| was && ground.in_canary())
            }),
            Step::Preview(ends) => {
                let opened = ground.bg(&["preview"]);
                ground.ended(&opened, &[0, 1]);
                if *ends {
                    let ended = ground.bg(&["preview", "--off"]);
                    ground.ended(&ended, &[0]);
                }
                ground.stays();
            }
            Step::WatcherKilled => {
                ground.kill_watchers();
                ground.stays();
            }
        }
    }
}

fn good(ground: &mut Ground, verb: Verb) {
    ground.prepare(verb);
    let may_move = moves(ground, verb);
    let outcome = ground.bg(&[verb.word()]);
    ground.may_end(verb, &outcome);
    ground.moved_or_stays(may_move && outcome.code == Some(0));
    if verb == Verb::Deploy {
        ground.pruned();
    }
}

/// A rollback from a canary gives that up.
fn moves(ground: &Ground, verb: Verb) -> bool {
    !(verb == Verb::Rollback && ground.in_canary())
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
    let was_canary = ground.in_canary();
    let (first, second) = (ground.start(&[one.word()]), ground.start(&[other.word()]));
    for (verb, running) in [(one, first), (other, second)] {
        let outcome = running.wait();
        // The second is refused while the first goes on, and may find other things after it.
        match outcome.code {
            Some(4) => {}
            // One may be refused because of what the other one ends.
            _ if was_canary => ground.ended(&outcome, &[0, 1]),
            _ => ground.may_end(verb, &outcome),
        }
    }
    ground.whatever_moved();
}
