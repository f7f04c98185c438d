//! `bg worker run`: the live release's worker in the foreground, under the same lock.

use std::convert::Infallible;

use keeper::launcher::{self, WorkError};
use model::failure::{Failure, Kind};
use model::instance::Instance;

use crate::app::App;
use crate::{slot, traffic};

/// Becomes the worker `name` of what is live; `ready` is called when nothing stands in the
/// way any more that could be foreseen. One that overlaps runs beside the other.
///
/// # Errors
/// Exit 4 while somebody else does its work, and who.
pub async fn run_by_hand(app: &App, name: &str, ready: impl FnOnce()) -> Failure {
    match become_it(app, name, ready).await {
        Ok(never) => match never {},
        Err(failure) => failure.or_traffic(traffic::unchanged(app)),
    }
}

async fn become_it(app: &App, name: &str, ready: impl FnOnce()) -> Result<Infallible, Failure> {
    let route = traffic::observe(app).await?;
    let Some(release) = traffic::deployment(app, route.color).release else {
        return Err(Failure::failed("nothing was deployed yet").hint("`bg deploy` does that"));
    };
    let manifest = slot::read_manifest(app, &release)?;
    let known: Vec<&str> = manifest
        .config
        .workers
        .iter()
        .map(|worker| worker.name.as_str())
        .collect();
    if !known.contains(&name) {
        let known = match known.is_empty() {
            true => "and no other either".to_owned(),
            false => format!("but `{}`", known.join("`, `")),
        };
        return Err(Failure::new(
            Kind::Config,
            format!(
                "the live release {} has no worker `{name}` on this host, {known}",
                release.short()
            ),
        ));
    }
    launcher::take_over(&app.layout, &Instance::of(name), &manifest, ready).map_err(|error| match error {
        WorkError::Taken { .. } => Failure::new(Kind::Locked, error.to_string())
            .hint("`bg status` shows it; two at once are never allowed, whoever starts them"),
        error => Failure::failed(format!("worker `{name}` cannot be started")).because(error),
    })
}
