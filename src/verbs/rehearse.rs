//! `bg rollback --rehearse`: what visitors would get after a rollback, seen through the front door
//! while none of them moves.

use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::run::Run;
use engine::{gate, preview as previews, resolve};
use jiff::{SignedDuration, Timestamp};
use model::color::Color;
use model::config::duration::Span;
use model::failure::Failure;
use model::journal::Verb;
use model::preview::Token;
use model::release::ReleaseId;
use serde::{Deserialize, Serialize};
use state::releases;
use sys::store;

use super::compare::{self, Compared, Way, pages};
use super::{preview, switch};
use crate::text::{self, counted};

/// How many pages are asked for.
const PAGES: usize = 100;

/// How long the preview behind it would last, if nothing ended it.
const LASTS: Span = Span(Duration::from_secs(600));

/// The last one, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// When.
    pub at: Timestamp,
    /// The release that a rollback would have gone to.
    pub release: ReleaseId,
    /// How many pages were asked for.
    pub asked: usize,
    /// How many of them failed there and not on the live color.
    pub failed: usize,
}

impl Rehearsal {
    /// For `bg status`.
    #[must_use]
    pub fn told(&self, now: Timestamp) -> String {
        let ago = text::rough(
            now.duration_since(self.at)
                .max(SignedDuration::ZERO)
                .unsigned_abs(),
        );
        match self.failed {
            0 => format!("rehearsed {ago} ago, {} fine", counted(self.asked, "page")),
            failed => format!(
                "rehearsed {ago} ago, {failed} of {} failed",
                counted(self.asked, "page")
            ),
        }
    }
}

/// Asks the color that a rollback would go to, as visitors would after it.
///
/// # Errors
/// When there is nothing warm to go back to, or it cannot be previewed.
pub async fn rehearse(app: &App, patience: Duration, caller: &Caller<'_>) -> Result<Compared, Failure> {
    preview::can_be_had(app)?;
    let run = begin(app, Verb::Rehearse, patience, caller).await?;
    let done = play(&run).await;
    let compared = resolve::unless_done(&run, done).await?;
    run.commit(
        run.live(),
        run.from.maintenance,
        format!("rollback rehearsed: {}", compared.summary()),
    )?;
    Ok(compared)
}

async fn play(run: &Run<'_>) -> Result<Compared, Failure> {
    let app = run.app;
    if run.from.maintenance {
        return Err(
            Failure::failed("the maintenance page is up: no page of the site is behind it")
                .hint("`bg maintenance off` takes it down"),
        );
    }
    let (target, idle) = switch::rollback_target(run)?;
    let hint = "a rollback would start it first: there is nothing warm to rehearse with";
    gate::brief_of(app, idle, &target, hint).await?;
    let link = preview::show(run, idle, target.clone(), LASTS, None).await?;
    let token: Option<Token> = link.header.and_then(|header| header.parse().ok());
    let endpoints = app.paced_doors();
    let (Some(token), Some(endpoint)) = (token, preview::front(&endpoints)) else {
        return Err(Failure::failed("the site has no listener"));
    };
    // Without a log that can be read there are still the paths of bg.toml.
    let paths = pages::last(app, PAGES).unwrap_or_default();
    let paths = match paths.is_empty() {
        true => app.config.nginx.paths.clone(),
        false => paths,
    };
    let both = [run.live(), engine::traffic::deployment(app, idle)];
    let compared = run
        .until_interrupted(async {
            Ok(compare::between(app, Way::Through(endpoint, &token), both, paths).await)
        })
        .await;
    previews::withdraw(app, &token)
        .map_err(|error| Failure::failed("the preview of the rehearsal cannot be ended").because(error))?;
    let compared = compared?;
    keep(
        app,
        &Rehearsal {
            at: Timestamp::now(),
            release: target,
            asked: compared.asked,
            failed: compared.failures().count(),
        },
    )?;
    Ok(compared)
}

fn keep(app: &App, rehearsal: &Rehearsal) -> Result<(), Failure> {
    let text = serde_json::to_vec(rehearsal).unwrap_or_default();
    store::write_whole(&app.layout.rehearsal(), &text, 0o640)
        .map_err(|error| Failure::failed("the rehearsal is not on record").because(error))
}

/// The last one of what a rollback would go to now.
#[must_use]
pub fn last(app: &App, live: Color) -> Option<Rehearsal> {
    let bytes = store::read_plain(&app.layout.rehearsal(), 4096).ok()?;
    let kept: Rehearsal = serde_json::from_slice(&bytes).ok()?;
    let held = releases::slot(&app.layout, live.other());
    (held.as_ref() == Some(&kept.release)).then_some(kept)
}
