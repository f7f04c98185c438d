//! What PM2 starts in place of a worker: it waits until no other process holds the worker's instance,
//! reads which release the instance's link names, and becomes the worker with the lock in hand.

use std::convert::Infallible;
use std::time::{Duration, Instant};
use std::{fs, io};

use jiff::Timestamp;
use model::color::Color;
use model::config::Worker;
use model::config::run_command::{self, RunError};
use model::config::worker::StopSignal;
use model::instance::{Holder, Instance};
use model::layout::Layout;
use model::release::{Manifest, ReleaseId};
use nix::sys::signal::Signal;
use state::instances::lock::{InstanceLock, InstanceLockError};
use state::instances::{self, INSTANCE_MARK};
use state::releases;
use sys::process::Process;

use crate::launcher::{LaunchError, become_words, read_manifest, render_run};

/// How often is looked at what is left of an earlier worker.
const LOOK: Duration = Duration::from_millis(50);

/// A worker that ended sooner than this after its start is not started again at once: PM2
/// itself never rests.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// How long it is rested for then, and after one that could not be started.
const REST: Duration = Duration::from_secs(1);

/// Why a worker was not started.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Somebody else does its work.
    #[error("worker `{worker}` runs already, {}", describe(.holder.as_ref(), .left.as_ref()))]
    Taken {
        /// The worker.
        worker: String,
        /// Who, as they wrote it down.
        holder: Option<Holder>,
        /// Else what an earlier one has left.
        left: Option<Process>,
    },
    /// Its lock cannot be used.
    #[error(transparent)]
    InstanceLock(#[from] InstanceLockError),
    /// Its name could not be written into the lock.
    #[error("the lock `{path}` cannot be written")]
    Occupy {
        /// The lock.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The release has no such worker.
    #[error("release {release} has no worker `{worker}`")]
    Unknown {
        /// The release.
        release: ReleaseId,
        /// The worker.
        worker: String,
    },
    /// Its command cannot be split.
    #[error("`run` of worker `{worker}` cannot be used")]
    Words {
        /// The worker.
        worker: String,
        /// Why.
        #[source]
        source: RunError,
    },
    /// What every program of a release can lack.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

fn describe(holder: Option<&Holder>, left: Option<&Process>) -> String {
    match (holder, left) {
        (Some(holder), _) => holder.describe(Timestamp::now()),
        (None, Some(left)) => format!("as process {} that an earlier one has left", left.pid),
        (None, None) => "as nobody knows what".to_owned(),
    }
}

/// Becomes the worker of `instance`, once no process holds that and its link names a release. Called
/// before any thread or runtime is started.
///
/// # Errors
/// Returns only when the worker cannot be started.
pub fn work(layout: &Layout, instance: &Instance) -> Result<Infallible, WorkError> {
    let became = become_worker(layout, instance);
    std::thread::sleep(REST);
    became
}

fn become_worker(layout: &Layout, instance: &Instance) -> Result<Infallible, WorkError> {
    let path = layout.instance_lock(instance);
    let began = Instant::now();
    loop {
        let guard = match InstanceLock::take(&path) {
            Err(InstanceLockError::Held(_)) => None,
            guard => Some(guard?),
        };
        // It may have closed its lock, and lives; or it is dead, and a child of it holds the lock.
        let is_taken = instances::holder(layout, instance).is_some();
        let Some(release) = instances::release(layout, instance).filter(|_| !is_taken) else {
            drop(guard);
            std::thread::sleep(pace(began));
            continue;
        };
        let manifest = read_manifest(&layout.manifest(&release))?;
        let worker = worker_of(&manifest, &instance.worker)?;
        end_what_is_left(layout, instance, worker);
        let Some(guard) = guard else {
            std::thread::sleep(pace(began));
            continue;
        };
        if died_young(layout, instance, &release) {
            // Whoever brings an older release back meanwhile shall not wait for this.
            let until = Instant::now() + REST;
            while Instant::now() < until && instances::release(layout, instance).as_ref() == Some(&release) {
                std::thread::sleep(LOOK);
            }
        }
        if instances::release(layout, instance).as_ref() == Some(&release) {
            return Err(record_holder(layout, instance, guard, &manifest, worker, false));
        }
    }
}

/// How often a launcher looks whether it is its turn: often while a handover may go on, in
/// which nobody works until it has seen it; seldom when it has waited for long.
fn pace(began: Instant) -> Duration {
    match began.elapsed() < Duration::from_secs(60) {
        true => Duration::from_millis(10),
        false => Duration::from_millis(100),
    }
}

/// Becomes the worker in the foreground, for somebody at a terminal; `ready` is called when
/// nothing stands in the way any more that could be foreseen.
///
/// # Errors
/// [`WorkError::Taken`] while somebody else does its work.
pub fn take_over(
    layout: &Layout,
    instance: &Instance,
    manifest: &Manifest,
    ready: impl FnOnce(),
) -> Result<Infallible, WorkError> {
    let worker = worker_of(manifest, &instance.worker)?;
    let taken = || WorkError::Taken {
        worker: instance.worker.clone(),
        holder: instances::holder(layout, instance),
        left: instances::started_from(layout, instance).first().copied(),
    };
    fs::create_dir_all(layout.instances()).ok();
    let guard = match InstanceLock::take(&layout.instance_lock(instance)) {
        Err(InstanceLockError::Held(_)) => return Err(taken()),
        guard => guard?,
    };
    // It may have closed its lock, or have left something that goes on.
    if instances::holder(layout, instance).is_some() || !instances::started_from(layout, instance).is_empty()
    {
        return Err(taken());
    }
    ready();
    Err(record_holder(layout, instance, guard, manifest, worker, true))
}

fn worker_of<'m>(manifest: &'m Manifest, name: &str) -> Result<&'m Worker, WorkError> {
    manifest.config.worker(name).ok_or_else(|| WorkError::Unknown {
        release: manifest.id.clone(),
        worker: name.to_owned(),
    })
}

