//! The same on each of several hosts, or on all together.

use futures_util::future::join_all;
use jiff::Timestamp;
use model::event::{Event, Sink};
use model::failure::{Failure, Kind, in_one_line};
use model::release::ReleaseId;
use model::wire::{ClientMessage, Expected, Failed, Participant, Request};
use tokio::sync::watch;

use super::settle::settle;
use crate::cli::args::{Patience, Shown, Verb, Watched};
use crate::cli::checks::Checks;
use crate::cli::invocation::{Invocation, left};
use crate::remote::host::Host;
use crate::remote::interrupts::Interrupts;
use crate::remote::lockstep::{self, Member};
use crate::remote::relay::{Finished, Onlooker};
use crate::text::Show;
use crate::ui::HostUi;
use crate::verbs::host_table::{Fleet, OnHost};
use crate::verbs::observe::Observed;
use crate::verbs::{Answer, source};

/// All of them, or what came of each.
pub(super) fn all<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Vec<Result<T, Failure>>> {
    if results.iter().any(Result::is_err) {
        return Err(results);
    }
    Ok(results.into_iter().flatten().collect())
}

/// One host stands against it, so nobody is asked for anything.
pub(super) fn nobody<T>(invocation: &Invocation, results: Vec<Result<T, Failure>>) -> Fleet {
    held_back(invocation, results, |not_ready| {
        let skipped = match not_ready {
            [one] => format!("skipped: {one} is not ready"),
            several => format!("skipped: {} are not ready", several.join(", ")),
        };
        Failure::new(Kind::Interrupted, skipped)
    })
}

/// Some hosts stand against it; `others` says what that makes of each of the others, of their names.
pub(super) fn held_back<T>(
    invocation: &Invocation,
    results: Vec<Result<T, Failure>>,
    others: impl Fn(&[String]) -> Failure,
) -> Fleet {
    let names = invocation.chosen.names.iter().zip(&results);
    let against: Vec<String> = names
        .filter(|(_, result)| result.is_err())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let finished = results.into_iter().map(|result| match result {
        Ok(_) => others(&against).into(),
        Err(failure) => Finished::from(failure),
    });
    answer(invocation, finished.collect())
}

/// What came of it on each of them, as one answer.
pub(super) fn answer(invocation: &Invocation, finished: Vec<Finished>) -> Fleet {
    let hosts = invocation
        .chosen
        .names
        .iter()
        .zip(finished)
        .map(|(host, finished)| {
            let (answer, failure) = match finished.result {
                Ok(answer) => (answer.map(Box::new), None),
                Err(failure) => (None, Some(Failed::from(&failure))),
            };
            OnHost {
                host: host.clone(),
                exit_code: finished.code,
                answer,
                failure,
            }
        });
    let mut fleet = Fleet {
        hosts: hosts.collect(),
        skew_ms: None,
        differ: Vec::new(),
        public: None,
        hook: None,
    };
    fleet.differ = fleet.differences();
    fleet
}

/// The same on each host, without waiting for each other.
pub(super) async fn look_at_all(
    invocation: &Invocation,
    hosts: &[Host],
    onlookers: &[OneOf],
    interrupts: Interrupts,
) -> Fleet {
    let reached = hosts.iter().cloned().map(Ok).collect();
    look(invocation, reached, onlookers, interrupts).await
}

/// The same on each host that was reached.
pub(super) async fn look(
    invocation: &Invocation,
    reached: Vec<Result<Host, Failure>>,
    onlookers: &[OneOf],
    mut interrupts: Interrupts,
) -> Fleet {
    let (message, messages) = watch::channel(None);
    let stop = async move {
        interrupts.first().await;
        message.send_replace(Some(ClientMessage::Stop));
        std::future::pending::<()>().await;
    };
    let members: Vec<Member<'_>> = reached
        .iter()
        .zip(onlookers)
        .filter_map(|(host, onlooker)| {
            let host = host.as_ref().ok()?;
            Some(Member {
                host,
                request: invocation.request_to_remember(&host.name),
                onlooker,
            })
        })
        .collect();
    let parallel = invocation.chosen.fleet.parallel;
    let work = lockstep::each(&members, invocation.verb.kind().needs_root(), parallel, &messages);
    let done = tokio::select! {
        done = work => done,
        () = stop => Vec::new(),
    };
    drop(members);
    let mut done = done.into_iter();
    let finished = reached.into_iter().filter_map(|host| match host {
        Ok(host) => done
            .next()
            .map(|done| invocation.seen_from_here(&host.name, done)),
        Err(failure) => Some(failure.into()),
    });
    answer(invocation, finished.collect())
}

