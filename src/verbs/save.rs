//! PM2's list, kept for a reboot: one command of this PM2 at a time.

use std::time::Duration;

use crate::host::app::App;
use crate::host::lock::{Holder, Lock, LockError};
use crate::host::pm2::Pm2Error;

/// How long another app's save is waited for; one takes half a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// PM2's list was not kept.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another command does not end.
    #[error("another command uses this PM2")]
    Busy(#[source] LockError),
    /// PM2 did not do it.
    #[error(transparent)]
    Pm2(#[from] Pm2Error),
}

/// Has PM2 keep its list for a reboot.
///
/// # Errors
/// When it is not kept.
pub async fn save(app: &App) -> Result<(), SaveError> {
    let lock = app.entry.pm2_home.join("bluegreen.lock");
    let holder = Holder::this(&format!("save for {}", app.name()));
    let _lock = Lock::wait(&lock, &holder, PATIENCE, |_| ())
        .await
        .map_err(SaveError::Busy)?;
    Ok(app.pm2.save().await?)
}
