//! Commits that came without a server: from a bundle that a client has brought.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use sys::store::FileError;

use crate::git::{Git, GitError, hardened};

/// The ref in a bundle; in the mirror each lies below it, by its hash.
pub const UPLOADED: &str = "refs/bg/from";

impl Git {
    /// Takes the commit `sha` out of `bundle`, which is removed then. Nothing is left to do
    /// where the mirror has it. The caller holds the app's lock, as for a fetch.
    ///
    /// # Errors
    /// When it was never brought, or what was brought is something else.
    pub async fn take(&self, bundle: &Path, sha: &str) -> Result<(), GitError> {
        self.create().await?;
        let kept = format!("{UPLOADED}/{sha}");
        if self.hash(&kept).await?.is_none() {
            if !bundle.exists() {
                return Err(GitError::NotBrought { sha: sha.to_owned() });
            }
            let fetch = self
                .command()
                .args(["-c", "transfer.fsckObjects=true"])
                .args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"])
                .arg("--end-of-options")
                .arg(bundle)
                .arg(format!("+{UPLOADED}:{kept}"));
            self.expect(fetch.deadline(super::TAKE_WITHIN)).await?;
        }
        // Git has computed it from the content.
        if self.hash(&kept).await?.as_deref() != Some(sha) {
            self.expect(self.command().args(["update-ref", "-d", &kept]))
                .await?;
            return Err(GitError::Altered { sha: sha.to_owned() });
        }
        fs::remove_file(bundle).ok();
        Ok(())
    }

    /// Lets go of what was brought, but for the commits `needed`.
    ///
    /// # Errors
    /// When the mirror cannot be read or written.
    pub async fn forget_uploaded(&self, needed: &BTreeSet<String>) -> Result<(), GitError> {
        if !self.mirror.exists() {
            return Ok(());
        }
        let listed = self
            .command()
            .args(["for-each-ref", "--format=%(refname)", UPLOADED]);
        for name in self.expect(listed).await?.lines() {
            let sha = name.rsplit('/').next().unwrap_or_default();
            if !needed.contains(sha) {
                self.expect(self.command().args(["update-ref", "-d", name]))
                    .await?;
            }
        }
        Ok(())
    }

    /// The mirror, where there is none, and nothing left in it of a killed git.
    pub(super) async fn create(&self) -> Result<(), GitError> {
        super::fetch::remove_leftovers(&self.mirror).map_err(GitError::Leftover)?;
        let init = hardened().args(["init", "--quiet", "--bare", "--template="]);
        // Before there is anything in it: the source is nobody else's on this host.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.mirror)
            .and_then(|()| fs::set_permissions(&self.mirror, Permissions::from_mode(0o700)))
            .map_err(FileError::at("make", &self.mirror))
            .map_err(GitError::Closed)?;
        self.expect(init.arg(&self.mirror)).await?;
        Ok(())
    }
}
