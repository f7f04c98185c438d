//! `bg repair`: what every command does first about a run that died, shown and then done;
//! NGINX made to follow the link where nothing else is wrong; and what somebody did without
//! bg noted or undone.

use std::time::{Duration, Instant};

use engine::app::App;
use engine::traffic::{self, Observe};
use engine::{drift, gate, recover, resurrect, run, verification, workers};
use model::event::{Event, Note, RepairStep, Sink, Warning};
use model::failure::{Deployment, Failure, Traffic};
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;

use crate::text::{self, Show, notices};

mod mend;

/// How often a live color that PM2 has only just started is looked at.
const AGAIN: Duration = Duration::from_millis(50);

/// How long PM2 may take to list what it has just started: on a busy host its daemon answers late.
const LISTED_WITHIN: Duration = Duration::from_secs(3);

/// What there was to repair.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Repaired {
    /// The plan, a sentence each; empty when nothing was wrong.
    pub plan: Vec<String>,
    /// Whether it was carried out.
    pub done: bool,
    /// What is live.
    pub live: Option<Deployment>,
}

impl Show for Repaired {
    fn show(&self) -> String {
        // A live color may be down: a plan says only where requests go.
        let live = match &self.live {
            Some(live) if self.done || self.plan.is_empty() => format!("; {live} is live\n"),
            Some(live) => format!("traffic goes to {live}\n"),
            None => "\n".to_owned(),
        };
        match (self.plan.is_empty(), self.done) {
            (true, _) => format!("nothing to repair{live}"),
            // Each step was told when it was done.
            (false, true) => format!("repaired{live}"),
            (false, false) => text::steps(&self.plan, false, "`bg repair` does it") + live.trim_start(),
        }
    }
}

/// Shows what would be repaired.
///
/// # Errors
/// When the journal cannot be read.
pub async fn plan(app: &App) -> Result<Repaired, Failure> {
    let (steps, live) = steps(app).await?;
    Ok(Repaired {
        plan: steps.iter().map(notices::step).collect(),
        done: false,
        live,
    })
}

async fn steps(app: &App) -> Result<(Vec<RepairStep>, Option<Deployment>), Failure> {
    let state = Journal::told(&app.layout.journal()).map_err(|error| run::journal_failure(app, error))?;
    let mut steps: Vec<RepairStep> = recover::plan(app, &state)
        .await
        .map(|plan| RepairStep::EndRun(plan.told()))
        .into_iter()
        .collect();
    if steps.is_empty() {
        steps.extend(lagging(app).await);
    }
    let route = traffic::observe(app).await.ok();
    let drift = drift::look(app, &state, route).await;
    let mendable = drift.into_iter().filter(|one| notices::mends(one).is_some());
    steps.extend(mendable.map(RepairStep::Mend));
    let live = route.map(|route| traffic::deployment(app, route.color));
    if state.open.is_none()
        && let Some(live) = &live
    {
        steps.extend(workers::mismatch(app, live.release.as_ref()).await);
    }
    Ok((steps, live))
}

/// Carries it out.
///
/// # Errors
/// Exit 7 where a person must look.
pub async fn repair(app: &App, patience: Duration, sink: &dyn Sink) -> Result<Repaired, Failure> {
    let (steps, _) = steps(app).await?;
    for step in &steps {
        sink.emit(Event::Noted(Note::RepairPlanned(step.clone())));
    }
    let (_lock, mut journal) = run::open(app, "repair", patience, sink).await?;
    resurrect::resurrect(app, sink).await;
    recover::recover(app, &mut journal, sink).await?;
    if let (true, Ok(route)) = (lagging(app).await.is_some(), app.link.read()) {
        let full = traffic::deployment(app, route.color).release.is_some();
        verification::reached(app, route, full).await.map_err(|error| {
            Failure::unknown("NGINX does not follow the link", format!("the link says {route}"))
                .because(error)
        })?;
    }
    let route = traffic::observe(app).await?;
    for one in drift::look(app, journal.state(), Some(route)).await {
        mend::mend(app, &mut journal, &one, sink).await?;
    }
    let live = traffic::deployment(app, route.color);
    serves(app, &live, sink).await?;
    workers_to(app, &journal, &live, sink).await?;
    Ok(Repaired {
        plan: steps.iter().map(notices::step).collect(),
        done: true,
        live: Some(live),
    })
}

/// PM2 says that a process runs long before it answers, and visitors get errors until then.
/// What only a person can mend was told before.
async fn serves(app: &App, live: &Deployment, sink: &dyn Sink) -> Result<(), Failure> {
    let Some(manifest) = live
        .release
        .as_ref()
        .and_then(|id| releases::read(&app.layout, id).ok())
    else {
        return Ok(());
    };
    let color = live.color;
    let deadline = Instant::now() + manifest.config.gate.timeout.0;
    let listed_by = Instant::now() + LISTED_WITHIN;
    let refusal = loop {
        let running = match gate::warm(app, color, manifest.clone()).await {
            Ok(running) => running,
            Err(_) if Instant::now() < listed_by => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(_) => return Ok(()),
        };
        match gate::brief(app, &running).await {
            Ok(_) => return Ok(()),
            Err(refusal) if refusal.is_early() && Instant::now() < deadline => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(refusal) => break refusal,
        }
    };
    if refusal.is_early() {
        let down = Failure::failed(format!("{live} is live but does not serve: {}", refusal.problem));
        let hint = format!("`bg logs {color}` shows what it said; `bg rollback` moves traffic away from it");
        return Err(down
            .hint(hint)
            .with_traffic(Traffic::Unchanged { live: live.clone() }));
    }
    sink.emit(Event::Warned(Warning::LiveUnhealthy {
        live: live.clone(),
        problem: refusal.problem,
    }));
    Ok(())
}

async fn workers_to(app: &App, journal: &Journal, live: &Deployment, sink: &dyn Sink) -> Result<(), Failure> {
    let Some(release) = &live.release else {
        return Ok(());
    };
    if workers::mismatch(app, Some(release)).await.is_empty() {
        return Ok(());
    }
    let before = journal.state().rollback_target(release).ok();
    let settled = workers::settle(app, Some(release), before, sink).await;
    settled.map_err(|stuck| {
        stuck
            .failure
            .with_traffic(Traffic::Unchanged { live: live.clone() })
    })
}

/// In the reload way NGINX can be behind the link, when a reload never came.
async fn lagging(app: &App) -> Option<RepairStep> {
    match traffic::look(app).await {
        Observe {
            link: Ok(link),
            nginx: Ok(nginx),
        } if link != nginx && app.reloads() => Some(RepairStep::FollowLink { link, nginx }),
        _ => None,
    }
}
