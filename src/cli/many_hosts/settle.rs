//! Hosts of which nobody knows where their traffic is, or that moved alone: each is brought to
//! where all are.

use futures_util::future::join_all;
use model::color::Share;
use model::event::{Event, Note, Sink};
use model::failure::{Deployment, Failure, Traffic};

use crate::cli::args::{Patience, Verb};
use crate::cli::invocation::Invocation;
use crate::remote::host::Host;
use crate::remote::relay::Finished;
use crate::verbs::Answer;
use crate::verbs::canary::Stepped;
use crate::verbs::observe::Observed;

/// A host that moved without hearing how the others did is in doubt, and of one whose engine
/// died it is not known at all: now that all have ended, each is brought to where all are.
pub async fn settle(
    invocation: &Invocation,
    hosts: &[Host],
    sights: &[Observed],
    finished: Vec<Finished>,
    together: bool,
) -> Vec<Finished> {
    // One can go back after all had moved: its worker did not start.
    let went_back = finished.iter().any(|one| {
        let failure = one.result.as_ref().err();
        failure.is_some_and(|failure| matches!(failure.traffic, Traffic::PutBack { .. }))
    });
    let together = together && !went_back;
    let each = hosts.iter().zip(sights).zip(finished);
    join_all(each.map(|((host, before), finished)| async move {
        let verb = match &finished.result {
            Ok(Some(answer)) if let Some(stepped) = step(answer) => match stepped.doubt {
                true if together => at(stepped.share),
                true => at(before.share),
                false => return finished,
            },
            Ok(Some(Answer::Deployed(done))) if done.doubt && together => live(invocation, &done.live, false),
            Ok(Some(Answer::Deployed(done))) if done.doubt || (went_back && done.switched) => {
                live(invocation, &before.live, true)
            }
            Err(failure) if !together && may_have_moved(failure) => live(invocation, &before.live, true),
            _ => return finished,
        };
        match make_so(invocation, host, verb).await {
            Ok(()) if together => {
                let on = host.name.clone();
                invocation.ui.emit(Event::Noted(Note::DoubtSettled { on }));
                finished
            }
            Ok(()) => Failure::failed("rolled back, because another host did not switch")
                .with_traffic(Traffic::PutBack {
                    live: before.live.clone(),
                })
                .into(),
            // What was known before says more than that nothing could be done about it.
            Err(_) if finished.result.is_err() => finished,
            Err(failure) => failure.into(),
        }
    }))
    .await
}

fn may_have_moved(failure: &Failure) -> bool {
    matches!(failure.traffic, Traffic::Unknown { .. } | Traffic::Moved { .. })
}

/// The step of a canary that came of a command.
fn step(answer: &Answer) -> Option<&Stepped> {
    match answer {
        Answer::Stepped(stepped) => Some(stepped),
        Answer::Deployed(done) => done.canary.as_deref(),
        _ => None,
    }
}

/// What brings a canary to a share, or to its end.
fn at(share: Option<Share>) -> Option<Verb> {
    let patience = Patience::default();
    Some(match share {
        Some(share) => Verb::Canary { share, patience },
        None => Verb::Abort { patience },
    })
}

/// What makes `wanted` live. Going `back` undoes what this command did, past a contract too; from a new
/// release it is a rollback, so that a later one does not go forward to that again.
fn live(invocation: &Invocation, wanted: &Deployment, back: bool) -> Option<Verb> {
    let release = wanted.release.clone()?;
    let force = back.then(|| "another host did not switch".to_owned());
    let patience = Patience::default();
    Some(if back && matches!(invocation.verb, Verb::Deploy { .. }) {
        Verb::Rollback {
            to: Some(release.into()),
            rehearse: false,
            force,
            patience,
        }
    } else {
        Verb::Switch {
            color: None,
            reconcile: Some(release),
            force,
            patience,
        }
    })
}

/// Has a host do that, on a connection of its own: the first may be lost.
async fn make_so(invocation: &Invocation, host: &Host, verb: Option<Verb>) -> Result<(), Failure> {
    let verb = verb.ok_or_else(|| Failure::failed("nothing was live before"))?;
    let again = Host::connect(&host.name, &host.way, &|_| {}).await?;
    let settled = invocation.quietly(&again, &verb).await;
    again.close().await;
    settled.map(|_| ())
}
