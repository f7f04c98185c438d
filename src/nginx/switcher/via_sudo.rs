//! Root's own program, asked through sudo: it takes an app and a route and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::color::Route;
use model::layout::Entry;
use nix::unistd::{Uid, User};
use sys::command::Command;

use crate::switcher::error::AskError;

/// What the program may take besides the reload: it tests the configuration first and waits
/// for another reload to end.
const MORE: Duration = Duration::from_secs(60);

/// The program, for one app.
#[derive(Clone, Debug)]
pub struct ReloadViaSudo {
    swap: PathBuf,
    app: String,
    deadline: Duration,
}

impl ReloadViaSudo {
    /// The program at `swap`, for the app of `entry`.
    #[must_use]
    pub fn new(swap: &Path, entry: &Entry) -> ReloadViaSudo {
        ReloadViaSudo {
            swap: swap.to_owned(),
            app: entry.app.clone(),
            deadline: entry.reload_timeout.0 * 2 + MORE,
        }
    }

    /// The command line that points the link at `to`. A password is never asked for.
    #[must_use]
    pub fn command(&self, to: Route) -> Command {
        self.sudo(["-n", "--"]).args([self.app.as_str(), &to.folder()])
    }

    fn sudo<const N: usize>(&self, options: [&str; N]) -> Command {
        Command::new("sudo").args(options).arg(&self.swap)
    }

    /// Has the link point at `to`, and NGINX behind it.
    ///
    /// # Errors
    /// What it said when it did not.
    pub async fn point(&self, to: Route) -> Result<(), AskError> {
        let command = self.command(to).watching_us().deadline(self.deadline);
        let output = command.finish().await?;
        if output.status.success() {
            return Ok(());
        }
        Err(AskError::Failed {
            line: command.to_string(),
            said: output.stderr.trim_end().to_owned(),
        })
    }

    /// Asks sudo whether `owner`, who this is unless it is root, would be allowed to, for
    /// every route.
    ///
    /// # Errors
    /// The first line that is not.
    pub async fn is_allowed(&self, owner: &User) -> Result<(), AskError> {
        for to in Route::ALL {
            let sudo = match Uid::effective() == owner.uid {
                true => self.sudo(["-n", "-l", "--"]),
                false => self.sudo(["-n", "-l", "-U", &owner.name, "--"]),
            };
            let command = sudo.args([self.app.as_str(), &to.folder()]);
            let output = command.finish().await?;
            if !output.status.success() {
                return Err(AskError::Failed {
                    line: self.command(to).to_string(),
                    said: output.stderr.trim_end().to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::switcher::via_sudo::*;

    #[test]
    fn it_is_asked_with_four_words_and_no_shell() {
        let asked = ReloadViaSudo {
            swap: "/usr/local/libexec/bluegreen-swap".into(),
            app: "shop".into(),
            deadline: Duration::from_secs(1),
        };
        let lines = Route::ALL.map(|route| asked.command(route).to_string());
        assert_eq!(
            lines,
            [
                "sudo -n -- /usr/local/libexec/bluegreen-swap shop blue",
                "sudo -n -- /usr/local/libexec/bluegreen-swap shop green",
                "sudo -n -- /usr/local/libexec/bluegreen-swap shop maintenance-blue",
                "sudo -n -- /usr/local/libexec/bluegreen-swap shop maintenance-green",
            ]
        );
    }
}
