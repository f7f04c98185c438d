//! Where each worker stands, looked up now.

use jiff::Timestamp;
use model::config::Worker;
use model::config::worker::Handover;
use model::event::RepairStep;
use model::instance::{Holder, Instance};
use model::release::ReleaseId;
use serde::{Deserialize, Serialize};
use state::instances;

use crate::app::App;
use crate::workers::wanted::manifest_of;
use crate::workers::{entry, handover, replaced};

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// The release that it runs; none when it does not run.
    pub release: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// For how long it runs, seconds.
    pub up_seconds: Option<u64>,
    /// What is not as the live release wants it.
    pub problem: Option<String>,
}

/// Every worker of what is live, in its order, and those that run without being wanted; from
/// the files alone.
#[must_use]
pub fn statuses(app: &App, live: Option<&ReleaseId>) -> Vec<WorkerStatus> {
    let manifest = manifest_of(app, live);
    let workers = manifest
        .as_ref()
        .map_or([].as_slice(), |manifest| &manifest.config.workers);
    let mut all: Vec<WorkerStatus> = workers
        .iter()
        .map(|worker| of(app, &worker.name, live, Some(worker)))
        .collect();
    for instance in instances::all(&app.layout) {
        if !all.iter().any(|one| one.name == instance.worker) {
            all.push(of(app, &instance.worker, live, None));
        }
    }
    all
}

/// The same, PM2 asked too.
pub async fn look(app: &App, live: Option<&ReleaseId>) -> Vec<WorkerStatus> {
    let mut all = statuses(app, live);
    let manifest = manifest_of(app, live);
    for one in &mut all {
        let worker = manifest
            .as_ref()
            .and_then(|manifest| manifest.config.worker(&one.name));
        if let (None, Some(worker)) = (&one.problem, worker) {
            one.problem = kept(app, worker).await;
        }
    }
    all
}

/// What is to be done about workers that are not as the live release wants them.
pub async fn mismatch(app: &App, live: Option<&ReleaseId>) -> Vec<RepairStep> {
    let all = look(app, live).await;
    let each = all.into_iter().filter_map(|one| {
        let problem = one.problem?;
        let release = live.filter(|_| is_wanted(app, live, &one.name));
        Some(RepairStep::SettleWorker {
            worker: one.name,
            problem,
            release: release.cloned(),
        })
    });
    each.collect()
}

fn is_wanted(app: &App, live: Option<&ReleaseId>, name: &str) -> bool {
    manifest_of(app, live).is_some_and(|manifest| manifest.config.worker(name).is_some())
}

fn of(app: &App, name: &str, live: Option<&ReleaseId>, worker: Option<&Worker>) -> WorkerStatus {
    let holders: Vec<Holder> = handover::of(name)
        .iter()
        .filter_map(|instance| instances::holder(&app.layout, instance))
        .collect();
    let right = holders.iter().find(|one| Some(&one.release) == live);
    let one = right.or(holders.first());
    let age = |since: Timestamp| {
        Timestamp::now()
            .duration_since(since)
            .as_secs()
            .max(0)
            .unsigned_abs()
    };
    WorkerStatus {
        name: name.to_owned(),
        release: one.map(|one| one.release.to_string()),
        pid: one.map(|one| one.pid),
        up_seconds: one.map(|one| age(one.since)),
        problem: problem(&holders, live, worker),
    }
}

fn problem(holders: &[Holder], live: Option<&ReleaseId>, worker: Option<&Worker>) -> Option<String> {
    match (worker, holders) {
        (None, []) => None,
        (None, [one, ..]) => Some(format!("runs {} but should not run", one.release.short())),
        (Some(_), []) => Some("does not run".to_owned()),
        (Some(_), holders) => holders
            .iter()
            .find(|one| Some(&one.release) != live)
            .map(|one| format!("runs {}, which is not live", one.release.short())),
    }
}

/// Whether PM2 would start it again, and nobody else does its job.
async fn kept(app: &App, worker: &Worker) -> Option<String> {
    let instances = match worker.handover {
        Handover::Singleton => vec![Instance::of(&worker.name)],
        Handover::Overlap => handover::of(&worker.name).to_vec(),
    };
    let mut status = None;
    for instance in instances {
        match entry::entry(app, &instance).await {
            Ok(Some(entry)) if entry::is_kept(&entry) => status = Some(None),
            Ok(Some(entry)) if status.is_none() => status = Some(Some(entry.status)),
            Ok(_) => {}
            Err(problem) => return Some(problem.text),
        }
    }
    match status {
        Some(None) => {}
        Some(Some(status)) => return Some(format!("is not managed by PM2, which says `{status}`")),
        None => return Some("is not managed by PM2".to_owned()),
    }
    let name = worker.replaces.as_ref()?;
    match replaced::named(app, name).await {
        Ok(entries) => entries
            .iter()
            .any(|entry| entry.is_running())
            .then(|| format!("has replaced `{name}`, which still runs")),
        Err(problem) => Some(problem.text),
    }
}
