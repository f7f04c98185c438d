//! Drift: the link and NGINX, PM2, and the journal tell of the same thing, and where one of
//! them tells something else, somebody or something acted without bg.

use keeper::pm2::{Daemon, Proc, Saved};
use model::color::{Color, Route};
use model::drift::{Drift, Misnamed};
use model::event::{Event, Sink, Warning};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::{JournalState, Left};
use state::releases;
use sys::sockets;

use crate::adopted::{self, restart};
use crate::app::App;
use crate::gate::{self, Mismatch};
use crate::slot::{self, IdleSlot};
use crate::traffic;

/// Looks for drift where traffic is on `route`; where nobody can say, only whether PM2 is
/// there. What cannot be seen is no drift: the command that needs it says so.
pub async fn look(app: &App, state: &JournalState, route: Option<Route>) -> Vec<Drift> {
    let daemon = app.pm2.list().await.ok();
    let mut drift: Vec<Drift> = daemon.iter().filter_map(|daemon| asleep(app, daemon)).collect();
    let Some(route) = route else { return drift };
    let now = Left {
        live: traffic::deployment(app, route.color),
        maintenance: route.maintenance,
        share: route.share,
    };
    drift.extend(moved(app, state, daemon.as_ref(), &now));
    if drift
        .iter()
        .any(|one| matches!(one, Drift::Asleep { .. } | Drift::Renamed(_)))
    {
        return drift;
    }
    let Some(daemon) = daemon else { return drift };
    let served = match stolen(app, &now).await {
        None => served(app, &daemon, &now.live),
        stolen => stolen,
    };
    let unsaved = match (&daemon, &served) {
        (Daemon::Up(entries), None) => unsaved(app, route.color, entries),
        _ => None,
    };
    drift.extend(served);
    drift.extend(unsaved);
    drift
}

/// Tells what a command finds before it begins.
///
/// # Errors
/// Where a slot names what does not run in it: whatever is done then would be proven against the
/// wrong release.
pub fn tell(drift: &[Drift], sink: &dyn Sink) -> Result<(), Failure> {
    for one in drift {
        if let Drift::Renamed(misnamed) = one {
            let live = misnamed.live.clone();
            return Err(Failure::failed(misnamed.to_string())
                .hint("`bg repair` points the slot at the running release")
                .with_traffic(Traffic::Unchanged { live }));
        }
        sink.emit(Event::Warned(Warning::Drifted(one.clone())));
    }
    Ok(())
}

fn asleep(app: &App, daemon: &Daemon) -> Option<Drift> {
    let kept = match daemon {
        Daemon::Up(_) => return None,
        Daemon::Down => app.pm2.dump().ok()?,
    };
    let processes: Vec<String> = kept.into_iter().map(|one| one.name).collect();
    (!processes.is_empty()).then_some(Drift::Asleep { processes })
}

/// Compares with the journal. A run that died left nothing: recovery sees to that.
fn moved(app: &App, state: &JournalState, daemon: Option<&Daemon>, now: &Left) -> Option<Drift> {
    let left = state.left.as_ref().filter(|left| *left != now)?;
    if state.open.is_some() {
        return None;
    }
    let same_place =
        left.live.color == now.live.color && left.maintenance == now.maintenance && left.share == now.share;
    if same_place && daemon.is_some_and(|daemon| runs(app, daemon, &left.live)) {
        return Some(Drift::Renamed(Misnamed {
            live: left.live.clone(),
            named: now.live.release.clone(),
        }));
    }
    Some(Drift::Moved {
        left: left.clone(),
        now: now.clone(),
    })
}

fn runs(app: &App, daemon: &Daemon, live: &Deployment) -> bool {
    let Some(manifest) = live
        .release
        .as_ref()
        .and_then(|id| releases::read(&app.layout, id).ok())
    else {
        return false;
    };
    gate::kept(app, daemon, live.color, manifest).is_ok()
}

/// Compares whose the port is with whose the app is.
async fn stolen(app: &App, now: &Left) -> Option<Drift> {
    let by = slot::foreign(app, now.live.color).await?;
    Some(Drift::Stolen {
        live: now.live.clone(),
        by,
        maintenance: now.maintenance,
    })
}

/// Compares with PM2 and with what has the port.
fn served(app: &App, daemon: &Daemon, live: &Deployment) -> Option<Drift> {
    let manifest = releases::read(&app.layout, live.release.as_ref()?).ok()?;
    let port = manifest.ports.of(live.color);
    let by_hand = manifest.adopted.as_ref().map(|adopted| restart(app, adopted));
    let live = live.clone();
    match gate::kept(app, daemon, live.color, manifest) {
        Ok(()) => None,
        Err(Mismatch::NoProcess(problem)) if sockets::holder(port).is_none() => Some(Drift::Dead {
            live,
            problem,
            by_hand,
        }),
        Err(Mismatch::NoProcess(problem) | Mismatch::Other(problem)) => {
            Some(Drift::Strange { live, problem })
        }
    }
}

fn unsaved(app: &App, color: Color, entries: &[Proc]) -> Option<Drift> {
    let process = adopted::process_name(app, color);
    let entry = entries.iter().find(|entry| entry.name == process)?;
    let dump = app.pm2.dump().ok()?;
    let entry = Saved::from(entry);
    (!dump.iter().any(|saved| saved.runs_as(&entry))).then_some(Drift::Unsaved { process })
}

/// What `bg repair` needs for [`Drift::Dead`]: the slot of the color that is live, where that is
/// still down when the lock is held, and nothing else is started there. Visitors come to it, and
/// nothing is there that could answer them.
pub async fn dead_slot(app: &App, live: &Deployment) -> Option<IdleSlot> {
    let daemon = app.pm2.list().await.ok()?;
    let is_dead = matches!(served(app, &daemon, live), Some(Drift::Dead { .. }))
        && slot::foreign(app, live.color).await.is_none()
        && !slot::runs_anything(app, live.color).await;
    is_dead.then(|| IdleSlot::of(live.color))
}
