//! A canary: a share of the visitors gets the other color, and then more, or none again.

use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::canary::Watched;
use engine::gate::{self, Gated};
use engine::run::Run;
use engine::{canary as targets, cutover, participant, resolve, slot, verification};
use model::bake::Stage;
use model::color::{Color, Route, Share};
use model::config::CanaryStep;
use model::config::duration::Span;
use model::event::{Event, Note, Sink};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::Verb;
use serde::{Deserialize, Serialize};
use state::releases;

use super::bake::Laid;
use super::{bake, contract, preview};
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
    /// After how long the next step comes by itself; none where it waits for `bg promote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Whether it was never heard how the other hosts of the fleet did.
    #[serde(default)]
    pub doubt: bool,
}

impl Show for Stepped {
    fn show(&self) -> String {
        let Stepped {
            live,
            other,
            share,
            next,
            lasts,
            doubt: _,
        } = self;
        let Some(share) = share else {
            return format!("all visitors get {live}; {other} stays warm\n");
        };
        let next = next_words(*next);
        let by_itself = lasts.map_or(String::new(), |lasts| {
            format!("After {lasts} without a fault it goes to {next} by itself; `bg pause` keeps it here.\n")
        });
        format!(
            "{share} of the visitors get {other}, the others {live}\n\
             {by_itself}`bg promote` goes to {next}, `bg promote --all` to all, `bg abort` back to none\n"
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
    let step = CanaryStep { share, lasts: None };
    let done = to_share(&run, step).await;
    resolve::unless_done(&run, done).await
}

/// Has a canary stay at its step until somebody promotes it.
///
/// # Errors
/// Where there is none, and as [`begin`].
pub async fn pause(app: &App, patience: Duration, caller: &Caller<'_>) -> Result<Stepped, Failure> {
    let run = begin(app, Verb::Canary, patience, caller).await?;
    let share = resolve::unless_done(&run, under_way(&run)).await?;
    if targets::is_paused(app, run.from) {
        run.was_needless();
        return Ok(stepped(&run, Some(share)));
    }
    let paused = targets::pause(app, run.from).map_err(|error| {
        Failure::failed("that it stays is not kept: it may go on")
            .because(error)
            .with_traffic(Traffic::Unchanged { live: run.live() })
    });
    resolve::unless_done(&run, paused).await?;
    let summary = format!("{share} of the visitors, until it is promoted");
    run.commit_share(run.live(), run.from.maintenance, Some(share), summary)
        .map_err(|failure| failure.with_traffic(Traffic::Unchanged { live: run.live() }))?;
    Ok(stepped(&run, Some(share)))
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

/// The same for what is watched at `step`, where it is still there.
///
/// # Errors
/// As a switch, and where it is not.
pub(super) async fn give_up(
    app: &App,
    (step, release): (Route, &Deployment),
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Stepped, Failure> {
    let run = begin(app, Verb::Canary, patience, caller).await?;
    let done = async {
        is_at(&run, step, release)?;
        back(&run).await
    };
    let done = done.await;
    resolve::unless_done(&run, done).await
}

/// Nobody has moved the canary of `release` since it was looked at; the page may stand before it.
///
/// # Errors
/// When that is otherwise.
pub(super) fn is_at(run: &Run<'_>, step: Route, release: &Deployment) -> Result<(), Failure> {
    let is_there = run.from.share == step.share && run.from.color == step.color && other(run) == *release;
    is_there.then_some(()).ok_or_else(|| {
        Failure::failed(format!("the canary is not at {step} any more"))
            .with_traffic(Traffic::Unchanged { live: run.live() })
    })
}

/// Leaves nobody on the other color.
///
/// # Errors
/// As a switch.
pub(super) async fn back(run: &Run<'_>) -> Result<Stepped, Failure> {
    cutover::step_down(run, None, Watched::No).await?;
    let stepped = on_record(run, None)?;
    targets::forget(run.app);
    Ok(stepped)
}

/// A step up or down.
///
/// # Errors
/// As a switch.
pub(super) async fn to_share(run: &Run<'_>, step: CanaryStep) -> Result<Stepped, Failure> {
    let share = step.share;
    if run.from.share == Some(share) {
        return match run.state.doubt {
            // All hosts are there, which is what the doubt was about.
            Some(_) => on_record(run, Some(share)),
            None => {
                run.was_needless();
                Ok(stepped(run, Some(share)))
            }
        };
    }
    let lasts = run.app.config.bake.lasts;
    if run.from.share.is_some_and(|before| before > share) {
        let laid = lay_out(run, &other(run), step, lasts);
        let stepped = cutover::step_down(run, Some(share), laid.marks()).await;
        stepped.inspect_err(|failure| laid.give_up(run, failure))?;
        return watch(run, step, laid);
    }
    verification::can_be_had(run.app, run.from).await?;
    let staged = async { participant::ready(run, ready(run).await?).await };
    let passed = run.until_interrupted(staged).await?;
    up(run, &passed, step, lasts).await
}

/// Sends the share of `step` to what has passed the gate, puts that on record, and has it watched for
/// as long as `lasts` at most, or as long as the step takes.
///
/// # Errors
/// As a switch.
pub(super) async fn up(
    run: &Run<'_>,
    passed: &Gated,
    step: CanaryStep,
    lasts: Span,
) -> Result<Stepped, Failure> {
    let laid = lay_out(run, &passed.deployment(), step, lasts);
    let stepped = cutover::step(run, passed, step.share, laid.marks()).await;
    stepped.inspect_err(|failure| laid.give_up(run, failure))?;
    watch(run, step, laid)
}

fn lay_out(run: &Run<'_>, to: &Deployment, step: CanaryStep, lasts: Span) -> Laid {
    let stage = Stage {
        share: step.share,
        goes_on: step.lasts.is_some(),
    };
    let time = step.lasts.filter(|_| stage.goes_on && !lasts.0.is_zero());
    bake::of_share(run, to, stage, time.unwrap_or(lasts))
}

/// What comes after a step: its record, and whoever watches it.
fn watch(run: &Run<'_>, step: CanaryStep, laid: Laid) -> Result<Stepped, Failure> {
    targets::go_on(run.app);
    let goes_on = laid.goes_on();
    let stepped = on_record(run, Some(step.share));
    // They are there, whether that could be noted or not.
    let watched = laid.begin(run);
    let stepped = stepped?;
    let watched = watched.map_err(|failure| failure.with_traffic(Traffic::Moved { live: run.live() }))?;
    if step.lasts.is_some() && (watched.is_none() || !goes_on) {
        let why = "the canary does not go on by itself: `bg promote` takes its next step";
        bake::warn(run, why.to_owned());
    }
    Ok(Stepped {
        lasts: watched.filter(|_| goes_on),
        ..stepped
    })
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

fn other(run: &Run<'_>) -> Deployment {
    engine::traffic::deployment(run.app, run.idle())
}

fn stepped(run: &Run<'_>, share: Option<Share>) -> Stepped {
    let next = run.app.config.canary.after(share);
    Stepped {
        live: run.live(),
        other: other(run),
        share,
        next: next.map(|step| step.share),
        lasts: None,
        doubt: run.is_in_doubt(),
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
