//! What comes after the proof: the record, and then all that is left, each whatever became of the
//! others.

use engine::app::{App, read_config};
use engine::cutover::{Recorded, Switched};
use engine::run::Run;
use engine::{canary, preview, watch};
use model::color::Route;
use model::config::Config;
use model::failure::{Failure, Traffic};
use model::journal::Verb;
use sys::store;

use super::bake::Laid;
use super::deployed::Deployed;
use super::{prune, standby};

/// Records the switch, and does what is left: the release is watched as it was `laid` out,
/// the old color is kept or stopped, and of a deploy its configuration is kept and what nobody needs
/// any more is deleted.
///
/// # Errors
/// Exit 6, the first that failed with the others below it.
pub async fn finish(run: &Run<'_>, switched: Switched, laid: Laid) -> Result<Deployed, Failure> {
    let app = run.app;
    let Recorded {
        live,
        replaced,
        idle,
        beside,
    } = match switched.record(run) {
        Ok(recorded) => recorded,
        Err(failure) => {
            // Visitors are there all the same.
            laid.begin(run).ok();
            return Err(failure);
        }
    };
    let is_new = run.verb == Verb::Deploy;
    let mut ends = Vec::from(beside);
    if is_new {
        ends.push(keep_what_was_applied(app));
    }
    ends.push(
        preview::settle(app, live.color, &run.sink)
            .map_err(|error| Failure::failed("a preview that is over is still shown").because(error)),
    );
    if run.from.share.is_some() {
        canary::forget(app);
    }
    ends.push(
        watch::end(app, Route::to(live.color.other()))
            .map_err(|error| Failure::failed("requests are still written down").because(error)),
    );
    let watched = laid.begin(run);
    let (watched, unwatched) = match watched {
        Ok(watched) => (watched, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    ends.push(unwatched);
    ends.push(standby::down(app, &idle, &run.sink).await);
    if is_new {
        ends.push(prune::prune(run).await);
    }
    let failures = ends.into_iter().filter_map(Result::err);
    match failures.reduce(Failure::and) {
        Some(failure) => Err(failure.with_traffic(Traffic::Moved { live })),
        None => Ok(Deployed {
            watched,
            ..Deployed::of(run, live, replaced, true)
        }),
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
