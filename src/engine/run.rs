//! The frame around every command that changes something: the lock, the journal, recovery
//! of what a killed run left, and the record of how it ended.

mod log;
mod record;
mod stop;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::attempt::Phase;
use model::color::{Color, Route, Share};
use model::event::{Event, Note, Sink, Step, Warning};
use model::failure::{Deployment, Failure, Kind, Traffic};
use model::journal::{JournalState, OpenRun, Record, RunId, Verb};
use model::release::ReleaseId;
use state::journal::{Journal, JournalError};
use state::releases;
use sys::lock::{self, Holder, Lock, LockError, user_name};
use sys::process;

use crate::app::App;
use crate::caller::Caller;
use crate::slot::IdleSlot;
use crate::traffic;
pub use log::RunLog;
use record::SoFar;
use stop::Stop;

/// How long children of an interrupted run may take to end.
const CHILD_GRACE: Duration = Duration::from_secs(5);

/// How long the process that watches a release is waited for at least.
const BRIEFLY: Duration = Duration::from_secs(10);

/// How long what a dead command has just forked is waited for.
const A_MOMENT: Duration = Duration::from_secs(1);

/// A command that holds the lock and has told the journal.
pub struct Run<'a> {
    /// The app.
    pub app: &'a App,
    /// What it is called.
    pub id: RunId,
    /// What it does.
    pub verb: Verb,
    /// The route that it found.
    pub from: Route,
    /// The journal as it was when the run began.
    pub state: JournalState,
    /// Who asked for it.
    pub caller: &'a Caller<'a>,
    /// Where it tells what happens.
    pub sink: RunLog<'a>,
    journal: Mutex<Journal>,
    stop: tokio::sync::Mutex<Stop>,
    doubt: AtomicBool,
    given_back: AtomicBool,
    so_far: Mutex<SoFar>,
    _lock: Lock,
}

