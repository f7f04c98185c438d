//! `bg status`: what is live, what is warm, and what a rollback would do, all looked up now.

use engine::app::App;
use engine::traffic::{self, Observe};
use engine::workers::{self, WorkerStatus};
use engine::{adopted, drift, gate, preview, recover, slot};
use model::bake::Bake;
use model::color::Color;
use model::config::SwitchStrategy;
use model::failure::Deployment;
use model::journal::JournalState;
use model::preview::Preview;
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;
use sys::lock;

use super::bake;
use super::canary::Stepped;
use super::contract;
use super::rehearse::{self, Rehearsal};
use crate::text::notices;

mod shown;

/// Everything that `bg status` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The app.
    pub app: String,
    /// What is live, when the link and NGINX agree.
    pub live: Option<Deployment>,
    /// What is wrong, when they do not, and how to mend it.
    pub drift: Vec<String>,
    /// Whether the maintenance page is up.
    pub maintenance: bool,
    /// The canary, where one is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Stepped>,
    /// Both slots, blue first.
    pub slots: Vec<SlotStatus>,
    /// The workers of what is live, and any other that runs.
    #[serde(default)]
    pub workers: Vec<WorkerStatus>,
    /// What is shown to whoever has a link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<Preview>,
    /// What a rollback would do.
    pub rollback: RollbackStatus,
    /// How what is live is watched, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Bake>,
    /// How the last rehearsal of that went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    /// The switch way in force.
    pub switch: SwitchStrategy,
    /// Why that way.
    pub switch_reason: String,
    /// Who holds the lock.
    pub locked_by: Option<String>,
    /// The run that moved traffic here and never heard how the other hosts did.
    pub doubt: Option<String>,
    /// What there is to know besides, of slots that hold an adopted process.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How long ago traffic last moved, seconds.
    pub moved_seconds_ago: u64,
}

/// One slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotStatus {
    /// The color.
    pub color: Color,
    /// Its release.
    pub release: Option<String>,
    /// The commit's first line.
    pub subject: Option<String>,
    /// Its port.
    pub port: u16,
    /// Its process.
    pub pid: Option<u32>,
    /// Whether it passes the brief gate, and if not why.
    pub health: Health,
}

/// Whether a slot could take traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
pub enum Health {
    /// No release.
    Empty,
    /// It passes the brief gate.
    Healthy,
    /// It does not.
    Unhealthy(String),
    /// Its process is not there.
    Down(String),
}

/// What a rollback would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RollbackStatus {
    /// At once, to this.
    Ready {
        /// The release.
        to: String,
    },
    /// It would be started first.
    Cold {
        /// The release.
        to: String,
        /// Why it is not warm.
        why: String,
    },
    /// There is nothing to go back to.
    Nothing {
        /// Why.
        why: String,
    },
}

/// Looks at everything, changes nothing.
pub async fn status(app: &App) -> Status {
    let state = Journal::told(&app.layout.journal()).unwrap_or_default();
    let (observe, blue, green) = tokio::join!(
        traffic::look(app),
        slot_status(app, Color::Blue),
        slot_status(app, Color::Green)
    );
    let mut drift = Vec::new();
    if let Some(holder) = state
        .open
        .as_ref()
        .filter(|_| lock::current_holder(&app.layout.lock()).is_none())
    {
        let plan = recover::plan(app, &state)
            .await
            .map_or_else(|| holder.run.to_string(), |plan| plan.told().to_string());
        drift.push(format!("{plan}; `bg repair` does that"));
    }
    let route = agreed(&observe, &mut drift);
    let found = drift::look(app, &state, route).await;
    drift.extend(found.iter().map(notices::drift_and_fix));
    let live = route.map(|route| traffic::deployment(app, route.color));
    let slots = vec![blue, green];
    let mut notes = adopted::notes(app, Color::Blue).await;
    notes.extend(adopted::notes(app, Color::Green).await);
    for color in Color::BOTH
        .into_iter()
        .filter(|color| live.as_ref().is_none_or(|live| live.color != *color))
    {
        let foreign = slot::foreign(app, color).await;
        notes.extend(foreign.map(|foreign| format!("{foreign}; {}", foreign.way_out())));
    }
    // Where NGINX does not say what is live, workers are held against what the link names.
    let linked = route.or(observe.link.ok());
    let workers = match linked.map(|route| traffic::deployment(app, route.color)) {
        Some(served) => workers::look(app, served.release.as_ref()).await,
        None => Vec::new(),
    };
    Status {
        app: app.name().to_owned(),
        workers,
        previews: preview::shown(app),
        bake: bake::of_live(app, route),
        rehearsal: live.as_ref().and_then(|live| rehearse::last(app, live.color)),
        rollback: match route.filter(|route| route.share.is_some()) {
            Some(_) => RollbackStatus::Nothing {
                why: "a canary is under way, which `bg rollback` ends as `bg abort` does".to_owned(),
            },
            None => rollback(app, &state, live.as_ref(), &slots),
        },
        live,
        drift,
        maintenance: route.is_some_and(|route| route.maintenance),
        canary: route.filter(|route| route.share.is_some()).map(|route| Stepped {
            live: traffic::deployment(app, route.color),
            other: traffic::deployment(app, route.color.other()),
            share: route.share,
            next: app.config.canary.after(route.share).map(|step| step.share),
            lasts: bake::goes_on_in(app, route),
            doubt: state.doubt.is_some(),
        }),
        slots,
        switch: app.entry.switch,
        switch_reason: app.entry.switch_reason.clone(),
        locked_by: lock::current_holder(&app.layout.lock()),
        doubt: state.doubt.as_ref().map(ToString::to_string),
        notes,
        moved_seconds_ago: app.link.age().as_secs(),
    }
}

