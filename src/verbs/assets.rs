//! Files named by their content, kept before traffic moves.

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
/// When they cannot be copied; traffic has not moved.
pub async fn keep(run: &Run<'_>, release: Option<&ReleaseId>) -> Result<(), Failure> {
    let app = run.app;
    if let Some(id) = release {
        links(run, id);
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

fn not_kept(error: FileError) -> Failure {
    Failure::failed("the files named by their content were not kept").because(error)
}

fn is_wanted(statics: &[StaticFiles]) -> bool {
    statics.iter().any(|files| !files.hashed.is_no())
}
