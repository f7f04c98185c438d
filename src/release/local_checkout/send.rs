//! Committing all, and pushing it.

use sys::command::{Command, CommandError};

use crate::local_checkout::{LocalCheckout, LocalCheckoutError, SEND};

impl LocalCheckout {
    /// Commits everything that is not ignored; returns the commit's full hash.
    ///
    /// # Errors
    /// Git's own words, as where a hook of theirs refuses.
    pub async fn commit(&self, message: &str) -> Result<String, LocalCheckoutError> {
        self.sending(&["add", "--all"]).await?;
        self.sending(&["commit", "--quiet", "-m", message]).await?;
        self.head().await
    }

    /// Pushes the commit `sha` to `branch` of `remote`.
    ///
    /// # Errors
    /// Whether others have pushed meanwhile, else git's own words.
    pub async fn push(&self, remote: &str, sha: &str, branch: &str) -> Result<(), LocalCheckoutError> {
        let what = format!("{sha}:refs/heads/{branch}");
        match self.sending(&["push", "--quiet", remote, &what]).await {
            Err(LocalCheckoutError::Git(error)) if self.has_diverged(remote, sha, branch).await => {
                drop(error);
                Err(LocalCheckoutError::Diverged {
                    remote: remote.to_owned(),
                    branch: branch.to_owned(),
                })
            }
            pushed => pushed,
        }
    }

    /// Whether the branch over there has what `sha` does not come from.
    async fn has_diverged(&self, remote: &str, sha: &str, branch: &str) -> bool {
        let ask = ["ls-remote", remote, &format!("refs/heads/{branch}")];
        let Ok(answer) = self.reaching_out(&ask).await.run().await else {
            return false;
        };
        let Some(theirs) = answer.stdout.split_whitespace().next() else {
            return false;
        };
        let is_ours = self.git(&["merge-base", "--is-ancestor", theirs, sha]);
        is_ours
            .finish()
            .await
            .is_ok_and(|output| !output.status.success())
    }

    async fn sending(&self, words: &[&str]) -> Result<(), LocalCheckoutError> {
        let command = self.reaching_out(words).await;
        let sent: Result<_, CommandError> = command.run().await;
        sent.map(drop).map_err(LocalCheckoutError::from)
    }

    /// At a terminal it may ask for a passphrase there; elsewhere ssh must not wait for one.
    async fn reaching_out(&self, words: &[&str]) -> Command {
        let command = self.git(words).deadline(SEND);
        if self.terminal {
            return command.at_the_terminal();
        }
        let named = ["GIT_SSH_COMMAND", "GIT_SSH"];
        let is_set = named.iter().any(|name| std::env::var_os(name).is_some())
            || self
                .maybe(&["config", "--get", "core.sshCommand"])
                .await
                .is_some();
        if is_set {
            return command;
        }
        command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    }
}