fn agreed(observe: &Observe, drift: &mut Vec<String>) -> Option<model::color::Route> {
    match observe {
        Observe {
            link: Ok(link),
            nginx: Ok(nginx),
        } if link == nginx => return Some(*link),
        Observe {
            link: Ok(link),
            nginx: Ok(nginx),
        } => {
            drift.push(format!(
                "the link says {link}, NGINX answers from {nginx}: `bg repair`, then `bg check`"
            ));
        }
        Observe {
            link: Ok(link),
            nginx: Err(error),
        } => {
            drift.push(format!(
                "the link says {link}, NGINX gives no answer (`bg check` finds the cause): {error}"
            ));
        }
        Observe {
            link: Err(error),
            nginx: Ok(nginx),
        } => {
            drift.push(format!(
                "{error}; NGINX answers from {nginx}: `bg switch {}` repairs the link",
                nginx.color
            ));
        }
        Observe {
            link: Err(error),
            nginx: Err(other),
        } => drift.push(format!("{error}; NGINX gives no answer: {other}")),
    }
    None
}

async fn slot_status(app: &App, color: Color) -> SlotStatus {
    let mut status = SlotStatus {
        color,
        release: None,
        subject: None,
        port: app.config.process.ports.of(color),
        pid: None,
        health: Health::Empty,
    };
    let Some(release) = releases::slot(&app.layout, color) else {
        return status;
    };
    status.release = Some(release.to_string());
    let manifest = match slot::read_manifest(app, &release) {
        Ok(manifest) => manifest,
        Err(failure) => {
            status.health = Health::Unhealthy(failure.what);
            return status;
        }
    };
    status.subject = Some(manifest.subject.clone());
    if let Err(failure) = slot::is_where_nginx_asks(app, color, &manifest) {
        status.health = Health::Unhealthy(failure.what);
        return status;
    }
    status.health = match gate::warm(app, color, manifest).await {
        Err(why) => Health::Down(why),
        Ok(running) => {
            status.pid = Some(running.process.pid);
            match gate::brief(app, &running).await {
                Ok(_) => Health::Healthy,
                Err(refusal) => Health::Unhealthy(
                    [vec![refusal.problem], refusal.probes, refusal.hints]
                        .concat()
                        .join("; "),
                ),
            }
        }
    };
    status
}

fn rollback(
    app: &App,
    state: &JournalState,
    live: Option<&Deployment>,
    slots: &[SlotStatus],
) -> RollbackStatus {
    let Some(live) = live else {
        return RollbackStatus::Nothing {
            why: "cannot tell what is live".to_owned(),
        };
    };
    let Some(release) = &live.release else {
        return RollbackStatus::Nothing {
            why: "nothing was deployed yet".to_owned(),
        };
    };
    let target = match state.rollback_target(release) {
        Ok(target) => target,
        Err(why) => return RollbackStatus::Nothing { why: why.to_string() },
    };
    let held = releases::slot(&app.layout, live.color.other());
    if held.as_ref() != Some(target) {
        return RollbackStatus::Nothing {
            why: format!("the previous release {target} is no longer in a slot"),
        };
    }
    if let Some(contract) = contract::between(&app.layout, release, target) {
        return RollbackStatus::Nothing {
            why: format!(
                "{target} does not work with the database schema since {} ({}); `bg rollback --force REASON` goes back anyway",
                contract.release, contract.why
            ),
        };
    }
    let idle = slots.iter().find(|slot| slot.color == live.color.other());
    if let Ok(manifest) = releases::read(&app.layout, target)
        && let Err(failure) = slot::is_where_nginx_asks(app, live.color.other(), &manifest)
    {
        return RollbackStatus::Nothing { why: failure.what };
    }
    match idle.map(|slot| &slot.health) {
        Some(Health::Healthy) => RollbackStatus::Ready {
            to: target.to_string(),
        },
        Some(Health::Down(why) | Health::Unhealthy(why)) => RollbackStatus::Cold {
            to: target.to_string(),
            why: why.clone(),
        },
        _ => RollbackStatus::Nothing {
            why: "the other slot is empty".to_owned(),
        },
    }
}
