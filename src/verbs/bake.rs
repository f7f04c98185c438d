//! A release that is watched, as commands see it: what is laid out for it, what is
//! kept, and what there is to say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use engine::app::App;
use engine::canary::{self, Watched};
use engine::run::Run;
use engine::{ledger, traffic, watch};
use jiff::{SignedDuration, Timestamp};
use model::bake::{Bake, Slow, Stage, Verdict};
use model::color::Route;
use model::config::duration::Span;
use model::event::{Event, Sink, Step, Warning};
use model::failure::{Deployment, Failure, Traffic, in_one_line};
use model::journal::Verb;
use model::judge::{self, Counts, Evidence};
use serde::{Deserialize, Serialize};
use sys::lock;

use super::{contract, standby};
use crate::text::{Show, counted, rough};

/// How long after its end a bake that has no verdict is waited for: another run may go on.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// How often a verdict is looked for that is waited for.
const GLANCE: Duration = Duration::from_millis(250);

/// What is laid out before visitors come to a release: from the first request on it is watched, and a
/// command that dies is followed by whoever takes that up. Nothing, where it is not to be watched or
/// cannot be: it can be released all the same.
#[derive(Default)]
pub struct Laid(Option<(Bake, Span)>);

/// Before traffic moves to `to`.
pub(super) fn lay_out(run: &Run<'_>, to: &Deployment, lasts: Span) -> Laid {
    let app = run.app;
    // Held against nothing it would never be acquitted, and there would be no way back.
    if !is_wanted(run, lasts) || !standby::stays_warm(app) {
        return Laid::default();
    }
    let marked = watch::lay_out(app, to.color, has_net(run, to));
    marked.map_or_else(
        |error| {
            watch::end(app, Route::to(to.color)).ok();
            warn(run, in_one_line(&error));
            Laid::default()
        },
        |()| keep(run, to, None, lasts),
    )
}

/// Before a share of the visitors goes to `to`.
pub(super) fn of_share(run: &Run<'_>, to: &Deployment, stage: Stage, lasts: Span) -> Laid {
    if !is_wanted(run, lasts) {
        return Laid::default();
    }
    // The step before goes on, and one look at another's lines is no harm.
    match watch::begin_anew(run.app) {
        Ok(()) => keep(run, to, Some(stage), lasts),
        Err(error) => {
            warn(run, in_one_line(&error));
            Laid::default()
        }
    }
}

fn keep(run: &Run<'_>, to: &Deployment, stage: Option<Stage>, lasts: Span) -> Laid {
    let last = watch::last(run.app);
    let bake = new(run, to, stage, lasts, last.as_ref());
    match watch::keep(run.app, &bake) {
        Ok(()) => Laid(Some((bake, lasts))),
        Err(error) => {
            watch::end(run.app, bake.route()).ok();
            warn(run, in_one_line(&error));
            Laid::default()
        }
    }
}

fn new(run: &Run<'_>, to: &Deployment, stage: Option<Stage>, lasts: Span, last: Option<&Bake>) -> Bake {
    let app = run.app;
    let before = run.live();
    let since = Timestamp::now();
    let longest = SignedDuration::try_from(lasts.0).unwrap_or(SignedDuration::from_hours(24));
    let known = before.release.as_ref().map(|release| ledger::of(app, release));
    let earlier = last.map_or(0, |last| {
        let is_another = last.release.release != to.release;
        last.earlier + u32::from(is_another && last.verdict.as_ref().is_some_and(is_judged))
    });
    let mut bake = Bake {
        release: to.clone(),
        before,
        stage,
        since,
        until: since.checked_add(longest).unwrap_or(Timestamp::MAX),
        kept: since,
        act: app.config.bake.act,
        one_of_several: is_one_of_several(run, to),
        earlier,
        net: has_net(run, to),
        evidence: Evidence::against(judge::limit(known.unwrap_or_default().counts())),
        seen: Counts::default(),
        beside: Counts::default(),
        at_step: [0; 2],
        met: 0,
        caught: 0,
        both: 0,
        paths: BTreeMap::new(),
        by: BTreeSet::new(),
        read: 0,
        acquitted: 0,
        instead_of: last
            .map(|last| Bake {
                instead_of: None,
                ..last.clone()
            })
            .map(Box::new),
        worse: false,
        slow: None,
        verdict: None,
    };
    if let Some(last) = last.filter(|last| run.from.share.is_some() && is_same_canary(last, &bake)) {
        bake.goes_on_from(last.clone());
    }
    bake
}

