//! Moves the route of an app: the link and, in the reload way, NGINX behind it. By itself
//! where this user may; else through the program that root has put there for it.

mod asked;
mod error;
mod told;

use model::color::Route;
use model::config::SwitchWay;
use model::layout::Entry;
use sys::link::Link;
use sys::system::SystemFolders;

use crate::Tested;
pub use asked::Asked;
pub use error::{AskError, MoveError, Unfollowed};
pub use told::Told;

/// What moves the route of one app.
#[derive(Clone, Debug)]
pub struct Mover {
    link: Link,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    /// NGINX looks through the link at each request.
    Looks,
    /// NGINX reads the link when it is told to.
    Told(Told),
    /// Only root may do either.
    Asked(Asked),
}

impl Mover {
    /// For the app of `entry`: asks for help where the link is not this user's to move.
    #[must_use]
    pub fn of(entry: &Entry) -> Mover {
        let way = match entry.switch {
            SwitchWay::Reload if may_write(entry) => Way::Told(Told::of(entry)),
            SwitchWay::Reload => Way::Asked(Asked::new(&SystemFolders::of_this_user().swap, entry)),
            SwitchWay::Live | SwitchWay::Auto => Way::Looks,
        };
        Mover {
            link: Link::new(&entry.link_folder),
            way,
        }
    }

    /// Whether root's program is asked to move traffic.
    #[must_use]
    pub fn asks(&self) -> Option<&Asked> {
        match &self.way {
            Way::Asked(asked) => Some(asked),
            Way::Looks | Way::Told(_) => None,
        }
    }

    /// Replaces `expected` by `to`, and brings NGINX behind it, which is `tested` first if it
    /// was not just before; `moved` is told when the link is about to name the new route, or
    /// does.
    ///
    /// # Errors
    /// [`MoveError::Behind`] once the link was moved; with every other it stands as it was.
    pub async fn swap(
        &self,
        expected: Route,
        to: Route,
        tested: Option<Tested>,
        moved: impl FnOnce(),
    ) -> Result<(), MoveError> {
        match &self.way {
            Way::Looks => self.rename(expected, to, moved),
            Way::Told(told) => {
                self.rename(expected, to, moved)?;
                Ok(told.reload(tested).await?)
            }
            Way::Asked(asked) => {
                self.link.may_swap(expected, to)?;
                moved();
                let done = asked.point(to).await;
                done.map_err(|error| self.after_asking(to, error))
            }
        }
    }

    fn rename(&self, expected: Route, to: Route, moved: impl FnOnce()) -> Result<(), MoveError> {
        self.link.swap(expected, to)?;
        moved();
        Ok(())
    }

    fn after_asking(&self, to: Route, error: AskError) -> MoveError {
        match self.link.read() {
            Ok(now) if now == to => MoveError::Behind(Unfollowed::Asked(error)),
            _ => MoveError::Refused(error),
        }
    }

    /// Points the link at `to`, whatever it is now, even nothing.
    ///
    /// # Errors
    /// When it cannot be made, or root's program does not bring NGINX behind it.
    pub async fn point(&self, to: Route) -> Result<(), MoveError> {
        match &self.way {
            Way::Asked(asked) => asked
                .point(to)
                .await
                .map_err(|error| self.after_asking(to, error)),
            Way::Looks | Way::Told(_) => Ok(self.link.replace(to)?),
        }
    }

    /// In the reload way, makes NGINX read the link as it is.
    ///
    /// # Errors
    /// When no new generation of workers comes up.
    pub async fn follow(&self) -> Result<(), Unfollowed> {
        match &self.way {
            Way::Looks => Ok(()),
            Way::Told(told) => told.reload(None).await,
            Way::Asked(asked) => {
                let now = self.link.read().map_err(Unfollowed::Link)?;
                asked.point(now).await.map_err(Unfollowed::Asked)
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
    let asked = faccessat(
        AT_FDCWD,
        &entry.link_folder,
        AccessFlags::W_OK,
        AtFlags::AT_EACCESS,
    );
    // A file system that nobody may write is no matter of rights: root's program could not either.
    matches!(asked, Ok(()) | Err(Errno::EROFS)) || !entry.link_folder.exists()
}
