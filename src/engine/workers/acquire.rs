//! One instance: acquired for a release, or released.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use keeper::launcher::{self, work};
use keeper::pm2::{Pm2Error, Proc, Spec};
use model::config::Worker;
use model::failure::in_one_line;
use model::instance::{Holder, Instance};
use model::release::ReleaseId;
use nix::sys::signal::Signal;
use state::instances;
use sys::process::{self, Process};

use crate::app::App;
use crate::slot;
use crate::workers::ended::{last_words, why_it_ended};
use crate::workers::entry::{entry, is_kept, process};
use crate::workers::trouble::Problem;
use crate::workers::wanted::{Wanted, manifest_of};

/// How often an instance is looked at: one small file is read.
const GLANCE: Duration = Duration::from_millis(5);

/// How often PM2 is asked meanwhile.
const ASK: Duration = Duration::from_millis(250);

/// How long PM2 must say that it does not run an entry before that is believed.
const IDLE: Duration = Duration::from_millis(700);

/// How long PM2 and the launcher may take, once the old one is gone: 0.03 s where measured,
/// a second more for one that died young.
const START_WITHIN: Duration = Duration::from_secs(20);

/// A worker is asked to end at each handover, be it young, and the launcher itself rests after
/// one that died: PM2 shall not give up on either.
const MIN_UPTIME: Duration = Duration::from_millis(200);

/// The process that holds an instance.
#[derive(Clone, Debug)]
pub(super) struct Acquired {
    pub(super) holder: Holder,
    /// From the end of the one before to the start of this one.
    pub(super) gap: Option<Duration>,
    /// Whether it held that already.
    pub(super) was_there: bool,
    /// How long the log was before.
    pub(super) log_from: u64,
}

/// Has a worker of a release hold an instance, whichever process holds that now. Where PM2 has an
/// entry for it, the entry stays as it is: the holder is asked to end, and PM2 starts the
/// launcher anew, which looks at the link.
pub(super) async fn acquire(app: &App, instance: &Instance, wanted: Wanted<'_>) -> Result<Acquired, Problem> {
    let id = &wanted.manifest.id;
    let log_from = slot::length(&app.layout.worker_log(&instance.worker));
    let spec = spec(app, instance, wanted.worker);
    let entry = entry(app, instance).await?;
    let here = instances::holder(&app.layout, instance).filter(|here| here.release == *id);
    if entry.as_ref().is_some_and(|entry| !is_as(entry, &spec)) && here.is_none() {
        leave(app, instance).await?;
    }
    work::words(&app.layout, wanted.manifest, wanted.worker, &wanted.worker.run)
        .map_err(|error| Problem::new(in_one_line(&error)))?;
    let stale = instances::last_holder(&app.layout, instance);
    instances::point(&app.layout, instance, id).map_err(|error| Problem::new(in_one_line(&error)))?;
    let mut waiting = Waiting {
        app,
        instance,
        wanted,
        spec,
        stale,
        log_from,
        starts: 0,
        asked: None,
        idle_since: None,
        gone: None,
    };
    waiting.until_held(here.is_some()).await
}

struct Waiting<'a> {
    app: &'a App,
    instance: &'a Instance,
    wanted: Wanted<'a>,
    spec: Spec,
    /// The last holder when this began.
    stale: Option<Holder>,
    log_from: u64,
    starts: u32,
    asked: Option<Instant>,
    idle_since: Option<Instant>,
    gone: Option<Timestamp>,
}

