//! PM2's list, kept for a reboot: one command of this PM2 at a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keeper::pm2::Pm2Error;
use model::color::Color;
use model::event::{Event, Sink, Step, Warning, millis};
use model::failure::Failure;
use sys::lock::{Holder, Lock, LockError};
use sys::store;

use crate::app::App;
use crate::run::Run;

/// How long another app's save is waited for; one takes half a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// PM2's list was not kept.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another command does not end.
    #[error("another command uses this PM2")]
    Busy(#[source] LockError),
    /// The lock cannot be taken at all.
    #[error(transparent)]
    Closed(LockError),
    /// PM2 did not do it.
    #[error(transparent)]
    Pm2(#[from] Pm2Error),
}

/// Has PM2 keep its list for a reboot.
///
/// # Errors
/// When it is not kept.
pub async fn save(app: &App) -> Result<(), SaveError> {
    // Nothing needs to be written then, and nobody kept from writing.
    if app.pm2.is_saved().await {
        return Ok(());
    }
    let lock = lock_of(app);
    let holder = Holder::this(&format!("save for {}", app.name()));
    let _lock = Lock::wait(&lock, &holder, PATIENCE, |_| ())
        .await
        .map_err(|error| match error {
            LockError::Held { .. } => SaveError::Busy(error),
            LockError::Io { .. } => SaveError::Closed(error),
        })?;
    Ok(app.pm2.save().await?)
}

/// The same where nothing depends on it: what stands in the way is told.
pub async fn or_warn(app: &App, sink: &dyn Sink) {
    if let Err(error) = save(app).await {
        sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::SaveProcessList,
            problem: error.to_string(),
        }));
    }
}

/// Held by whoever has this PM2 write its list.
#[must_use]
pub fn lock_of(app: &App) -> PathBuf {
    app.entry.pm2_home.join("bluegreen.lock")
}

/// Every file that a command of this app locks.
#[must_use]
pub fn locks(app: &App) -> Vec<PathBuf> {
    let instances = app.layout.instances();
    let of_instances = store::names(&instances).unwrap_or_default();
    let of_instances = of_instances.iter().filter(|name| name.ends_with(".lock"));
    let mut all = vec![app.layout.lock(), app.nginx_files.reload_lock(), lock_of(app)];
    all.extend(Color::BOTH.map(|color| app.layout.inhibitor(color)));
    all.extend(of_instances.map(|name| instances.join(name)));
    all
}

/// The same within a run; returns what there is to tell of it.
///
/// # Errors
/// As [`save`].
pub async fn for_a_reboot(run: &Run<'_>) -> Result<Event, Failure> {
    let began = Instant::now();
    save(run.app).await.map_err(|error| {
        let command = format!("`PM2_HOME={} pm2 save`", run.app.entry.pm2_home.display());
        let hint = match error {
            SaveError::Closed(_) | SaveError::Pm2(Pm2Error::Closed { .. }) => {
                format!("{command}, once `{}` may write there", run.app.entry.owner)
            }
            _ => command,
        };
        Failure::failed("the process list was not saved: a reboot would bring back the old one")
            .because(error)
            .hint(hint)
    })?;
    Ok(Event::Saved {
        took_ms: millis(began.elapsed()),
    })
}
