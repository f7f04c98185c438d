//! After a deploy: what nobody needs any more is deleted.

use std::collections::BTreeSet;
use std::error::Error;

use engine::ledger;
use engine::run::Run;
use model::color::Color;
use model::event::{Event, Note, Sink};
use model::failure::Failure;
use model::release::ReleaseId;
use release::{assets, prune, written};
use state::{instances, releases};

use super::{data, source};

/// Deletes releases beyond the last `keep.releases` that served, never one that a color, a worker, a rollback or
/// PM2's dump needs, or that somebody's data lies in.
///
/// # Errors
/// When something cannot be deleted.
pub async fn prune(run: &Run<'_>) -> Result<(), Failure> {
    let app = run.app;
    let mut needed: BTreeSet<ReleaseId> = Color::BOTH
        .iter()
        .filter_map(|color| releases::slot(&app.layout, *color))
        .collect();
    // Of what cannot be read nobody knows what it needs.
    let kept =
        |error: Box<dyn Error + Send + Sync>| Failure::failed("old releases were not deleted").because(error);
    for id in releases::ids(&app.layout).map_err(|error| kept(error.into()))? {
        if let Ok(target) = run.state.rollback_target(&id)
            && needed.contains(&id)
        {
            needed.insert(target.clone());
        }
    }
    needed.extend(instances::releases(&app.layout));
    let dump = app.pm2.dump().map_err(|error| kept(error.into()))?;
    let dump: Vec<_> = dump.into_iter().map(|saved| saved.cwd).collect();
    // What is live by now is in a slot, whatever the journal said when this run began.
    let has_served = |id: &ReleaseId| run.state.has_served(id);
    // No visitor has left anything in what was refused and never served.
    let is_refused = |id: &ReleaseId| run.state.is_unfit(id) && !has_served(id);
    let holds_data = |id: &ReleaseId| match is_refused(id) {
        true => !written::mounts_in(&app.layout.release(id)).is_empty(),
        false => data::held_by(app, id).is_some(),
    };
    let needs = prune::Needs {
        releases: &needed,
        paths: &dump,
        has_served: &has_served,
        holds_data: &holds_data,
    };
    let pruned =
        prune::prune(&app.layout, app.config.keep.releases, &needs).map_err(|error| kept(error.into()))?;
    for id in &pruned.holding {
        if let Some(data) = data::held_by(app, id) {
            run.sink.emit(Event::Noted(Note::ReleaseHoldsData {
                release: id.clone(),
                data,
            }));
        }
    }
    ledger::forget(app).map_err(|error| kept(error.into()))?;
    source::forget(app).await?;
    assets::prune(&app.layout, &app.config.nginx.static_files)
        .map_err(|error| Failure::failed("files of old releases were not deleted").because(error))?;
    if !pruned.releases.is_empty() {
        run.sink.emit(Event::Pruned {
            releases: pruned.releases.iter().map(ToString::to_string).collect(),
            environments: pruned.venvs.len(),
        });
    }
    Ok(())
}