impl Laid {
    /// What the target of a canary's step says of it.
    pub(super) fn marks(&self) -> Watched {
        match &self.0 {
            None => Watched::No,
            Some((bake, _)) if bake.net => Watched::WithNet,
            Some(_) => Watched::Yes,
        }
    }

    /// Whether the next step of a canary comes by itself.
    pub(super) fn goes_on(&self) -> bool {
        let stage = self.0.as_ref().and_then(|(bake, _)| bake.stage);
        stage.is_some_and(|stage| stage.goes_on)
    }

    /// Traffic does not stay there, where that is known.
    pub(super) fn give_up(&self, run: &Run<'_>, failure: &Failure) {
        let stays = matches!(failure.traffic, Traffic::Unknown { .. } | Traffic::Moved { .. });
        let Some((bake, _)) = self.0.as_ref().filter(|_| !stays) else {
            return;
        };
        // Visitors of a canary are on their way back, and need the net until then.
        if bake.stage.is_none() {
            watch::end(run.app, bake.route()).ok();
        }
        if let Some(last) = &bake.instead_of {
            // Where it cannot be kept again, nothing is known of it.
            watch::keep(run.app, last).ok();
        }
    }

    /// Visitors are there: starts the process that watches. How long at most.
    ///
    /// # Errors
    /// When that cannot be kept or started.
    pub(super) fn begin(self, run: &Run<'_>) -> Result<Option<Span>, Failure> {
        let Some((mut bake, lasts)) = self.0 else {
            return Ok(None);
        };
        let app = run.app;
        bake.instead_of = None;
        let failed = || Failure::failed(format!("{} is not watched", bake.release));
        let kept = watch::keep(app, &bake).map_err(|error| failed().because(error));
        let started = kept.and_then(|()| watch::start(app).map_err(|error| failed().because(error)));
        started.map(|()| Some(lasts)).inspect_err(|failure| {
            watch::end(app, bake.route()).ok();
            bake.verdict = Some(Verdict::NoData {
                why: failure.what.clone(),
            });
            watch::keep(app, &bake).ok();
        })
    }
}

pub(super) fn warn(run: &Run<'_>, problem: String) {
    run.sink.emit(Event::Warned(Warning::StepFailed {
        step: Step::Watch,
        problem,
    }));
}

/// Whether what is live may answer in place of `to`: not where that is a contract.
fn has_net(run: &Run<'_>, to: &Deployment) -> bool {
    let layout = &run.app.layout;
    let past = to.release.as_ref().zip(run.live().release);
    let is_contract = past.is_some_and(|(new, old)| contract::between(layout, new, &old).is_some());
    run.app.config.bake.net && !is_contract
}

fn is_wanted(run: &Run<'_>, lasts: Span) -> bool {
    let app = run.app;
    let is_new = matches!(run.verb, Verb::Deploy | Verb::Switch | Verb::Canary);
    let can_be =
        app.config.nginx.loopback_port.is_some() && !app.reloads() && app.nginx_files.facts().exists();
    let is_seen = run.live().release.is_some() && !run.from.maintenance;
    is_new && can_be && is_seen && !lasts.0.is_zero()
}