/// All together or not at all.
pub(super) async fn switch_together(invocation: &Invocation, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let (world, sights) = tokio::join!(
        invocation.world_before(),
        join_all(hosts.iter().map(|host| invocation.observe(host)))
    );
    let sights = match all(sights) {
        Ok(sights) => sights,
        Err(sights) => return nobody(invocation, sights),
    };
    let requests = match requests(invocation, hosts, &sights).await {
        Ok(requests) => requests,
        Err(failure) => {
            let blank: Vec<Result<(), Failure>> = hosts.iter().map(|_| Ok(())).collect();
            return nobody(invocation, with(blank, invocation.chosen.primary(), failure));
        }
    };
    let members: Vec<Member<'_>> = hosts
        .iter()
        .zip(onlookers)
        .zip(requests)
        .map(|((host, onlooker), request)| Member {
            host,
            request,
            onlooker,
        })
        .collect();
    let interrupts = Interrupts::listen();
    let mut second = interrupts.clone();
    let tell_all = |event| invocation.ui.emit(event);
    let run = lockstep::Together {
        parallel: invocation.chosen.fleet.parallel,
        primary: invocation.chosen.primary(),
    };
    let stepped = tokio::select! {
        stepped = lockstep::switch_together(&members, run, interrupts, &tell_all) => stepped,
        () = second.second() => return nobody(invocation, hosts.iter().map(|host| Err::<(), _>(left(&host.name))).collect()),
    };
    let finished = settle(invocation, hosts, &sights, stepped.finished, stepped.together).await;
    let mut fleet = answer(invocation, finished);
    fleet.skew_ms = stepped.skew_ms;
    if fleet.exit_code() == 0 {
        fleet.public = invocation.world_now(world).await.map(|error| in_one_line(&error));
    }
    fleet
}

fn with<T>(mut results: Vec<Result<T, Failure>>, index: usize, failure: Failure) -> Vec<Result<T, Failure>> {
    if let Some(result) = results.get_mut(index) {
        *result = Err(failure);
    }
    results
}

/// What each host is asked for. A deploy is of one commit, which the primary finds, and of
/// one name.
async fn requests(
    invocation: &Invocation,
    hosts: &[Host],
    sights: &[Observed],
) -> Result<Vec<Request>, Failure> {
    let mut verb = invocation.verb.clone();
    let mut step = Participant {
        release: None,
        reference: None,
        primary: None,
    };
    if let Verb::Deploy {
        reference,
        origin,
        leave_data,
        again,
        bake,
        ..
    } = &mut verb
        && let Some(primary) = hosts.get(invocation.chosen.primary())
    {
        // It is waited for here, for all of them.
        bake.wait_bake = false;
        let asked = |reference: Option<String>| Verb::Deploy {
            reference,
            no_switch: false,
            canary: false,
            preview: Shown::default(),
            bake: Watched::default(),
            plan: true,
            force_gate: None,
            backup: false,
            contract: false,
            leave_data: *leave_data,
            again: true,
            origin: origin.clone(),
            checks: Checks::None,
            patience: Patience::default(),
        };
        let plan = invocation.quietly(primary, &asked(reference.clone())).await?;
        let Some(Answer::Planned(plan)) = plan else {
            return Err(Failure::failed(format!(
                "cannot tell what `{}` would deploy",
                primary.name
            )));
        };
        if !*again && plan.is_live && is_live(invocation, hosts, &asked(Some(plan.commit.clone()))).await {
            return Err(source::already_live(&plan.commit));
        }
        // One that has it already follows the others: all have one release, by one name.
        *again = true;
        let newest = sights.iter().filter_map(|observe| observe.newest.as_ref()).max();
        step.release = Some(ReleaseId::new(Timestamp::now(), &plan.commit, newest));
        step.reference = reference.replace(plan.commit).or(Some(plan.reference));
    }
    if let Verb::Promote { .. } = verb {
        are_at_one_step(hosts, sights)?;
    }
    let expected = sights.iter().map(|observe| Expected {
        live: observe.live.release.clone(),
    });
    let primary = invocation.chosen.primary();
    let part = |index| Participant {
        primary: Some(index == primary),
        ..step.clone()
    };
    Ok(hosts
        .iter()
        .zip(expected)
        .enumerate()
        .map(|(index, (host, expected))| invocation.request_in_step(&verb, &host.name, expected, part(index)))
        .collect())
}

/// The next step is the same for all.
fn are_at_one_step(hosts: &[Host], sights: &[Observed]) -> Result<(), Failure> {
    let first = sights.first().and_then(|observed| observed.share);
    if sights.iter().all(|observed| observed.share == first) {
        return Ok(());
    }
    let each = hosts.iter().zip(sights).map(|(host, observed)| {
        let share = observed
            .share
            .map_or("none".to_owned(), |share| share.to_string());
        format!("{share} on `{}`", host.name)
    });
    let each = each.collect::<Vec<_>>().join(", ");
    Err(
        Failure::failed(format!("the canary is at different steps: {each}"))
            .hint("`bg canary SHARE` with the same hosts brings all of them to one, `bg abort` ends it"),
    )
}

/// Whether every host says that it has what would be deployed.
async fn is_live(invocation: &Invocation, hosts: &[Host], plan: &Verb) -> bool {
    let plans = hosts.iter().map(|host| invocation.quietly(host, plan));
    let live = |plan: &_| matches!(plan, Ok(Some(Answer::Planned(plan))) if plan.is_live);
    join_all(plans).await.iter().all(live)
}

/// One of several hosts, with its name in front of what it says.
pub(super) struct OneOf(pub(super) HostUi);

impl Onlooker for OneOf {
    fn event(&self, event: Event) {
        self.0.emit(event);
    }
    fn lines(&self, text: &str) {
        self.0.lines(text);
    }
    fn look(&self, _answer: &Answer) {}
}
