//! What comes after the proof: the record, and then all that is left, each whatever became of the
//! others.

use crate::engine::app::{App, read_config};
use crate::model::config::Config;
use crate::model::failure::{Failure, Traffic};
use crate::model::journal::Verb;
use crate::sys::store;

use super::deployed::Deployed;
use super::{cool, prune};
use crate::engine::cutover::{self, Switched};
use crate::engine::run::Run;
use crate::engine::slot::IdleSlot;

/// Records the switch, and does what is left: the old color is kept or stopped, and of a deploy
/// its configuration is kept and what nobody needs any more is deleted.
///
/// # Errors
/// Exit 6, the first that failed with the others below it.
pub async fn finish(run: &Run<'_>, switched: Switched) -> Result<Deployed, Failure> {
    let app = run.app;
    let live = switched.live.clone();
    let moved = |failure: Failure| failure.with_traffic(Traffic::Moved { live: live.clone() });
    let release = live.release.as_ref();
    let summary = release.map_or(String::new(), |release| cutover::summary(run, &switched, release));
    run.commit(live.clone(), run.from.maintenance, summary)
        .map_err(moved)?;
    // Proven: visitors are on the other one.
    let replaced = IdleSlot::of(switched.replaced.color);
    let is_new = run.verb == Verb::Deploy;
    let mut ends = vec![switched.workers, switched.saved];
    if is_new {
        ends.push(keep_what_was_applied(app));
    }
    ends.push(cool::down(app, &replaced, &run.sink).await);
    if is_new {
        ends.push(prune::prune(run).await);
    }
    let failures = ends.into_iter().filter_map(Result::err);
    match failures.reduce(Failure::and) {
        Some(failure) => Err(moved(failure)),
        None => Ok(Deployed::of(run, switched.live, switched.replaced, true)),
    }
}

/// The configuration that this release was made with is the one that is applied now.
fn keep_what_was_applied(app: &App) -> Result<(), Failure> {
    let text = toml::to_string(&app.config).unwrap_or_default();
    let path = app.layout.config();
    if read_config(&path).is_ok_and(|applied| applied == app.config) {
        return Ok(());
    }
    store::write_whole(&path, text.as_bytes(), Config::MODE)
        .map_err(|error| Failure::failed("the configuration was not kept").because(error))
}
