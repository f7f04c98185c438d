//! Files named by their content, kept before traffic moves.

use std::path::PathBuf;

use engine::app::App;
use engine::run::Run;
use engine::traffic;
use model::config::StaticFiles;
use model::config::hooks::Moment;
use model::event::{Event, Sink, Warning};
use model::failure::Failure;
use model::path::plain;
use model::release::ReleaseId;
use nginx::readers::Reader;
use release::assets;
use release::git::Git;
use release::statics::{self, Unserved};
use state::releases;
use sys::store::FileError;

use crate::text::short;

/// What to do about a folder that is served and not there.
const NOT_THERE: &str =
    "commit it, build it in `hooks.after_build`, or correct `folder` in `[[nginx.static]]`";

/// Keeps those of `release`, and those that the live one has made since: an app may write
/// such files when they are first asked for.
///
/// # Errors
/// When they cannot be copied, or NGINX would serve none of a folder; traffic has not moved.
pub async fn keep(run: &Run<'_>, release: Option<&ReleaseId>) -> Result<(), Failure> {
    let app = run.app;
    if let Some(id) = release {
        links(run, id);
        are_served(run, id)?;
    }
    let statics = &app.config.nginx.static_files;
    if !is_wanted(statics) {
        return Ok(());
    }
    if let Some(live) = releases::slot(&app.layout, run.from.color) {
        // What is wrong with its names was told when it was deployed.
        assets::keep(&app.layout, statics, &live)
            .await
            .map_err(not_kept)?;
    }
    let Some(id) = release else {
        return Ok(());
    };
    for path in assets::keep(&app.layout, statics, id).await.map_err(not_kept)? {
        run.sink.emit(Event::Warned(Warning::AssetChanged { path }));
    }
    Ok(())
}

/// Said before traffic moves: visitors would miss them.
fn links(run: &Run<'_>, id: &ReleaseId) {
    statics::settle(&run.app.layout, &run.app.config, id);
    let paths = statics::links(&run.app.layout, &run.app.config, id);
    if !paths.is_empty() {
        run.sink.emit(Event::Warned(Warning::StaticLinks { paths }));
    }
}

/// Pages whose scripts and styles are missing are no release.
fn are_served(run: &Run<'_>, id: &ReleaseId) -> Result<(), Failure> {
    let app = run.app;
    let workers = Reader::of_workers(&app.nginx);
    let unserved = statics::unserved(&app.layout, &app.config, id, workers.as_ref());
    let Some(first) = unserved.first().cloned() else {
        return Ok(());
    };
    let hint = match &first {
        Unserved::Missing { .. } => NOT_THERE.to_owned(),
        Unserved::Closed { path, .. } if path.starts_with(app.layout.shared()) => {
            format!("`chmod -R go+rX {}`", path.display())
        }
        Unserved::Closed { .. } => {
            "the build had another umask: add `chmod -R go+rX FOLDER` as the last of `hooks.after_build`"
                .to_owned()
        }
    };
    let more = unserved.iter().skip(1).take(4).map(ToString::to_string);
    Err(not_served(id.short()).because(first).showing(more).hint(hint))
}

fn not_served(short: &str) -> Failure {
    Failure::failed(format!("NGINX would not serve the static files of {short}"))
}

/// Fails where a folder of `[[nginx.static]]` is neither in the commit `sha` nor shared, and nothing
/// would put it there: no hook, no submodule.
///
/// # Errors
/// As the deploy's; or git fails.
pub async fn are_committed(app: &App, git: &Git, sha: &str) -> Result<(), Failure> {
    let config = &app.config;
    let makes = |moment| !config.hooks.of(moment).is_empty();
    if config.source.submodules || makes(Moment::BeforeBuild) || makes(Moment::AfterBuild) {
        return Ok(());
    }
    let served: Vec<&StaticFiles> = (config.nginx.static_files.iter())
        .filter(|files| config.shares(&files.folder).is_none())
        .collect();
    let folders: Vec<PathBuf> = served.iter().map(|files| files.folder.clone()).collect();
    let held = git
        .holds(sha, &folders)
        .await
        .map_err(|error| Failure::failed("the commit cannot be read").because(error))?;
    let missing = served.iter().find(|files| !held.contains(&plain(&files.folder)));
    missing.map_or(Ok(()), |files| {
        let missing = Unserved::Missing {
            folder: files.folder.clone(),
            url: files.url.clone(),
        };
        let failure = not_served(short(sha)).because(missing);
        Err(failure.hint(NOT_THERE).with_traffic(traffic::unchanged(app)))
    })
}

fn not_kept(error: FileError) -> Failure {
    Failure::failed("the files named by their content were not kept").because(error)
}

fn is_wanted(statics: &[StaticFiles]) -> bool {
    statics.iter().any(|files| !files.hashed.is_no())
}
