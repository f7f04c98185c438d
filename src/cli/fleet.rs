//! A command on several hosts: all are reached before anything is asked of one, and what
//! came of it is one answer.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use model::event::{Event, Sink};
use model::failure::{Failure, Kind, in_one_line};
use model::release::ReleaseId;
use model::wire::{Failed, InStep, Order, Request, Saw};
use tokio::sync::watch;

use super::args::{Patience, Verb};
use super::checks::Checks;
use super::desk;
use super::errand::{Errand, left};
use super::source::brought;
use crate::remote::fleet::{self, Member};
use crate::remote::host::{Host, Way};
use crate::remote::interrupts::Interrupts;
use crate::remote::relay::{Finished, Onlooker};
use crate::text::Show;
use crate::ui::{HostUi, Ui};
use crate::verbs::Answer;
use crate::verbs::fleet::{Fleet, OnHost};
use crate::verbs::sight::Sighted;
use crate::verbs::source;

mod settle;

use settle::settle;

/// Does the errand on all of its hosts; returns the exit code.
pub async fn together(errand: &Errand, way: &Way) -> u8 {
    if errand.verb.becomes_a_program() {
        let one = Failure::new(Kind::Usage, "this command runs on one host at a time")
            .hint("`--hosts HOST` names it");
        return errand.ui.end(Err(one));
    }
    let onlookers = onlookers(errand);
    let reached = join_all(
        errand
            .chosen
            .names
            .iter()
            .zip(&onlookers)
            .map(|(name, onlooker)| {
                let tell = move |event| onlooker.0.emit(event);
                async move { Host::connect(name, way, &tell).await }
            }),
    )
    .await;
    let fleet = match all(reached) {
        // Whoever only looks is shown what can be seen.
        Err(reached) if !errand.verb.goes_in_step() && !errand.verb.changes() => {
            look(errand, reached, &onlookers, Interrupts::listen()).await
        }
        Err(reached) => nobody(errand, reached),
        Ok(hosts) => {
            let fleet = match errand.verb {
                _ if errand.parcel.is_some() => bring_first(errand, &hosts, &onlookers).await,
                Verb::Status { watch: true } => watch_over(errand, &hosts, &onlookers).await,
                _ if errand.verb.goes_in_step() => in_step(errand, &hosts, &onlookers).await,
                _ => {
                    let reached = hosts.iter().cloned().map(Ok).collect();
                    look(errand, reached, &onlookers, Interrupts::listen()).await
                }
            };
            join_all(hosts.iter().map(Host::close)).await;
            fleet
        }
    };
    let mut fleet = fleet;
    desk::after_all(errand, &mut fleet).await;
    finish(errand.ui, fleet)
}

fn finish(ui: Ui, fleet: Fleet) -> u8 {
    for host in &fleet.hosts {
        if let (Some(failed), Ui::Human { .. }) = (&host.failure, ui) {
            HostUi::new(ui, &host.host, 0).failure(&Failure::from(failed.clone()));
        }
    }
    ui.fleet(&fleet);
    fleet.exit_code()
}

fn onlookers(errand: &Errand) -> Vec<OneOf> {
    let names = &errand.chosen.names;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    names
        .iter()
        .map(|name| OneOf(HostUi::new(errand.ui, name, width)))
        .collect()
}

/// All of them, or what came of each.
fn all<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Vec<Result<T, Failure>>> {
    if results.iter().any(Result::is_err) {
        return Err(results);
    }
    Ok(results.into_iter().flatten().collect())
}

/// One host stands against it, so nobody is asked for anything.
fn nobody<T>(errand: &Errand, results: Vec<Result<T, Failure>>) -> Fleet {
    let finished = results.into_iter().map(|result| match result {
        Ok(_) => Failure::new(Kind::Interrupted, "skipped: another host is not ready").into(),
        Err(failure) => Finished::from(failure),
    });
    answer(errand, finished.collect())
}

