//! NGINX told to read the link: by whoever may write the link and signal NGINX.

use std::path::PathBuf;
use std::time::Duration;

use model::color::Route;
use model::layout::{Entry, NginxLayout};
use sys::link::{Link, LinkError};
use sys::lock::{Holder, Lock, LockError};

use crate::switcher::error::ReloadFailed;
use crate::{Nginx, NginxError, Tested};

/// How long a reload waits for somebody else's reload.
const PATIENCE: Duration = Duration::from_secs(30);

/// One NGINX that reads a link.
#[derive(Clone, Debug)]
pub struct Reload {
    app: String,
    link: Link,
    nginx: Nginx,
    lock: PathBuf,
    deadline: Duration,
}

/// The route was not applied, and the link is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// Nothing was touched.
    #[error("NGINX's configuration was broken already, so traffic was not moved")]
    Broken(#[source] NginxError),
    /// Nothing was touched.
    #[error("NGINX cannot be told to reload, so traffic was not moved")]
    Unreachable(#[source] NginxError),
    /// Nothing was touched.
    #[error("the caller is gone, so traffic was not moved")]
    CallerGone,
    /// Somebody else's reload did not end.
    #[error(transparent)]
    Busy(ReloadFailed),
    /// The link cannot be replaced.
    #[error("the live link was not replaced")]
    Link(#[source] LinkError),
    /// NGINX went on as before, and so did the link.
    #[error("NGINX did not take the new route, and the link was put back")]
    PutBack(#[source] NginxError),
    /// NGINX went on as before; the link did not.
    #[error("NGINX did not take the new route, and the link was left at it")]
    Left(#[source] NginxError),
}

impl Reload {
    /// The NGINX of an app.
    #[must_use]
    pub fn of(entry: &Entry) -> Reload {
        Reload {
            app: entry.app.clone(),
            link: Link::new(&entry.link_folder),
            nginx: Nginx::from(entry),
            lock: NginxLayout::of(entry).reload_lock(),
            deadline: entry.reload_timeout.0,
        }
    }

    /// Makes NGINX read its configuration, one command of this host at a time; it is tested
    /// first unless it just was.
    ///
    /// # Errors
    /// When no new generation of workers comes up.
    pub async fn reload(&self, tested: Option<Tested>) -> Result<(), ReloadFailed> {
        let _lock = self.lock().await?;
        let applied = self.nginx.reload(tested, self.deadline).await;
        applied.map(|_| ()).map_err(ReloadFailed::Reload)
    }

    async fn lock(&self) -> Result<Lock, ReloadFailed> {
        let holder = Holder::this(&format!("reload for {}", self.app));
        Lock::wait(&self.lock, &holder, PATIENCE, |_| ())
            .await
            .map_err(|error| match error {
                LockError::Held { .. } => ReloadFailed::Busy(error.to_string()),
                LockError::Io { .. } => ReloadFailed::Lock(error),
            })
    }

    /// Puts `to` in force as a whole or not at all: for somebody who may do none of it, and
    /// who may be gone by the time it is their turn. `waits` says whether they are not.
    ///
    /// # Errors
    /// When NGINX does not serve by it.
    pub async fn apply(&self, to: Route, waits: impl Fn() -> bool) -> Result<(), NotApplied> {
        let _lock = self.lock().await.map_err(NotApplied::Busy)?;
        // Before the link is moved: a broken configuration would only be found after it.
        self.nginx.master().map_err(NotApplied::Unreachable)?;
        let tested = self.nginx.tested(self.deadline).await;
        let tested = tested.map_err(NotApplied::Broken)?;
        if !waits() {
            return Err(NotApplied::CallerGone);
        }
        let before = self.link.read();
        if !before.as_ref().is_ok_and(|before| *before == to) {
            self.link.replace(to).map_err(NotApplied::Link)?;
        }
        let Err(error) = self.nginx.reload(Some(tested), self.deadline).await else {
            return Ok(());
        };
        match before {
            // Whoever takes over from somebody who is gone decides by what they find.
            Ok(before) if before != to && waits() && self.link.replace(before).is_ok() => {
                Err(NotApplied::PutBack(error))
            }
            _ => Err(NotApplied::Left(error)),
        }
    }
}
