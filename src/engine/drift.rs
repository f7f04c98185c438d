//! Drift: the link and NGINX, PM2, and the journal tell of the same thing, and where one of
//! them tells something else, somebody or something acted without bg.

use keeper::pm2::{Daemon, Proc, Saved};
use model::color::{Color, Route};
use model::event::{Event, Sink};
use model::failure::{Deployment, Failure};
use model::journal::{JournalState, Left};
use model::release::ReleaseId;
use state::releases;
use sys::sockets;

use crate::adopted::{self, restart};
use crate::app::App;
use crate::gate::{self, Mismatch};
use crate::slot::{self, IdleSlot};
use crate::traffic;

/// One thing that is not as the last run left it, where the link and NGINX agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// PM2's daemon is down, and its list names these.
    Asleep {
        /// The names.
        names: String,
    },
    /// Traffic is not where the last run left it.
    Moved {
        /// Where it was left.
        left: Left,
        /// Where it is.
        now: Left,
    },
    /// The slot's link names another release than the one that it was left with and that
    /// still runs there.
    Renamed {
        /// What was left live, and is.
        live: Deployment,
        /// What the slot's link says.
        says: Option<ReleaseId>,
    },
    /// Nothing serves the live color.
    Dead {
        /// It.
        live: Deployment,
        /// What PM2 says.
        why: String,
        /// What starts it, where it is no release: it was adopted as it ran.
        by_hand: Option<String>,
    },
    /// Something serves the live color, and it is not what PM2 was told to keep there.
    Strange {
        /// The color.
        live: Deployment,
        /// What differs.
        why: String,
    },
    /// Another user's process has the port of the live color.
    Stolen {
        /// The color.
        live: Deployment,
        /// Who has it.
        by: slot::Foreign,
        /// Whether visitors are kept from it by the maintenance page.
        maintenance: bool,
    },
    /// The list that PM2 starts from after a reboot lacks the live color.
    Unsaved {
        /// The entry's name.
        name: String,
    },
}

impl Drift {
    /// What is so, without what mends it.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Drift::Asleep { names } => format!("PM2's daemon is down and kept {names}"),
            Drift::Moved { left, now } => format!(
                "{} is live, but the last run left {} live: traffic was moved without bg",
                words(now),
                words(left)
            ),
            Drift::Renamed { live, says } => format!(
                "slot {} points to {} but {live} is running",
                live.color,
                says.as_ref().map_or("nothing", ReleaseId::short)
            ),
            Drift::Dead { live, why, .. } => format!("{live} is live but down: {why}"),
            Drift::Strange { live, why } => {
                format!("{live} is live, but PM2 does not manage the process that serves it: {why}")
            }
            Drift::Stolen {
                live,
                by,
                maintenance,
            } => {
                let what = by.what();
                match (by.is_reached(), maintenance) {
                    (true, false) => format!(
                        "{what}, and {live} is live: visitors' requests, with cookies and passwords, reach that program"
                    ),
                    _ => format!("{what}, and {live} is live"),
                }
            }
            Drift::Unsaved { name } => {
                format!(
                    "PM2's saved list lacks `{name}`, which is live: a reboot would not bring it back as it runs now"
                )
            }
        }
    }

    /// What `bg repair` does about it; `None` for what it must not touch.
    #[must_use]
    pub fn repair(&self) -> Option<String> {
        Some(match self {
            Drift::Asleep { names } => format!("start PM2's daemon with {names}"),
            Drift::Moved { .. } => "record in the journal what is live".to_owned(),
            Drift::Renamed { live, .. } => format!("point the slot at {live} again"),
            Drift::Dead {
                live, by_hand: None, ..
            } => format!("start {live} again"),
            Drift::Dead { .. } | Drift::Strange { .. } | Drift::Stolen { .. } => return None,
            Drift::Unsaved { .. } => "save PM2's list".to_owned(),
        })
    }

    /// What is so, and what to type.
    #[must_use]
    pub fn sentence(&self) -> String {
        let what = self.what();
        match (self.repair(), self) {
            (Some(repair), _) => format!("{what}; `bg repair` would {repair}"),
            (
                None,
                Drift::Dead {
                    by_hand: Some(command),
                    ..
                },
            ) => format!("{what}; `{command}` starts it"),
            (None, Drift::Stolen { live, by, .. }) => format!(
                "{what}; `bg switch {}` or `bg maintenance on` keeps visitors away from that program, {}",
                live.color.other(),
                by.way_out()
            ),
            (None, Drift::Strange { live, .. }) => format!(
                "{what}; `bg deploy` or `bg switch {}` moves traffic to a process that PM2 manages",
                live.color.other()
            ),
            (None, _) => what,
        }
    }
}