/// Whether the release came to several hosts, by this command or, in a canary, by an earlier one.
pub(super) fn is_one_of_several(run: &Run<'_>, release: &Deployment) -> bool {
    let last = watch::last(run.app).filter(|last| last.release == *release);
    run.caller.fleet.is_some() || last.is_some_and(|last| last.one_of_several)
}

/// Steps of one canary are one test, as one may look as often as one likes, unless it was told what
/// came of it and somebody goes on all the same.
fn is_same_canary(last: &Bake, now: &Bake) -> bool {
    let is_told = matches!(last.verdict, Some(Verdict::Told { .. } | Verdict::TakenBack));
    let both = last.stage.is_some() && now.stage.is_some();
    both && last.release == now.release && last.before == now.before && !is_told
}

/// Whether it says something about the app.
fn is_judged(verdict: &Verdict) -> bool {
    !matches!(
        verdict,
        Verdict::NoData { .. } | Verdict::Superseded | Verdict::NextStep
    )
}

/// The verdict about a release, as whoever waited for it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baked {
    /// What was seen, and what came of it.
    pub bake: Bake,
}

impl Show for Baked {
    fn show(&self) -> String {
        format!("{}\n", said(&self.bake))
    }
}

/// Stays with what visitors get, where that is watched.
///
/// # Errors
/// As [`verdict`]; and where it is not.
pub async fn stay(app: &App) -> Result<Baked, Failure> {
    let bake = of_live(app, app.link.read().ok()).ok_or_else(not_watched)?;
    verdict(app, &bake.release).await
}

/// Waits for the verdict about `watched`, through all steps of a canary.
///
/// # Errors
/// Exit 5 where it was taken back.
pub async fn verdict(app: &App, watched: &Deployment) -> Result<Baked, Failure> {
    let none = || {
        Failure::failed(format!("there is no verdict about {watched}"))
            .hint("`bg status` shows what is live, `bg history` what was done")
    };
    loop {
        let last = watch::last(app).filter(|bake| bake.release == *watched);
        let bake = last.ok_or_else(none)?;
        let late = Timestamp::now().duration_since(bake.until.max(bake.kept)) > LATE;
        match bake.verdict {
            // The next step comes, or a run is in its way.
            None | Some(Verdict::NextStep) if !late || is_led_or_waits(app, &bake) => {
                tokio::time::sleep(GLANCE).await;
            }
            None | Some(Verdict::NextStep) => return Err(none()),
            Some(Verdict::TakenBack) => {
                recorded(app).await;
                return Err(taken_back(&bake));
            }
            Some(_) => {
                recorded(app).await;
                return Ok(Baked { bake });
            }
        }
    }
}

/// A paused canary waits for somebody, however long.
fn is_led_or_waits(app: &App, bake: &Bake) -> bool {
    bake.goes_on() && (canary::is_paused(app, bake.route()) || watch::is_led(app))
}

/// There is nothing to stay with.
#[must_use]
pub fn not_watched() -> Failure {
    Failure::failed("no release is watched")
        .hint("`bg status` shows what is live, `bg history` what was done")
}

/// How a release ended that was taken back.
#[must_use]
pub fn taken_back(bake: &Bake) -> Failure {
    Failure::failed(said(bake)).with_traffic(Traffic::PutBack {
        live: bake.before.clone(),
    })
}

