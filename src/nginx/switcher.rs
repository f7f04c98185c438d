//! Moves the route of an app: the link and, in the reload way, NGINX behind it. By itself
//! where this user may; else through the program that root has put there for it.

mod error;
mod reload;
mod via_sudo;

use model::color::Route;
use model::config::SwitchStrategy;
use model::layout::Entry;
use sys::link::Link;
use sys::system_paths::SystemFolders;

use crate::Tested;
pub use error::{AskError, ReloadFailed, SwitchError};
pub use reload::Reload;
pub use via_sudo::ReloadViaSudo;

/// What moves the route of one app.
#[derive(Clone, Debug)]
pub struct Switcher {
    link: Link,
    strategy: Strategy,
}

#[derive(Clone, Debug)]
enum Strategy {
    /// NGINX looks through the link at each request.
    Live,
    /// NGINX reads the link when it is told to.
    Reload(Reload),
    /// Only root may do either.
    ReloadViaSudo(ReloadViaSudo),
}

impl Switcher {
    /// For the app of `entry`: asks for help where the link is not this user's to move.
    #[must_use]
    pub fn of(entry: &Entry) -> Switcher {
        let strategy = match entry.switch {
            SwitchStrategy::Reload if may_write(entry) => Strategy::Reload(Reload::of(entry)),
            SwitchStrategy::Reload => {
                Strategy::ReloadViaSudo(ReloadViaSudo::new(&SystemFolders::of_this_user().swap, entry))
            }
            SwitchStrategy::Live | SwitchStrategy::Auto => Strategy::Live,
        };
        Switcher {
            link: Link::new(&entry.link_folder),
            strategy,
        }
    }

    /// Whether root's program is asked to move traffic.
    #[must_use]
    pub fn via_sudo(&self) -> Option<&ReloadViaSudo> {
        match &self.strategy {
            Strategy::ReloadViaSudo(via_sudo) => Some(via_sudo),
            Strategy::Live | Strategy::Reload(_) => None,
        }
    }

    /// Replaces `expected` by `to`, and brings NGINX behind it, which is `tested` first if it
    /// was not just before; `moved` is told when the link is about to name the new route, or
    /// does.
    ///
    /// # Errors
    /// [`SwitchError::ReloadFailed`] once the link was moved; with every other it stands as it was.
    pub async fn swap(
        &self,
        expected: Route,
        to: Route,
        tested: Option<Tested>,
        moved: impl FnOnce(),
    ) -> Result<(), SwitchError> {
        match &self.strategy {
            Strategy::Live => self.rename(expected, to, moved),
            Strategy::Reload(reload) => {
                self.rename(expected, to, moved)?;
                Ok(reload.reload(tested).await?)
            }
            Strategy::ReloadViaSudo(via_sudo) => {
                self.link.may_swap(expected, to)?;
                moved();
                let done = via_sudo.point(to).await;
                done.map_err(|error| self.after_asking(to, error))
            }
        }
    }

    fn rename(&self, expected: Route, to: Route, moved: impl FnOnce()) -> Result<(), SwitchError> {
        self.link.swap(expected, to)?;
        moved();
        Ok(())
    }

    fn after_asking(&self, to: Route, error: AskError) -> SwitchError {
        match self.link.read() {
            Ok(now) if now == to => SwitchError::ReloadFailed(ReloadFailed::ReloadViaSudo(error)),
            _ => SwitchError::Refused(error),
        }
    }

    /// Points the link at `to`, whatever it is now, even nothing.
    ///
    /// # Errors
    /// When it cannot be made, or root's program does not bring NGINX behind it.
    pub async fn point(&self, to: Route) -> Result<(), SwitchError> {
        match &self.strategy {
            Strategy::ReloadViaSudo(via_sudo) => via_sudo
                .point(to)
                .await
                .map_err(|error| self.after_asking(to, error)),
            Strategy::Live | Strategy::Reload(_) => Ok(self.link.replace(to)?),
        }
    }

    /// In the reload way, makes NGINX read the link as it is.
    ///
    /// # Errors
    /// When no new generation of workers comes up.
    pub async fn follow(&self) -> Result<(), ReloadFailed> {
        match &self.strategy {
            Strategy::Live => Ok(()),
            Strategy::Reload(reload) => reload.reload(None).await,
            Strategy::ReloadViaSudo(via_sudo) => {
                let now = self.link.read().map_err(ReloadFailed::Link)?;
                via_sudo.point(now).await.map_err(ReloadFailed::ReloadViaSudo)
            }
        }
    }
}

/// Whose folder the link lies in moves it.
fn may_write(entry: &Entry) -> bool {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use nix::unistd::{AccessFlags, faccessat};
    // By the rights that count, not by those of whoever called us.
    let via_sudo = faccessat(
        AT_FDCWD,
        &entry.link_folder,
        AccessFlags::W_OK,
        AtFlags::AT_EACCESS,
    );
    // A file system that nobody may write is no matter of rights: root's program could not either.
    matches!(via_sudo, Ok(()) | Err(Errno::EROFS)) || !entry.link_folder.exists()
}