fn words(left: &Left) -> String {
    let page = if left.maintenance {
        " behind the maintenance page"
    } else {
        ""
    };
    format!("{}{page}", left.live)
}

/// Looks for drift where traffic is on `route`; where nobody can say, only whether PM2 is
/// there. What cannot be seen is no drift: the command that needs it says so.
pub async fn look(app: &App, state: &JournalState, route: Option<Route>) -> Vec<Drift> {
    let daemon = app.pm2.list().await.ok();
    let mut drift: Vec<Drift> = daemon.iter().filter_map(|daemon| asleep(app, daemon)).collect();
    let Some(route) = route else { return drift };
    let now = Left {
        live: traffic::deployment(app, route.color),
        maintenance: route.maintenance,
    };
    drift.extend(moved(app, state, daemon.as_ref(), &now));
    if drift
        .iter()
        .any(|one| matches!(one, Drift::Asleep { .. } | Drift::Renamed { .. }))
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
/// Exit 7 where a slot names what does not run in it: whatever is done then would be
/// proven against the wrong release.
pub fn tell(drift: &[Drift], sink: &dyn Sink) -> Result<(), Failure> {
    for one in drift {
        if let Drift::Renamed { live, .. } = one {
            let seen = format!("the link and NGINX say {}, which runs {live}", live.color);
            return Err(
                Failure::unknown(one.what(), seen).hint("`bg repair` points the slot at the running release")
            );
        }
        sink.emit(Event::Warned { text: one.sentence() });
    }
    Ok(())
}

fn asleep(app: &App, daemon: &Daemon) -> Option<Drift> {
    let kept = match daemon {
        Daemon::Up(_) => return None,
        Daemon::Down => app.pm2.dump().ok()?,
    };
    let names: Vec<&str> = kept.iter().map(|one| one.name.as_str()).collect();
    (!names.is_empty()).then(|| Drift::Asleep {
        names: names.join(", "),
    })
}

/// Compares with the journal. A run that died left nothing: recovery sees to that.
fn moved(app: &App, state: &JournalState, daemon: Option<&Daemon>, now: &Left) -> Option<Drift> {
    let left = state.left.as_ref().filter(|left| *left != now)?;
    if state.open.is_some() {
        return None;
    }
    let same_place = left.live.color == now.live.color && left.maintenance == now.maintenance;
    if same_place && daemon.is_some_and(|daemon| runs(app, daemon, &left.live)) {
        return Some(Drift::Renamed {
            live: left.live.clone(),
            says: now.live.release.clone(),
        });
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
        Err(Mismatch::NoProcess(why)) if sockets::holder(port).is_none() => {
            Some(Drift::Dead { live, why, by_hand })
        }
        Err(Mismatch::NoProcess(why) | Mismatch::Other(why)) => Some(Drift::Strange { live, why }),
    }
}

fn unsaved(app: &App, color: Color, entries: &[Proc]) -> Option<Drift> {
    let name = adopted::process_name(app, color);
    let entry = entries.iter().find(|entry| entry.name == name)?;
    let dump = app.pm2.dump().ok()?;
    let entry = Saved::from(entry);
    (!dump.iter().any(|saved| saved.runs_as(&entry))).then_some(Drift::Unsaved { name })
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
