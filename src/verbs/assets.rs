//! Files named by their content, kept before traffic moves.

use crate::host::readers::Reader;
use crate::host::statics::Unserved;
use crate::host::store::FileError;
use crate::host::{assets, releases, statics};
use crate::model::config::StaticFiles;
use crate::model::event::{Event, Sink};
use crate::model::failure::Failure;
use crate::model::release::ReleaseId;

use super::run::Run;

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
        run.sink.emit(Event::Warned {
            text: format!(
                "`/{}` had another content in an earlier release: pages of other releases get the earlier one",
                path.display()
            ),
        });
    }
    Ok(())
}

/// Said before traffic moves: visitors would miss them.
fn links(run: &Run<'_>, id: &ReleaseId) {
    statics::settle(&run.app.layout, &run.app.config, id);
    let links = statics::links(&run.app.layout, &run.app.config, id);
    if !links.is_empty() {
        run.sink.emit(Event::Warned {
            text: format!(
                "NGINX follows no links in what it serves, so {} will be missing: a copy in its place, or its path in `shared`",
                statics::in_words(&links)
            ),
        });
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
        Unserved::Missing { .. } => {
            "commit it, build it in `hooks.after_build`, or correct `folder` in `[[nginx.static]]`".to_owned()
        }
        Unserved::Closed { path, .. } if path.starts_with(app.layout.shared()) => {
            format!("`chmod -R go+rX {}`", path.display())
        }
        Unserved::Closed { .. } => {
            "whatever built it had another umask: `chmod -R go+rX FOLDER` as the last of `hooks.after_build`"
                .to_owned()
        }
    };
    let more = unserved.iter().skip(1).take(4).map(ToString::to_string);
    let failure = Failure::failed(format!(
        "NGINX would not serve the static files of {}",
        id.short()
    ));
    Err(failure.because(first).showing(more).hint(hint))
}

fn not_kept(error: FileError) -> Failure {
    Failure::failed("the files named by their content were not kept").because(error)
}

fn is_wanted(statics: &[StaticFiles]) -> bool {
    statics.iter().any(|files| !files.hashed.is_no())
}