fn answer(errand: &Errand, finished: Vec<Finished>) -> Fleet {
    let hosts = errand.chosen.names.iter().zip(finished).map(|(host, finished)| {
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

/// One look after the other, until Ctrl-C.
async fn watch_over(errand: &Errand, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let once = Errand {
        verb: Verb::Status { watch: false },
        ..errand.clone()
    };
    let mut interrupts = Interrupts::listen();
    loop {
        let reached = hosts.iter().cloned().map(Ok).collect();
        let fleet = look(&once, reached, onlookers, interrupts.clone()).await;
        tokio::select! {
            () = interrupts.first() => return fleet,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        errand.ui.fleet(&fleet);
    }
}

/// The same on each host, without waiting for each other.
async fn look(
    errand: &Errand,
    reached: Vec<Result<Host, Failure>>,
    onlookers: &[OneOf],
    mut interrupts: Interrupts,
) -> Fleet {
    let (order, orders) = watch::channel(None);
    let stop = async move {
        interrupts.first().await;
        order.send_replace(Some(Order::Stop));
        std::future::pending::<()>().await;
    };
    let members: Vec<Member<'_>> = reached
        .iter()
        .zip(onlookers)
        .filter_map(|(host, onlooker)| {
            let host = host.as_ref().ok()?;
            Some(Member {
                host,
                request: errand.request_to_remember(&host.name),
                onlooker,
            })
        })
        .collect();
    let parallel = errand.chosen.fleet.parallel;
    let work = fleet::each(&members, errand.verb.needs_root(), parallel, &orders);
    let done = tokio::select! {
        done = work => done,
        () = stop => Vec::new(),
    };
    drop(members);
    let mut done = done.into_iter();
    let finished = reached.into_iter().filter_map(|host| match host {
        Ok(host) => done.next().map(|done| errand.seen_from_here(&host.name, done)),
        Err(failure) => Some(failure.into()),
    });
    answer(errand, finished.collect())
}

/// Every host has what it is going to be asked for before one of them is asked.
async fn bring_first(errand: &Errand, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let each = hosts.iter().zip(onlookers).map(|(host, onlooker)| async move {
        let tell = move |event| onlooker.0.emit(event);
        brought::bring_to(host, errand, &tell).await
    });
    match all(join_all(each).await) {
        Err(results) => nobody(errand, results),
        Ok(_) if errand.verb.goes_in_step() => in_step(errand, hosts, onlookers).await,
        Ok(_) => {
            let reached = hosts.iter().cloned().map(Ok).collect();
            look(errand, reached, onlookers, Interrupts::listen()).await
        }
    }
}

/// All together or not at all.
async fn in_step(errand: &Errand, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let (world, sights) = tokio::join!(
        errand.world_before(),
        join_all(hosts.iter().map(|host| errand.sight(host)))
    );
    let sights = match all(sights) {
        Ok(sights) => sights,
        Err(sights) => return nobody(errand, sights),
    };
    let requests = match requests(errand, hosts, &sights).await {
        Ok(requests) => requests,
        Err(failure) => {
            let blank: Vec<Result<(), Failure>> = hosts.iter().map(|_| Ok(())).collect();
            return nobody(errand, with(blank, errand.chosen.primary(), failure));
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
    let tell_all = |event| errand.ui.emit(event);
    let together = fleet::Together {
        parallel: errand.chosen.fleet.parallel,
        primary: errand.chosen.primary(),
    };
    let stepped = tokio::select! {
        stepped = fleet::in_step(&members, together, interrupts, &tell_all) => stepped,
        () = second.second() => return nobody(errand, hosts.iter().map(|host| Err::<(), _>(left(&host.name))).collect()),
    };
    let finished = settle(errand, hosts, &sights, stepped.finished, stepped.together).await;
    let mut fleet = answer(errand, finished);
    fleet.skew_ms = stepped.skew_ms;
    if fleet.exit_code() == 0 {
        fleet.public = errand.world_now(world).await.map(|error| in_one_line(&error));
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
async fn requests(errand: &Errand, hosts: &[Host], sights: &[Sighted]) -> Result<Vec<Request>, Failure> {
    let mut verb = errand.verb.clone();
    let mut step = InStep {
        release: None,
        reference: None,
        primary: None,
    };
    if let Verb::Deploy {
        reference,
        origin,
        leave_data,
        again,
        ..
    } = &mut verb
        && let Some(primary) = hosts.get(errand.chosen.primary())
    {
        let asked = |reference: Option<String>| Verb::Deploy {
            reference,
            no_switch: false,
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
        let plan = errand.quietly(primary, &asked(reference.clone())).await?;
        let Some(Answer::Planned(plan)) = plan else {
            return Err(Failure::failed(format!(
                "cannot tell what `{}` would deploy",
                primary.name
            )));
        };
        if !*again && plan.is_live && is_live(errand, hosts, &asked(Some(plan.commit.clone()))).await {
            return Err(source::already_live(&plan.commit));
        }
        // One that has it already follows the others: all have one release, by one name.
        *again = true;
        let newest = sights.iter().filter_map(|sight| sight.newest.as_ref()).max();
        step.release = Some(ReleaseId::new(Timestamp::now(), &plan.commit, newest));
        step.reference = reference.replace(plan.commit).or(Some(plan.reference));
    }
    let saw = sights.iter().map(|sight| Saw {
        live: sight.live.release.clone(),
    });
    let primary = errand.chosen.primary();
    let part = |index| InStep {
        primary: Some(index == primary),
        ..step.clone()
    };
    Ok(hosts
        .iter()
        .zip(saw)
        .enumerate()
        .map(|(index, (host, saw))| errand.request_in_step(&verb, &host.name, saw, part(index)))
        .collect())
}

/// Whether every host says that it has what would be deployed.
async fn is_live(errand: &Errand, hosts: &[Host], plan: &Verb) -> bool {
    let plans = hosts.iter().map(|host| errand.quietly(host, plan));
    let live = |plan: &_| matches!(plan, Ok(Some(Answer::Planned(plan))) if plan.is_live);
    join_all(plans).await.iter().all(live)
}

/// One of several hosts, with its name in front of what it says.
struct OneOf(HostUi);

impl Onlooker for OneOf {
    fn event(&self, event: Event) {
        self.0.emit(event);
    }
    fn lines(&self, text: &str) {
        self.0.lines(text);
    }
    fn look(&self, _answer: &Answer) {}
}
