//! Several hosts that watch one release: what they see is put together, a canary takes its next step on
//! all of them, and where one of them or all together find it worse, it is taken back on all.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use model::bake::{Bake, Verdict};
use model::config::duration::Span;
use model::event::{Event, Note, Sink};
use model::failure::{Failure, Kind, Traffic};

use super::fleet_run::{OneOf, answer, held_back, look_at_all, switch_together};
use crate::cli::args::{Patience, Verb};
use crate::cli::invocation::Invocation;
use crate::remote::host::Host;
use crate::remote::interrupts::Interrupts;
use crate::remote::relay::Finished;
use crate::text::Show;
use crate::verbs::Answer;
use crate::verbs::bake::{self, Baked};
use crate::verbs::host_table::Fleet;
use crate::verbs::lead::Led;

/// How long is rested between two rounds.
const REST: Duration = Duration::from_secs(1);

/// How long a host may take to say how it does.
const LOOK: Duration = Duration::from_secs(10);

/// How long a host is tried to be reached again.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// How often the evidence of all hosts is dropped because what was live before fails as well.
const ACQUITTED: usize = 3;

/// How long another run on a host is waited for before a release is taken back there.
const PATIENCE: Span = Span::seconds(600);

/// The same before a step: visitors are not looked at meanwhile.
const BRIEFLY: Span = Span::seconds(10);

/// Whether what a command left behind needs somebody who leads: a canary that goes on by itself, or a
/// verdict that is waited for.
pub(super) fn has_to_be_led(verb: &Verb, fleet: &Fleet) -> bool {
    let waits = matches!(verb, Verb::Deploy { bake, .. } if bake.wait_bake);
    let is_watched = |answer: &Answer| match answer {
        Answer::Stepped(stepped) => stepped.lasts.is_some(),
        Answer::Deployed(done) => done.is_watched() && (waits || done.canary.is_some()),
        _ => false,
    };
    let hosts = || fleet.hosts.iter();
    hosts().all(|host| host.exit_code == 0)
        && hosts().any(|host| host.answer.as_deref().is_some_and(is_watched))
}

/// Whoever leads them.
pub(super) struct Leader<'a> {
    invocation: &'a Invocation,
    hosts: Vec<Host>,
    onlookers: &'a [OneOf],
    interrupts: Interrupts,
    /// What each had seen when what was live before was found to fail as well.
    dropped: Vec<Option<Bake>>,
    acquitted: usize,
    lost: Option<Instant>,
}

/// What is to be done.
enum Next {
    /// Nothing yet.
    Rest,
    /// The next step of a canary.
    Step,
    /// The release is worse.
    TakeBack(Box<Bake>),
    /// All hosts have a verdict.
    Over(Vec<Result<Bake, Failure>>),
    /// It cannot be gone on.
    GiveUp(Vec<Result<(), Failure>>),
}

