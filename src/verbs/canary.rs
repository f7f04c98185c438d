//! A canary: a share of the visitors gets the other color, and then more, or none again.

use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::gate::{self, Gated};
use engine::run::Run;
use engine::{canary as targets, cutover, resolve, slot, verification};
use model::color::{Color, Route, Share};
use model::event::{Event, Note, Sink};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::Verb;
use serde::{Deserialize, Serialize};
use state::releases;

use super::{contract, preview};
use crate::text::Show;

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stepped {
    /// What is live.
    pub live: Deployment,
    /// What a share of the visitors gets beside it.
    pub other: Deployment,
    /// The share; none where all get what is live.
    pub share: Option<Share>,
    /// The next step; none where everybody comes next.
    pub next: Option<Share>,
}

impl Show for Stepped {
    fn show(&self) -> String {
        let Stepped {
            live,
            other,
            share,
            next,
        } = self;
        let Some(share) = share else {
            return format!("all visitors get {live}; {other} stays warm\n");
        };
        let next = next_words(*next);
        format!(
            "{share} of the visitors get {other}, the others {live}\n\
             `bg promote` goes to {next}, `bg promote --all` to all, `bg abort` back to none\n"
        )
    }
}

/// Where `bg promote` goes.
pub(super) fn next_words(next: Option<Share>) -> String {
    next.map_or("all".to_owned(), |next| next.to_string())
}

/// Has `share` of the visitors get the other color, be it more or fewer than before.
///
/// # Errors
/// As a switch; and where the site is not set up for it.
pub async fn canary(
    app: &App,
    share: Share,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Stepped, Failure> {
    can_be_had(app)?;
    let run = begin(app, Verb::Canary, patience, caller).await?;
    let done = to_share(&run, share).await;
    resolve::unless_done(&run, done).await
}

/// What there is to go on with.
///
/// # Errors
/// Where there is no canary.
pub(super) fn under_way(run: &Run<'_>) -> Result<Share, Failure> {
    run.from.share.ok_or_else(|| {
        Failure::failed("no canary is under way")
            .hint("`bg deploy --canary` begins one, as `bg canary 5%` does")
            .with_traffic(Traffic::Unchanged { live: run.live() })
    })
}

/// Has all visitors get what is live again.
///
/// # Errors
/// As a switch.
pub async fn abort(app: &App, patience: Duration, caller: &Caller<'_>) -> Result<Stepped, Failure> {
    let run = begin(app, Verb::Canary, patience, caller).await?;
    if run.from.share.is_none() {
        run.was_needless();
        run.sink
            .emit(Event::Noted(Note::AlreadyLive { live: run.live() }));
        return Ok(stepped(&run, None));
    }
    let done = back(&run).await;
    resolve::unless_done(&run, done).await
}

/// Leaves nobody on the other color.
///
/// # Errors
/// As a switch.
pub(super) async fn back(run: &Run<'_>) -> Result<Stepped, Failure> {
    cutover::step_down(run, None).await?;
    let stepped = on_record(run, None)?;
    targets::forget(run.app);
    Ok(stepped)
}

/// A step up or down.
///
/// # Errors
/// As a switch.
pub(super) async fn to_share(run: &Run<'_>, share: Share) -> Result<Stepped, Failure> {
    if run.from.share == Some(share) {
        run.was_needless();
        return Ok(stepped(run, Some(share)));
    }
    if run.from.share.is_some_and(|before| before > share) {
        cutover::step_down(run, Some(share)).await?;
        return on_record(run, Some(share));
    }
    verification::can_be_had(run.app, run.from).await?;
    let passed = run.until_interrupted(ready(run)).await?;
    up(run, &passed, share).await
}

/// Sends `share` to what has passed the gate, and puts that on record.
///
/// # Errors
/// As a switch.
pub(super) async fn up(run: &Run<'_>, passed: &Gated, share: Share) -> Result<Stepped, Failure> {
    cutover::step(run, passed, share).await?;
    on_record(run, Some(share))
}

fn on_record(run: &Run<'_>, share: Option<Share>) -> Result<Stepped, Failure> {
    let stepped = stepped(run, share);
    let summary = match share {
        Some(share) => format!("{share} of the visitors to {}", stepped.other),
        None => format!("all visitors back to {}", stepped.live),
    };
    // It is proven: visitors are not sent elsewhere because that cannot be noted.
    run.commit_share(run.live(), run.from.maintenance, share, summary)
        .map_err(|failure| failure.with_traffic(Traffic::Moved { live: run.live() }))?;
    Ok(stepped)
}

fn stepped(run: &Run<'_>, share: Option<Share>) -> Stepped {
    Stepped {
        live: run.live(),
        other: engine::traffic::deployment(run.app, run.idle()),
        share,
        next: run.app.config.canary.after(share),
    }
}

/// The other color, where it could take all of the traffic.
async fn ready(run: &Run<'_>) -> Result<Gated, Failure> {
    let (app, color) = (run.app, run.idle());
    let hint = "`bg deploy --canary` puts a release there, and sends it visitors";
    let nothing = |what: String| Failure::failed(what).hint(hint);
    let Some(release) = releases::slot(&app.layout, color) else {
        return Err(nothing(format!(
            "{color} is empty: there is nothing to send visitors to"
        )));
    };
    if run.live().release.is_none() {
        return Err(nothing("nothing is live yet".to_owned()));
    }
    contract::guard(run, &release, None)?;
    slot::is_ours_to_take(app, color).await?;
    gate::brief_of(app, color, &release, hint).await
}

/// Whether there can be one.
///
/// # Errors
/// What has to be changed first.
pub fn can_be_had(app: &App) -> Result<(), Failure> {
    preview::is_set_up_for(app, "a canary")?;
    // What an earlier version has set up knows of previews alone.
    let label = app.nginx_files.target(Route::to(Color::Green)).join("green-in");
    match label.exists() {
        true => Ok(()),
        false => Err(Failure::failed("NGINX is not set up for a canary").hint("`bg setup` does that")),
    }
}
