//! The commit that is to be released: from the repository, or from what a client has brought.

use std::collections::BTreeSet;

use engine::app::App;
use engine::{slot, traffic};
use model::color::Color;
use model::config::difference::difference;
use model::failure::{Failure, Kind};
use release::bundle::Uploaded;
use release::checkout::{self, CheckoutError};
use release::git::{Commit, Git};
use release::linked_paths::{self, SharedError};
use release::uploads;
use state::{envfile, releases};
use sys::lock::user_name;

use super::assets;
use crate::text;

/// What a deploy is asked to release.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A branch, tag or commit; the configured branch without it.
    pub reference: Option<String>,
    /// What a client has brought.
    pub uploaded: Option<Uploaded>,
    /// Also where it is live already, as it would be released now.
    pub again: bool,
}

impl Wanted {
    /// What was asked for, in a word.
    #[must_use]
    pub fn reference<'a>(&'a self, app: &'a App) -> &'a str {
        match (&self.uploaded, &self.reference) {
            (Some(uploaded), _) => &uploaded.commit,
            (None, Some(reference)) => reference,
            (None, None) => &app.config.source.branch,
        }
    }
}

/// The commit, which is in the mirror then.
///
/// # Errors
/// When it is not to be had; traffic is unchanged.
pub async fn commit(app: &App, wanted: &Wanted) -> Result<Commit, Failure> {
    let found = match &wanted.uploaded {
        Some(uploaded) => take(app, uploaded).await,
        None => fetch(app, wanted).await,
    };
    found.map_err(|failure| failure.with_traffic(traffic::unchanged(app)))
}

async fn take(app: &App, uploaded: &Uploaded) -> Result<Commit, Failure> {
    let git = Git::new(app.layout.mirror());
    let bundle = uploads::bundle(&app.layout, &uploaded.commit);
    git.take(&bundle, &uploaded.commit)
        .await
        .map_err(|error| Failure::failed("the upload cannot be used").because(error))?;
    let commit = git.resolve(&uploaded.commit).await.map_err(|error| {
        Failure::failed(format!("`{}` cannot be deployed", uploaded.commit)).because(error)
    })?;
    Ok(Commit {
        subject: uploaded.subject.clone(),
        ..commit
    })
}

async fn fetch(app: &App, wanted: &Wanted) -> Result<Commit, Failure> {
    let (source, git) = (&app.config.source, Git::new(app.layout.mirror()));
    match &source.git {
        Some(url) => {
            let fetched = git.fetch(url, app.config.timeouts.fetch.0).await;
            fetched.map_err(|error| {
                let failure = Failure::failed("the repository was not fetched").because(error);
                failure.hint(unreachable())
            })?;
        }
        // A commit that was brought earlier is there all the same.
        None if wanted.reference.is_some() && app.layout.mirror().exists() => {}
        None => {
            return Err(Failure::new(
                Kind::Config,
                "`source.git` is not set, so there is nothing to fetch",
            )
            .hint("`bg deploy --from PATH` deploys a folder or a tarball; or name a repository in bg.toml"));
        }
    }
    let reference = wanted.reference(app);
    git.resolve(reference)
        .await
        .map_err(|error| Failure::failed(format!("`{reference}` cannot be deployed")).because(error))
}

/// Fails where a deploy of the commit `sha`, which is in the mirror, would: the app's folder is not
/// in it, it lacks what lies apart from the repository, or a shared file is nowhere.
///
/// # Errors
/// As the deploy's.
pub async fn can_be_made(app: &App, sha: &str) -> Result<(), Failure> {
    let (git, source) = (Git::new(app.layout.mirror()), &app.config.source);
    let fit = checkout::can_be_exported(&git, sha, source).await;
    fit.map_err(|error| not_made(app, error))?;
    let shared = &app.config.shared;
    let held = git.holds(sha, shared).await.map_err(|error| {
        Failure::failed("the commit cannot be read")
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })?;
    let missing = linked_paths::missing(shared, &app.layout.shared(), &held);
    missing.map_err(|error| not_linked(app, error))?;
    assets::are_committed(app, &git, sha).await
}

/// Shared files without which there is no release.
pub(super) fn not_linked(app: &App, error: SharedError) -> Failure {
    Failure::failed("the shared files were not linked")
        .because(error)
        .with_traffic(traffic::unchanged(app))
}

/// A commit whose files cannot become a release.
pub(super) fn not_made(app: &App, error: CheckoutError) -> Failure {
    let hint = match &error {
        CheckoutError::Pointers(lacking) if lacking.has_filter => Some(
            "`git lfs install` as the app's owner sets git-lfs up in its place, once it is installed"
                .to_owned(),
        ),
        CheckoutError::Pointers(_) => {
            Some("`apt install git-lfs` on the host; a deploy has it fetch them then".to_owned())
        }
        CheckoutError::NotFiltered { .. } => {
            Some("were they pushed? `git lfs push --all REMOTE`, where they are, sends them".to_owned())
        }
        CheckoutError::NotFetched { .. } => Some(format!(
            "`{}` must be able to read it, with the keys that read `source.git`",
            user_name()
        )),
        _ => None,
    };
    let failure = Failure::failed("the release was not made")
        .because(error)
        .with_traffic(traffic::unchanged(app));
    hint.into_iter().fold(failure, Failure::hint)
}

/// Fails where another release of `commit` would be what `live` is already: nothing would come of
/// it but that the slot of the way back is taken.
///
/// # Errors
/// That it is live.
pub fn is_new(app: &App, live: Color, commit: &Commit, wanted: &Wanted) -> Result<(), Failure> {
    match wanted.again || !is_live(app, live, commit) {
        true => Ok(()),
        false => Err(already_live(&commit.sha).with_traffic(traffic::unchanged(app))),
    }
}

/// Whether `live` has a release of `commit` with the configuration and the environment of now.
#[must_use]
pub fn is_live(app: &App, live: Color, commit: &Commit) -> bool {
    let held = releases::slot(&app.layout, live);
    let held = held.and_then(|release| slot::read_manifest(app, &release).ok());
    let env_file = envfile::copy_of(&app.layout, app.config.env.file.as_deref());
    held.is_some_and(|held| {
        held.adopted.is_none()
            && held.commit == commit.sha
            && difference(&held.config, &app.config).is_empty()
            && env_file.is_ok_and(|file| file == held.env_file)
    })
}

/// What is said of a commit that is live as it is.
#[must_use]
pub fn already_live(sha: &str) -> Failure {
    let short = text::short(sha);
    Failure::failed(format!(
        "{short} is live already, with the same configuration and environment"
    ))
    .hint("`bg deploy --again` releases it once more; a rollback then goes to the same release")
}

/// What to look at when a repository is not reached.
fn unreachable() -> String {
    format!(
        "`source.git` in bg.toml names it, and `{}` must be able to read it",
        user_name()
    )
}

/// Lets go of what was brought for releases that are deleted.
///
/// # Errors
/// When git refuses.
pub async fn forget(app: &App) -> Result<(), Failure> {
    let failed = |error| Failure::failed("the uploads of old releases were not deleted").because(error);
    let kept = releases::list(&app.layout)
        .map_err(|error| Failure::failed("the releases cannot be read").because(error))?;
    let needed: BTreeSet<String> = kept.manifests.into_iter().map(|release| release.commit).collect();
    Git::new(app.layout.mirror())
        .forget_uploaded(&needed)
        .await
        .map_err(failed)
}