impl Waiting<'_> {
    async fn until_held(&mut self, was_there: bool) -> Result<Acquired, Problem> {
        // Before the old one is stopped: its successor waits at the lock then.
        self.keep_entry().await?;
        let mut deadline = Instant::now() + START_WITHIN;
        loop {
            match instances::holder(&self.app.layout, self.instance) {
                Some(holder) if holder.release == self.wanted.manifest.id => {
                    return Ok(self.acquired(holder, was_there));
                }
                Some(other) if self.gone.is_some() && Instant::now() >= deadline => {
                    let text = format!("{} keeps starting in its place", other.release.short());
                    return Err(self.with_log(text).await);
                }
                Some(other) => {
                    end(self.app, self.instance, &other).await?;
                    if self.gone.is_none() {
                        deadline = Instant::now() + START_WITHIN;
                    }
                    self.gone = Some(Timestamp::now());
                    continue;
                }
                None => {}
            }
            if let Some(died) = self.died() {
                return Err(why_it_ended(self.app, self.instance, self.wanted, &died, self.log_from).await);
            }
            if Instant::now() >= deadline {
                let text = format!("it did not start within {} s", START_WITHIN.as_secs());
                return Err(self.with_log(text).await);
            }
            if self.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
                self.keep_entry().await?;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn acquired(&self, holder: Holder, was_there: bool) -> Acquired {
        let gap = self.gone.map(|gone| {
            let gap = holder.since.duration_since(gone);
            Duration::try_from(gap).unwrap_or_default()
        });
        Acquired {
            holder,
            gap,
            was_there,
            log_from: self.log_from,
        }
    }

    /// A holder that came since this began and is gone already.
    fn died(&self) -> Option<Holder> {
        let last = instances::last_holder(&self.app.layout, self.instance);
        let is_new =
            |last: &Holder| Some(last) != self.stale.as_ref() && last.release == self.wanted.manifest.id;
        last.filter(|last| is_new(last) && !instances::lives(last))
    }

    /// Has PM2 keep it, where it does not: there is no entry yet, somebody has stopped it, or
    /// PM2 has given up on it.
    async fn keep_entry(&mut self) -> Result<(), Problem> {
        self.asked = Some(Instant::now());
        match entry(self.app, self.instance).await? {
            Some(entry) if is_kept(&entry) => {
                self.idle_since = None;
                return Ok(());
            }
            // So it is for a moment at each restart, too.
            Some(_) if self.idle_since.get_or_insert_with(Instant::now).elapsed() < IDLE => return Ok(()),
            Some(_) | None => {}
        }
        if self.starts == 2 {
            let text = "PM2 has given up on it after repeated exits";
            return Err(self.with_log(text.to_owned()).await);
        }
        self.starts += 1;
        self.idle_since = None;
        // This very program, also where another version was installed over it meanwhile.
        launcher::install(Path::new("/proc/self/exe"), &self.app.layout)
            .map_err(|error| Problem::new(format!("cannot install the launcher: {error}")))?;
        match self.app.pm2.start(&self.spec, &self.app.layout.state()).await {
            // The process is looked for at the lock.
            Ok(_) | Err(Pm2Error::NoProcess { .. }) => Ok(()),
            Err(error) => Err(Problem::new(in_one_line(&error))),
        }
    }

    async fn with_log(&self, text: String) -> Problem {
        Problem {
            text,
            log: last_words(self.app, self.wanted, self.log_from).await,
        }
    }
}

/// Releases an instance: its holder ends, and PM2 forgets the entry. `false` when it was free.
pub(super) async fn leave(app: &App, instance: &Instance) -> Result<bool, Problem> {
    let failed = |error: &dyn std::error::Error| Problem::new(in_one_line(error));
    let last = instances::last_holder(&app.layout, instance);
    let had = instances::release(&app.layout, instance).is_some();
    instances::give_up(&app.layout, instance).map_err(|error| failed(&error))?;
    let entry = entry(app, instance).await?;
    let mut was_taken = had || entry.is_some();
    while let Some(holder) = instances::holder(&app.layout, instance) {
        was_taken = true;
        end(app, instance, &holder).await?;
    }
    if entry.is_some() {
        let deleted = app.pm2.delete(&process(app, instance)).await;
        deleted.map_err(|error| failed(&error))?;
    }
    for left in instances::started_from(&app.layout, instance) {
        was_taken = true;
        let (signal, grace) = manners(app, instance, last.as_ref().map(|last| &last.release));
        end_one(left, signal, grace).await?;
    }
    Ok(was_taken)
}

/// Ends a holder as its own release wants it.
async fn end(app: &App, instance: &Instance, holder: &Holder) -> Result<(), Problem> {
    let (signal, grace) = manners(app, instance, Some(&holder.release));
    end_one(instances::process_of(holder), signal, grace).await
}

fn manners(app: &App, instance: &Instance, release: Option<&ReleaseId>) -> (Signal, Duration) {
    let manifest = manifest_of(app, release);
    let config = manifest.as_ref().map_or(&app.config, |manifest| &manifest.config);
    config
        .worker(&instance.worker)
        .map_or((Signal::SIGTERM, app.config.process.stop_timeout.0), |worker| {
            (work::signal_of(worker.stop_signal), worker.stop_timeout.0)
        })
}

async fn end_one(process: Process, signal: Signal, grace: Duration) -> Result<(), Problem> {
    let refused = |why: &str| Problem::new(format!("process {} cannot be ended: {why}", process.pid));
    let ended = process::end_by(process, signal, grace).await;
    ended.map_err(|error| refused(error.desc()))?;
    match process.alive() {
        true => Err(refused("it survived SIGKILL")),
        false => Ok(()),
    }
}

fn is_as(entry: &Proc, spec: &Spec) -> bool {
    (&entry.script, &entry.args, &entry.cwd, entry.kill_timeout)
        == (&spec.script, &spec.args, &spec.folder, spec.kill_timeout)
}

/// What PM2 is told once: which release is run, the instance's link says.
fn spec(app: &App, instance: &Instance, worker: &Worker) -> Spec {
    Spec {
        name: process(app, instance),
        script: app.layout.launcher(),
        args: vec![
            "work".into(),
            "--root".into(),
            app.layout.root().display().to_string(),
            "--instance".into(),
            instance.to_string(),
        ],
        folder: app.layout.root().to_owned(),
        env: BTreeMap::new(),
        log: app.layout.worker_log(&instance.worker),
        kill_timeout: worker.stop_timeout.0 + slot::PM2_MARGIN,
        min_uptime: MIN_UPTIME,
    }
}