impl<'a> Leader<'a> {
    pub(super) fn of(invocation: &'a Invocation, hosts: &[Host], onlookers: &'a [OneOf]) -> Leader<'a> {
        Leader {
            invocation,
            hosts: hosts.to_vec(),
            onlookers,
            interrupts: Interrupts::listen(),
            dropped: hosts.iter().map(|_| None).collect(),
            acquitted: 0,
            lost: None,
        }
    }

    /// Leads them to the verdict.
    pub(super) async fn lead(mut self) -> Fleet {
        let ui = self.invocation.ui;
        ui.emit(Event::Noted(Note::LeadsHosts {
            hosts: self.hosts.iter().map(|host| host.name.clone()).collect(),
        }));
        loop {
            let mut interrupts = self.interrupts.clone();
            let next = tokio::select! {
                next = self.next() => next,
                () = interrupts.first() => return self.leave(),
            };
            match next {
                Next::Rest => {}
                Next::Step => {
                    let fleet = self.promote().await;
                    if fleet.exit_code() != 0 {
                        return fleet;
                    }
                }
                Next::TakeBack(seen) => return self.take_back(&seen).await,
                Next::Over(bakes) => {
                    let baked = |bake: Result<Bake, Failure>| match bake {
                        Ok(bake) => Finished {
                            code: 0,
                            result: Ok(Some(Answer::Baked(Box::new(Baked { bake })))),
                        },
                        Err(failure) => failure.into(),
                    };
                    return answer(self.invocation, bakes.into_iter().map(baked).collect());
                }
                Next::GiveUp(results) => return self.give_up(results),
            }
            tokio::select! {
                () = tokio::time::sleep(REST) => {}
                () = interrupts.first() => return self.leave(),
            }
        }
    }

    async fn next(&mut self) -> Next {
        let reports = self.look(false).await;
        let led: Vec<&Led> = reports.iter().flatten().collect();
        let bakes: Vec<&Bake> = led.iter().filter_map(|led| led.bake.as_ref()).collect();
        // A host that is cut off does not keep visitors of the others with a release that is worse.
        if let Some(worse) = bakes.iter().find(|bake| bake.worse && bake.goes_on()) {
            return Next::TakeBack(Box::new((*worse).clone()));
        }
        if let Some(seen) = self.together(&reports).filter(|seen| seen.convicts()) {
            return self.weigh(reports, seen).await;
        }
        if reports.iter().any(Result::is_err) {
            let lost = self.lost.get_or_insert_with(Instant::now);
            return match lost.elapsed() < AGAIN_WITHIN {
                true => Next::Rest,
                false => Next::GiveUp(reports.into_iter().map(|look| look.map(drop)).collect()),
            };
        }
        self.lost = None;
        self.after_all(&led)
    }

    /// What is to be done where every host says how it does, and none is worse.
    fn after_all(&self, led: &[&Led]) -> Next {
        let each = || led.iter().map(|led| led.bake.as_ref());
        let Some(first) = each().flatten().next() else {
            return Next::GiveUp(led.iter().map(|_| Err(bake::not_watched())).collect());
        };
        // Their colors need not be the same.
        let is_it = |bake: &Bake| {
            let step = |bake: &Bake| bake.stage.map(|stage| stage.share);
            bake.release.release == first.release.release && step(bake) == step(first)
        };
        if each().any(|bake| !bake.is_some_and(is_it)) {
            let results = led.iter().map(|led| match &led.bake {
                Some(bake) if is_it(bake) => Ok(()),
                _ => Err(Failure::failed(format!(
                    "{} at its step is not what is watched here",
                    first.release
                ))
                .hint("`bg status` with the same hosts shows what each has")
                .with_traffic(Traffic::Unchanged {
                    live: led.live.clone(),
                })),
            });
            return Next::GiveUp(results.collect());
        }
        if led.iter().all(|led| led.is_due) {
            return Next::Step;
        }
        let goes_on = each().flatten().filter(|bake| bake.goes_on()).count();
        // One that stays at its step keeps the others there.
        let is_timed = |bake: &Bake| bake.stage.is_some_and(|stage| stage.goes_on);
        let stays = each().flatten().any(is_timed) && goes_on < led.len();
        match goes_on == 0 || stays {
            true => Next::Over(each().flatten().cloned().map(Ok).collect()),
            false => Next::Rest,
        }
    }

    /// What all of them have seen since it was last weighed.
    fn together(&self, reports: &[Result<Led, Failure>]) -> Option<Bake> {
        let fresh = reports.iter().zip(&self.dropped).filter_map(|(look, dropped)| {
            let bake = look.as_ref().ok()?.bake.as_ref().filter(|bake| bake.goes_on())?;
            let mut bake = bake.clone();
            if let Some(dropped) = dropped
                && goes_on_from(dropped, &bake)
            {
                bake.evidence = bake.evidence.since(&dropped.evidence);
            }
            Some(bake)
        });
        fresh.reduce(|one, other| one.with(&other))
    }

    /// Together they have seen enough: unless what was live before fails as well.
    async fn weigh(&mut self, reports: Vec<Result<Led, Failure>>, seen: Bake) -> Next {
        let weighed = self.look(true).await;
        let is_of_both =
            |look: &Result<Led, Failure>| matches!(look, Ok(led) if led.fails_as_well == Some(true));
        if !weighed.iter().any(is_of_both) {
            return match seen.only_tells() {
                None => Next::TakeBack(Box::new(seen)),
                Some(why) => {
                    let told = |led: Led| {
                        let bake = led.bake.ok_or_else(bake::not_watched)?;
                        Ok(Bake {
                            verdict: Some(Verdict::Told { why: why.clone() }),
                            ..bake
                        })
                    };
                    let ended = weighed.into_iter().map(|report| report.and_then(told));
                    Next::Over(ended.collect())
                }
            };
        }
        self.acquitted += 1;
        let known = |look: &Result<Led, Failure>| look.as_ref().ok().and_then(|led| led.bake.clone());
        self.dropped = reports.iter().map(known).collect();
        match self.acquitted < ACQUITTED {
            true => Next::Rest,
            false => {
                let fails = |look: Result<Led, Failure>| {
                    let led = look?;
                    let before = &seen.before;
                    Err(
                        Failure::failed(format!("{before} fails as well, each time that it is asked"))
                            .hint("`bg status` with the same hosts shows what each has seen")
                            .with_traffic(Traffic::Unchanged { live: led.live }),
                    )
                };
                Next::GiveUp(reports.into_iter().map(fails).collect())
            }
        }
    }

    /// How each of them does; one that is lost is reached again.
    async fn look(&mut self, weigh: bool) -> Vec<Result<Led, Failure>> {
        let invocation = self.invocation;
        let each = self.hosts.iter_mut().map(|host| async move {
            let asked = ask(invocation, host, weigh).await;
            if asked.is_err()
                && let Ok(Ok(again)) =
                    tokio::time::timeout(LOOK, Host::connect(&host.name, &host.way, &|_| {})).await
            {
                *host = again;
            }
            asked
        });
        join_all(each).await
    }

    async fn promote(&self) -> Fleet {
        let patience = Patience { wait: Some(BRIEFLY) };
        let next = self.to_do(Verb::Promote { all: false, patience });
        switch_together(&next, &self.hosts, self.onlookers).await
    }

    /// On each host that can be reached, whatever the others do: nobody's visitors are kept waiting.
    async fn take_back(&self, seen: &Bake) -> Fleet {
        let patience = Patience { wait: Some(PATIENCE) };
        let verb = match (seen.stage, &seen.before.release) {
            (None, Some(before)) => Verb::Rollback {
                to: Some(before.clone().into()),
                rehearse: false,
                force: None,
                patience,
            },
            _ => Verb::Abort { patience },
        };
        let back = self.to_do(verb);
        let mut fleet = look_at_all(&back, &self.hosts, self.onlookers, self.interrupts.clone()).await;
        let mut seen = seen.clone();
        seen.verdict = Some(Verdict::TakenBack);
        let failure = bake::taken_back(&seen);
        for host in fleet.hosts.iter_mut().filter(|host| host.exit_code == 0) {
            host.exit_code = failure.exit_code();
            host.answer = None;
            host.failure = Some((&failure).into());
        }
        fleet
    }

    fn to_do(&self, verb: Verb) -> Invocation {
        Invocation {
            verb,
            ..self.invocation.clone()
        }
    }

    /// Those that stand in the way of nothing are left as they are.
    fn give_up(&self, results: Vec<Result<(), Failure>>) -> Fleet {
        held_back(self.invocation, results, |against| {
            let left = format!("left as it is, because of {}", against.join(", "));
            again(Failure::new(Kind::Interrupted, left))
        })
    }

    fn leave(&self) -> Fleet {
        let left = "stopped leading: a canary stays at its step, and verdicts are only told";
        let each = self.hosts.iter();
        let left = each.map(|_| again(Failure::new(Kind::Interrupted, left)).into());
        answer(self.invocation, left.collect())
    }
}

fn again(left: Failure) -> Failure {
    left.hint("`bg bake` with the same hosts leads them again")
}

/// Whether the evidence of `bake` holds that of an earlier look.
fn goes_on_from(earlier: &Bake, bake: &Bake) -> bool {
    let same = |bake: &Bake| (bake.release.clone(), bake.stage.is_some(), bake.acquitted);
    same(earlier) == same(bake) && (bake.stage.is_some() || earlier.since == bake.since)
}

async fn ask(invocation: &Invocation, host: &Host, weigh: bool) -> Result<Led, Failure> {
    let verb = Verb::Lead { weigh };
    let asked = tokio::time::timeout(LOOK, invocation.quietly(host, &verb)).await;
    match asked {
        Ok(answer) => match answer? {
            Some(Answer::Led(led)) => Ok(*led),
            _ => Err(Failure::failed(format!(
                "`{}` does not say how it does",
                host.name
            ))),
        },
        Err(_) => Err(Failure::failed(format!(
            "`{}` has not said for {} s how it does",
            host.name,
            LOOK.as_secs()
        ))),
    }
}
