//! Hosts of which nobody knows where their traffic is, or that moved alone: each is brought to
//! where all are.

use futures_util::future::join_all;
use model::event::{Event, Note, Sink};
use model::failure::{Deployment, Failure, Traffic};

use crate::cli::args::{Patience, Verb};
use crate::cli::invocation::Invocation;
use crate::remote::host::Host;
use crate::remote::relay::Finished;
use crate::verbs::Answer;
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
        let wanted = match &finished.result {
            Ok(Some(Answer::Deployed(done))) if done.doubt && together => &done.live,
            Ok(Some(Answer::Deployed(done))) if done.doubt || (went_back && done.switched) => &before.live,
            Err(failure) if !together && may_have_moved(failure) => &before.live,
            _ => return finished,
        };
        match make_live(invocation, host, wanted, !together).await {
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

/// Makes what is wanted live, on a connection of its own: the first may be lost. Going `back`
/// undoes what this command did, past a contract too; from a new release it is a rollback, so
/// that a later one does not go forward to that again.
async fn make_live(
    invocation: &Invocation,
    host: &Host,
    wanted: &Deployment,
    back: bool,
) -> Result<(), Failure> {
    let Some(release) = wanted.release.clone() else {
        return Err(Failure::failed("nothing was live before"));
    };
    let force = back.then(|| "another host did not switch".to_owned());
    let patience = Patience::default();
    let verb = if back && matches!(invocation.verb, Verb::Deploy { .. }) {
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
    };
    let again = Host::connect(&host.name, &host.way, &|_| {}).await?;
    let settled = invocation.quietly(&again, &verb).await;
    again.close().await;
    settled.map(|_| ())
}
