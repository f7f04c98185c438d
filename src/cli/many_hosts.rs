//! A command on several hosts: all are reached before anything is asked of one, and what
//! came of it is one answer.

use std::time::Duration;

use futures_util::future::join_all;
use model::event::Sink;
use model::failure::{Failure, Kind};

use super::args::Verb;
use super::client_hooks;
use super::invocation::Invocation;
use super::source::bundle;
use crate::remote::host::{Host, Way};
use crate::remote::interrupts::Interrupts;
use crate::text::Show;
use crate::ui::{HostUi, Ui};
use crate::verbs::host_table::Fleet;

mod fleet_run;
mod lead;
mod settle;

use fleet_run::{OneOf, all, look, look_at_all, nobody, switch_together};
use lead::{Leader, has_to_be_led};

/// Does the command on all of its hosts; returns the exit code.
pub async fn run(invocation: &Invocation, way: &Way) -> u8 {
    if invocation.verb.kind().becomes_a_program() {
        let one = Failure::new(Kind::Usage, "this command runs on one host at a time")
            .hint("`--hosts HOST` names it");
        return invocation.ui.end(Err(one));
    }
    let onlookers = onlookers(invocation);
    let reached = join_all(
        invocation
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
        Err(reached) if may_look_at_some(&invocation.verb) => {
            look(invocation, reached, &onlookers, Interrupts::listen()).await
        }
        Err(reached) => {
            let mut fleet = nobody(invocation, reached);
            client_hooks::after_all(invocation, &mut fleet).await;
            fleet
        }
        Ok(hosts) => {
            let fleet = match invocation.verb {
                _ if invocation.bundle.is_some() => upload_first(invocation, &hosts, &onlookers).await,
                Verb::Status { watch: true } => watch_over(invocation, &hosts, &onlookers).await,
                Verb::Bake => Leader::of(invocation, &hosts, &onlookers).lead().await,
                _ if invocation.verb.kind().is_coordinated() => {
                    switch_together(invocation, &hosts, &onlookers).await
                }
                _ => look_at_all(invocation, &hosts, &onlookers, Interrupts::listen()).await,
            };
            let mut fleet = fleet;
            client_hooks::after_all(invocation, &mut fleet).await;
            if has_to_be_led(&invocation.verb, &fleet) {
                fleet = Leader::of(invocation, &hosts, &onlookers).lead().await;
                client_hooks::after_leading(invocation, &fleet).await;
            }
            join_all(hosts.iter().map(Host::close)).await;
            fleet
        }
    };
    finish(invocation.ui, fleet)
}

/// Whether a command says something that asked only some of its hosts.
fn may_look_at_some(verb: &Verb) -> bool {
    !verb.kind().is_coordinated() && !verb.kind().changes() && !matches!(verb, Verb::Bake)
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

fn onlookers(invocation: &Invocation) -> Vec<OneOf> {
    let names = &invocation.chosen.names;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    names
        .iter()
        .map(|name| OneOf(HostUi::new(invocation.ui, name, width)))
        .collect()
}

/// One look after the other, until Ctrl-C.
async fn watch_over(invocation: &Invocation, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let once = Invocation {
        verb: Verb::Status { watch: false },
        ..invocation.clone()
    };
    let mut interrupts = Interrupts::listen();
    loop {
        let fleet = look_at_all(&once, hosts, onlookers, interrupts.clone()).await;
        tokio::select! {
            () = interrupts.first() => return fleet,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        invocation.ui.fleet(&fleet);
    }
}

/// Every host has what it is going to be asked for before one of them is asked.
async fn upload_first(invocation: &Invocation, hosts: &[Host], onlookers: &[OneOf]) -> Fleet {
    let each = hosts.iter().zip(onlookers).map(|(host, onlooker)| async move {
        let tell = move |event| onlooker.0.emit(event);
        bundle::upload_to(host, invocation, &tell).await
    });
    match all(join_all(each).await) {
        Err(results) => nobody(invocation, results),
        Ok(_) if invocation.verb.kind().is_coordinated() => {
            switch_together(invocation, hosts, onlookers).await
        }
        Ok(_) => look_at_all(invocation, hosts, onlookers, Interrupts::listen()).await,
    }
}