fn died_young(layout: &Layout, instance: &Instance, release: &ReleaseId) -> bool {
    let before = instances::last_holder(layout, instance).filter(|before| before.release == *release);
    before.is_some_and(|before| {
        let age = Timestamp::now().duration_since(before.since);
        age.unsigned_abs() < SHORT_LIFE
    })
}

fn record_holder(
    layout: &Layout,
    instance: &Instance,
    guard: InstanceLock,
    manifest: &Manifest,
    worker: &Worker,
    by_hand: bool,
) -> WorkError {
    let words = match words(layout, manifest, worker, &worker.run) {
        Ok(words) => words,
        Err(error) => return error,
    };
    let path = layout.instance_lock(instance).display().to_string();
    if let Err(source) = guard.record_holder(&manifest.id, by_hand) {
        return WorkError::Occupy { path, source };
    }
    let more = vec![
        ("BG_WORKER".to_owned(), worker.name.clone()),
        (INSTANCE_MARK.to_owned(), path),
    ];
    become_words(layout, color_of(layout, &manifest.id), manifest, &words, more).into()
}

/// A command of a worker, as it is executed.
///
/// # Errors
/// When it cannot be split or rendered.
pub fn words(
    layout: &Layout,
    manifest: &Manifest,
    worker: &Worker,
    line: &str,
) -> Result<Vec<String>, WorkError> {
    let split = run_command::words(line).map_err(|source| WorkError::Words {
        worker: worker.name.clone(),
        source,
    })?;
    let color = color_of(layout, &manifest.id);
    let venv = layout.venvs().join(&manifest.venv);
    let release = layout.release(&manifest.id);
    let port = manifest.ports.of(color);
    let rendered = render_run(&split, port, &venv, &release, color).map_err(LaunchError::Run)?;
    Ok(rendered)
}

/// The color whose slot holds a release; blue when none does any more.
#[must_use]
pub fn color_of(layout: &Layout, release: &ReleaseId) -> Color {
    let holds = |color: &Color| releases::slot(layout, *color).as_ref() == Some(release);
    Color::BOTH.into_iter().find(holds).unwrap_or(Color::Blue)
}

/// A worker that was killed can leave programs behind that go on with its work.
fn end_what_is_left(layout: &Layout, instance: &Instance, worker: &Worker) {
    let deadline = Instant::now() + worker.stop_timeout.0;
    let mut asked: Vec<Process> = Vec::new();
    loop {
        let left = instances::started_from(layout, instance);
        if left.is_empty() {
            return;
        }
        let signal = match Instant::now() < deadline {
            true => signal_of(worker.stop_signal),
            false => Signal::SIGKILL,
        };
        for process in &left {
            if signal == Signal::SIGKILL || !asked.contains(process) {
                process.signal(signal).ok();
                asked.push(*process);
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// The signal as the kernel knows it.
#[must_use]
pub fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::SIGTERM,
        StopSignal::Int => Signal::SIGINT,
        StopSignal::Quit => Signal::SIGQUIT,
        StopSignal::Hup => Signal::SIGHUP,
        StopSignal::Usr1 => Signal::SIGUSR1,
        StopSignal::Usr2 => Signal::SIGUSR2,
    }
}