impl<'a> Run<'a> {
    /// One that begins on `from`, with the lock and the journal that [`open`] gave.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn opened(
        app: &'a App,
        (id, verb, from): (RunId, Verb, Route),
        (lock, mut journal): (Lock, Journal),
        caller: &'a Caller<'a>,
    ) -> Result<Run<'a>, Failure> {
        let state = journal.state().clone();
        let stop = Stop::listen();
        journal.reserve();
        journal
            .note(Record::Begin {
                run: id.clone(),
                at: Timestamp::now(),
                verb,
                by: user_name(),
                from,
                was: traffic::deployment(app, from.color).release,
                fleet: caller.fleet.is_some(),
                request_id: caller.request_id.clone(),
            })
            .map_err(|error| journal_failure(app, error))?;
        let sink = RunLog::new(app, &id, caller);
        sink.emit(Event::Opened { run: id.to_string() });
        Ok(Run {
            app,
            id,
            verb,
            from,
            state,
            caller,
            sink,
            journal: Mutex::new(journal),
            stop: tokio::sync::Mutex::new(stop),
            doubt: AtomicBool::new(false),
            given_back: AtomicBool::new(false),
            so_far: Mutex::default(),
            _lock: lock,
        })
    }

    /// Looks again before a slot is touched: a build takes minutes, and the lock does not
    /// keep a hand from the link.
    ///
    /// # Errors
    /// When traffic is not where this run found it, or nobody can say.
    pub async fn idle_slot(&self) -> Result<IdleSlot, Failure> {
        IdleSlot::beside(self.app, self.from).await
    }

    /// Notes that what `idle` holds gives way to `release`.
    ///
    /// # Errors
    /// When the journal cannot be written: the slot must not be touched then.
    pub fn replaces(&self, idle: &IdleSlot, release: &ReleaseId) -> Result<(), Failure> {
        let held = releases::slot(&self.app.layout, idle.color());
        let to = self.from.with_color(idle.color());
        self.enter(Phase::Replacing, to, Some(release), held.as_ref())
    }

    /// The end of a run that finds its color serving visitors: that is left as it is.
    #[must_use]
    pub(crate) fn leave(&self, failure: Failure, moved: Failure) -> Failure {
        self.sink.emit(Event::Warned(Warning::LeftServing {
            color: self.idle(),
            problem: moved.what.clone(),
        }));
        // Where nobody can say, the journal stays open: the next command looks again.
        if !matches!(moved.traffic, Traffic::Unknown { .. }) {
            self.abort(&failure.what, None);
        }
        failure.with_traffic(moved.traffic)
    }

    /// The end of a run that could not give its slot back what that held, on a full disk say:
    /// the journal stays open, and the next command tries once more.
    #[must_use]
    pub(crate) fn owe(&self, failure: Failure) -> Failure {
        failure
            .hint(format!(
                "`bg repair`, as the next command would, restores what {} held once the problem above is fixed",
                self.idle()
            ))
            .or_traffic(Traffic::Unchanged { live: self.live() })
    }

    /// What is live.
    #[must_use]
    pub fn live(&self) -> Deployment {
        traffic::deployment(self.app, self.from.color)
    }

    /// The color that traffic is not on.
    #[must_use]
    pub fn idle(&self) -> Color {
        self.from.color.other()
    }

    /// How far it has come, by its own records; `None` once its end is among them.
    #[must_use]
    pub fn open(&self) -> Option<OpenRun> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.state().open.clone()
    }

    /// Notes that traffic is about to move to `to`, and what runs there.
    ///
    /// # Errors
    /// When the journal cannot be written: it must not move then.
    pub(crate) fn swaps(&self, to: Route, release: Option<&ReleaseId>) -> Result<(), Failure> {
        self.enter(Phase::Swapping, to, release, None)
    }

    /// Notes that NGINX was seen to answer from there.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn has_proven(&self) -> Result<(), Failure> {
        self.goes_on(Phase::Proven)
    }

    /// Notes that traffic is about to be put back.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn puts_back(&self) -> Result<(), Failure> {
        self.goes_on(Phase::PuttingBack)
    }

    fn goes_on(&self, phase: Phase) -> Result<(), Failure> {
        match self.open() {
            Some(OpenRun { attempt, .. }) => self.enter(phase, attempt.to(), attempt.release(), None),
            None => Ok(()),
        }
    }

    fn enter(
        &self,
        phase: Phase,
        to: Route,
        release: Option<&ReleaseId>,
        replaces: Option<&ReleaseId>,
    ) -> Result<(), Failure> {
        self.write(Record::Enter {
            run: self.id.clone(),
            at: Timestamp::now(),
            phase,
            to,
            release: release.cloned(),
            replaces: replaces.cloned(),
        })
    }

    /// Notes that the run reached its end and `live` is live.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn commit(&self, live: Deployment, maintenance: bool, summary: String) -> Result<(), Failure> {
        let share = self.from.share.filter(|_| live.color == self.from.color);
        self.commit_share(live, maintenance, share, summary)
    }

    /// The same at a step of a canary.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn commit_share(
        &self,
        live: Deployment,
        maintenance: bool,
        share: Option<Share>,
        summary: String,
    ) -> Result<(), Failure> {
        let was = self.live().release;
        self.write(Record::Commit {
            run: self.id.clone(),
            at: Timestamp::now(),
            verb: self.verb,
            live,
            maintenance,
            share,
            was,
            summary: self.with_notes(summary),
            doubt: self.is_in_doubt(),
        })
    }

    /// Notes that the run ended without; a journal that cannot be written is no reason to
    /// hide the failure itself, and the next run sees that this one never committed.
    pub fn abort(&self, reason: &str, refused: Option<&ReleaseId>) {
        self.end_without(reason, refused, false);
    }

    /// Notes that there was nothing to do.
    pub fn was_needless(&self) {
        self.end_without("nothing to do", None, true);
    }

    fn end_without(&self, reason: &str, refused: Option<&ReleaseId>, needless: bool) {
        let record = Record::Abort {
            run: self.id.clone(),
            at: Timestamp::now(),
            verb: self.verb,
            reason: self.with_notes(reason.to_owned()),
            refused: refused.cloned(),
            needless,
        };
        if let Err(error) = self.write(record) {
            self.sink.emit(Event::Warned(Warning::StepFailed {
                step: Step::RecordEnd,
                problem: error.what,
            }));
        }
    }

    /// Tells somebody who asked to stop when that could not be done any more.
    pub async fn note_a_late_stop(&self) {
        let mut stop = self.stop.lock().await;
        let mut signalled = false;
        // All of them: one that is left would stop what comes after.
        while tokio::time::timeout(Duration::ZERO, stop.asked()).await.is_ok() {
            signalled = true;
        }
        if signalled || self.caller.control.stop_was_asked() {
            self.sink.emit(Event::Noted(Note::StopTooLate));
        }
    }

    /// Remembers that what it had touched was given back, as far as that could be done.
    pub(crate) fn gave_back(&self) {
        self.given_back.store(true, Ordering::Relaxed);
    }

    /// Whether it was: the journal need not know.
    pub(crate) fn is_given_back(&self) -> bool {
        self.given_back.load(Ordering::Relaxed)
    }

    /// Notes that it will never be heard here how the other hosts did.
    pub fn doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
    }

    /// Whether it will not.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.load(Ordering::Relaxed)
    }

    fn write(&self, record: Record) -> Result<(), Failure> {
        let ends = matches!(record, Record::Commit { .. } | Record::Abort { .. });
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal
            .write(record)
            .map_err(|error| journal_failure(self.app, error))?;
        if ends {
            journal.fold(|release| self.app.layout.release(release).is_dir());
        }
        Ok(())
    }

    /// Does `work`, which must be safe to drop at any point, unless a signal asks to stop.
    ///
    /// # Errors
    /// Exit 130 after a signal, once the programs that `work` had started are gone.
    pub async fn until_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut stop = self.stop.lock().await;
        let signal = tokio::select! {
            biased;
            signal = stop.asked() => signal.name(),
            lost = self.caller.control.stopped() => lost,
            done = work => return done,
        };
        process::end_marked(&self.id.0, CHILD_GRACE).await;
        Err(interrupted(self.app, signal))
    }

    /// Says which release it works on.
    pub fn works_on(&self, release: &ReleaseId) {
        self.lock_so_far().release = Some(release.clone());
    }

    /// The release it works on, as soon as there is one.
    #[must_use]
    pub fn release(&self) -> Option<ReleaseId> {
        self.lock_so_far().release.clone()
    }

    /// Has `text` stand in the history, however the run ends.
    pub fn note(&self, text: impl Into<String>) {
        self.lock_so_far().notes.push(text.into());
    }

    fn with_notes(&self, summary: String) -> String {
        let so_far = self.lock_so_far();
        let parts = std::iter::once(&summary).chain(&so_far.notes);
        parts.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn lock_so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work`, when nothing more happens to traffic, unless somebody asks to stop from
    /// here on: `None` then, once the programs that `work` had started are gone. A client
    /// that is gone asks for nothing.
    pub async fn until_told_to_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let control = &self.caller.control;
        let mut stop = self.stop.lock().await;
        let client = async {
            match control.stop_was_asked() {
                true => std::future::pending().await,
                false => control.stop_asked().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.asked_by_somebody() => {}
            () = client => {}
            done = work => return Some(done),
        }
        process::end_marked(&self.id.0, CHILD_GRACE).await;
        None
    }
}

pub(super) fn interrupted(app: &App, by: &str) -> Failure {
    Failure::new(
        Kind::Interrupted,
        format!("interrupted by {by} before traffic moved"),
    )
    .with_traffic(traffic::unchanged(app))
}

/// Takes the lock and opens the journal.
pub async fn open(
    app: &App,
    command: &str,
    patience: Duration,
    sink: &dyn Sink,
) -> Result<(Lock, Journal), Failure> {
    let holder = Holder::this(command);
    let path = app.layout.lock();
    let waiting = |holder| sink.emit(Event::Waiting { holder });
    let taken = match Lock::wait(&path, &holder, patience, waiting).await {
        // The process that watches a release has it for a moment, and nobody asked for that.
        Err(LockError::Held { .. }) if is_the_watchers(app, &path) => {
            Lock::wait(&path, &holder, BRIEFLY, |_| ()).await
        }
        Err(LockError::Held { .. }) if lock::is_of_the_dead(&path) => {
            Lock::wait(&path, &holder, A_MOMENT, |_| ()).await
        }
        taken => taken,
    };
    let lock = taken.map_err(|error| lock_failure(app, error))?;
    let journal = Journal::open(&app.layout.journal()).map_err(|error| journal_failure(app, error))?;
    for damage in journal.damage() {
        sink.emit(Event::Warned(Warning::JournalDamaged(damage.clone())));
    }
    Ok((lock, journal))
}

/// It acts while it watches, and puts its verdict on record after that.
fn is_the_watchers(app: &App, path: &Path) -> bool {
    lock::are_of_one(path, &app.layout.watching()) || lock::is_about(path, &Verb::Bake.to_string())
}

fn lock_failure(app: &App, error: LockError) -> Failure {
    let failure = match error {
        LockError::Held {
            holder,
            stranger: None,
        } => Failure::new(Kind::Locked, format!("another run is in progress: {holder}"))
            .hint("`--wait` waits for that run to end; a run that died holds no lock"),
        LockError::Held {
            holder,
            stranger: Some(pid),
        } => Failure::new(
            Kind::Locked,
            format!("the app is locked by {holder}{}", lock::end_it(pid)),
        ),
        other => Failure::failed("the app's lock cannot be taken")
            .because(other)
            .hint(format!(
                "`bg check` tells whether this app's files belong to `{}`",
                user_name()
            )),
    };
    failure.with_traffic(traffic::unchanged(app))
}

/// What a journal that cannot be used means for a command.
#[must_use]
pub fn journal_failure(app: &App, error: JournalError) -> Failure {
    let hint = match &error {
        JournalError::Newer { .. } => {
            "a newer version of this program wrote the journal: install that version"
        }
        JournalError::Io { .. } => {
            "`bg switch COLOR` works without the journal's content, once the journal can be written"
        }
    };
    Failure::failed("the journal cannot be used")
        .because(error)
        .hint(hint)
        .with_traffic(traffic::unchanged(app))
}
