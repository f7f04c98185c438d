//! Facts that a run tells as they happen, in the past tense. One enum, one way to emit;
//! every renderer matches all of it. The JSON form is a contract.

mod note;
mod repair;
pub(crate) mod shown;
mod warning;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::color::{Color, Share};
use crate::failure::Deployment;
use crate::journal::Verb;
use crate::judge::Counts;
use crate::ledger::Behavior;
use crate::release::ReleaseId;

pub use note::{ChangedFile, FleetStage, Note, Remote, RepairStep, TriedBy};
pub use repair::Repair;
pub use warning::{SharedChange, SshSetting, Step, Unexpanded, Warning, WithoutEffect, WorkerTrouble};

/// One fact. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    Began {
        /// The app.
        app: String,
        /// What it sets out to do.
        verb: Verb,
        /// What is live.
        live: Deployment,
        /// The color it works on.
        color: Color,
        /// What is put there, as far as it is known.
        release: Option<ReleaseId>,
        /// The commit's first line.
        subject: Option<String>,
    },
    /// A run took the lock and has a name in the history.
    Opened {
        /// Its name.
        run: String,
    },
    /// The color is ready on this host, and waits until it is so on every other.
    Ready {
        /// The color.
        color: Color,
        /// What it holds.
        release: Option<ReleaseId>,
    },
    /// Another run holds the lock, and we wait for it.
    Waiting {
        /// Who holds it.
        holder: String,
    },
    /// Something that was broken is whole again.
    Recovered(Repair),
    /// The commit is here.
    Fetched {
        /// The full commit.
        commit: String,
        /// Its first line.
        subject: String,
        /// How long it took.
        took_ms: u64,
    },
    /// The Python environment is ready.
    EnvironmentReady {
        /// Its name.
        key: String,
        /// Whether it was there already.
        reused: bool,
        /// What built it, or would have.
        installer: String,
        /// How long it took.
        took_ms: u64,
    },
    /// The checkout is whole.
    ReleaseMade {
        /// The release.
        release: ReleaseId,
        /// How long it took.
        took_ms: u64,
    },
    /// The idle slot is free to be used again.
    SlotFreed {
        /// The color.
        color: Color,
        /// Connections that were still open and were closed.
        closed: usize,
        /// How long it took, the quiet time included.
        took_ms: u64,
    },
    /// The app was started.
    Started {
        /// The color.
        color: Color,
        /// Its port.
        port: u16,
        /// Its process.
        pid: u32,
        /// How long it took.
        took_ms: u64,
    },
    /// The warm color was found dead and started again from its release.
    Revived {
        /// The color.
        color: Color,
        /// Its release.
        release: ReleaseId,
    },
    /// The gate was passed.
    GatePassed {
        /// The color.
        color: Color,
        /// Probes that answered as expected.
        passed: usize,
        /// Probes sent in the last round.
        probes: usize,
        /// The slowest of them.
        slowest_ms: f64,
        /// How long the app was watched after that.
        soaked_ms: u64,
        /// How long it took in all.
        took_ms: u64,
    },
    /// The gate was not passed and the operator went past it.
    GateForced {
        /// The color.
        color: Color,
        /// What the operator gave as reason.
        reason: String,
        /// Why the gate was shut.
        problem: String,
    },
    /// Traffic moved, and that was proven.
    TrafficMoved {
        /// Where it was.
        from: Deployment,
        /// Where it is.
        to: Deployment,
        /// Paths it was proven on.
        paths: usize,
        /// Listeners it was proven on.
        listeners: usize,
        /// From the swap to the proof.
        took_ms: f64,
    },
    /// Traffic was put back.
    PutBack {
        /// Where it is again.
        live: Deployment,
        /// Why.
        reason: String,
    },
    /// The prober's count around the swap.
    Counted {
        /// Requests sent.
        sent: u64,
        /// Requests that failed.
        failed: u64,
        /// The distinct failures.
        failures: Vec<String>,
        /// How long it counted.
        window_ms: u64,
        /// From the swap to the last answer of the old color.
        last_old_ms: Option<f64>,
        /// Whether that is enough to say anything.
        enough: bool,
        /// What NGINX answered itself, before it would have asked any color: neither sent nor
        /// failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by_nginx: Vec<String>,
    },
    /// A worker runs from the release that is live.
    WorkerHandedOver {
        /// The worker.
        worker: String,
        /// The release.
        release: ReleaseId,
        /// Its process.
        pid: u32,
        /// From the end of the one before to the start of this one; none where none ran
        /// before, and where the two overlapped.
        gap_ms: Option<u64>,
        /// How long it took, until it was ready.
        took_ms: u64,
    },
    /// A worker that the live release does not have was stopped.
    WorkerStopped {
        /// The worker.
        worker: String,
        /// How long it took.
        took_ms: u64,
    },
    /// A canary took a step, up or down.
    Stepped {
        /// The color that a share of the visitors gets.
        color: Color,
        /// The share; none where nobody does any more.
        share: Option<Share>,
        /// On how many paths that was proven.
        paths: usize,
        /// On how many listeners.
        listeners: usize,
        /// How long the step took.
        took_ms: u64,
    },
    /// PM2 will bring this back after a reboot.
    Saved {
        /// How long it took.
        took_ms: u64,
    },
    /// A command of the operator's printed a line; the app's secrets are taken out.
    HookSaid {
        /// The key that names it: `after_build`, `migrate`, `backup`.
        hook: String,
        /// The line.
        line: String,
    },
    /// A command of the operator's ended well.
    HookRan {
        /// The key that names it.
        hook: String,
        /// The command.
        command: String,
        /// How long it took.
        took_ms: u64,
    },
    /// A command of the operator's failed, or missed its deadline.
    HookFailed {
        /// The key that names it.
        hook: String,
        /// How.
        problem: String,
    },
    /// The release is whole on this host, and waits for the schema to be migrated once.
    AwaitsSchema {
        /// The release.
        release: ReleaseId,
    },
    /// The schema is as the new release needs it.
    SchemaReady {
        /// The release.
        release: ReleaseId,
        /// Whether a migration ran.
        migrated: bool,
        /// Why earlier releases cannot work with it any more, where they cannot.
        contract: Option<String>,
        /// How long it took.
        took_ms: u64,
    },
    /// The database was backed up, and the backup looks whole.
    BackedUp {
        /// The file.
        file: PathBuf,
        /// Its length.
        bytes: u64,
        /// How long it took.
        took_ms: u64,
    },
    /// The operator went back past a release whose schema does not serve what was before.
    ContractForced {
        /// That release.
        contract: ReleaseId,
        /// What the operator gave as reason.
        reason: String,
    },
    /// What nobody needs was deleted.
    Pruned {
        /// Releases deleted.
        releases: Vec<String>,
        /// Python environments deleted.
        environments: usize,
    },
    /// What became of a release's requests for as long as it was watched, in `bg history RUN`.
    Behaved {
        /// The release.
        release: ReleaseId,
        /// How many requests there were, and how many failed.
        counts: Counts,
        /// The same by the beginning of the path, the most asked for first.
        places: Vec<Behavior>,
    },
    /// The maintenance page was put up or taken away.
    MaintenanceSet {
        /// Whether it is up.
        on: bool,
    },
    /// Something that an operator may want to know.
    Noted(Note),
    /// Something that an operator should look at.
    Warned(Warning),
}

/// A time as events tell it.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where facts go.
pub trait Sink: Send + Sync {
    /// Tells one fact.
    fn emit(&self, event: Event);
}

/// Tells nobody: for steps inside a step that is told as one.
#[derive(Debug)]
pub struct Quiet;

impl Sink for Quiet {
    fn emit(&self, _: Event) {}
}

impl<S: Sink + ?Sized> Sink for &S {
    fn emit(&self, event: Event) {
        (**self).emit(event);
    }
}