/// The verdict is put on record, and hooks hear of it.
async fn recorded(app: &App) {
    const LONGEST: Duration = Duration::from_secs(10);
    let over = async {
        // The one comes a moment after the other.
        tokio::time::sleep(GLANCE).await;
        while lock::current_holder(&app.layout.lock()).is_some() {
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(LONGEST, over).await.ok();
}

/// What was seen, what it cost, and what could not have been seen.
#[must_use]
pub fn said(bake: &Bake) -> String {
    let Counts { requests, failed } = bake.seen;
    let mut text = match &bake.verdict {
        None => format!("{} is watched", bake.release),
        Some(Verdict::Stays { why }) => format!(
            "{} was watched and is no worse, and stays at its step: {why}",
            bake.release
        ),
        Some(Verdict::NextStep) => format!("{} went on to its next step", bake.release),
        Some(Verdict::Clean | Verdict::Over) => format!("{} was watched and is no worse", bake.release),
        Some(Verdict::NoData { why }) => {
            format!("{} was watched, and nothing can be said: {why}", bake.release)
        }
        Some(Verdict::TakenBack) => format!(
            "{} is worse than {} and was taken back",
            bake.release, bake.before
        ),
        Some(Verdict::Told { why }) => format!(
            "{} is worse than {} and was not taken back: {why}",
            bake.release, bake.before
        ),
        Some(Verdict::Superseded) => format!("{} was watched until traffic moved on", bake.release),
    };
    write!(
        text,
        "; {failed} of {} failed",
        counted(count(requests), "request")
    )
    .ok();
    if failed > 0 {
        write!(
            text,
            ", {} met by visitors, {} caught by the net",
            bake.met, bake.caught
        )
        .ok();
        let paths: Vec<&str> = bake.paths.keys().map(String::as_str).collect();
        write!(text, " ({})", paths.join(", ")).ok();
    }
    if let Some(slow) = &bake.slow {
        let Slow {
            place,
            before_ms,
            now_ms,
        } = slow;
        write!(
            text,
            "; at {place} 95 of 100 took up to {now_ms} ms where they took {before_ms}, and both asked in turn say the same"
        )
        .ok();
    }
    if bake.both > 0 {
        write!(text, "; {} failed on both colors", bake.both).ok();
    }
    if bake.acquitted > 0 {
        let times = counted(count(bake.acquitted.into()), "time");
        write!(text, "; {} failed as well, {times}", bake.before).ok();
    }
    if bake.stage.is_some() {
        let Counts { requests, failed } = bake.beside;
        write!(
            text,
            ", and {failed} of {} of {}",
            counted(count(requests), "request"),
            bake.before
        )
        .ok();
    }
    let found = |rate: f64| (bake.finds(rate) * 100.0).floor();
    write!(
        text,
        "; of 100 such releases that fail 1 in 20 it would have found {}, of 1 in 100 {}",
        found(0.05),
        found(0.01)
    )
    .ok();
    text
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The bake of what visitors get, for `bg status`.
#[must_use]
pub fn of_live(app: &App, route: Option<Route>) -> Option<Bake> {
    let bake = watch::last(app)?;
    let is_there = route.is_some_and(|route| {
        route.without_page() == bake.route() && traffic::deployment(app, bake.release.color) == bake.release
    });
    is_there.then_some(bake)
}

/// After how long the canary on `route` goes on by itself; none where it waits for somebody.
#[must_use]
pub fn goes_on_in(app: &App, route: Route) -> Option<Span> {
    let bake = of_live(app, Some(route)).filter(Bake::goes_on)?;
    let is_watched = lock::current_holder(&app.layout.watching()).is_some();
    let is_taken_on = is_watched && (!bake.one_of_several || watch::is_led(app));
    let goes_on =
        bake.stage.is_some_and(|stage| stage.goes_on) && is_taken_on && !canary::is_paused(app, route);
    let left = bake.until.duration_since(Timestamp::now());
    goes_on.then(|| Span(Duration::from_secs(left.as_secs().max(0).unsigned_abs())))
}

/// A line of `bg status`.
#[must_use]
pub fn line(bake: &Bake, now: Timestamp) -> String {
    let mark = match bake.verdict {
        Some(Verdict::Told { .. } | Verdict::NoData { .. } | Verdict::Stays { .. }) => "! ",
        _ => "",
    };
    let left = bake.until.duration_since(now);
    let left = match bake.goes_on() && left.is_positive() {
        true => format!("for another {} at most; ", rough(left.unsigned_abs())),
        false => String::new(),
    };
    format!("  {mark}watched: {left}{}\n", said(bake))
}
