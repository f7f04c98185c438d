//! `bg switch` and `bg rollback`: traffic to a color that is warm, or is made so first.

use std::time::{Duration, Instant};

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::gate::{self, Gated, Refusal};
use engine::reload_works::reload_would_work;
use engine::run::{self, Run};
use engine::slot::{self, Running};
use engine::{
    adopted, canary as targets, cutover, participant, recover, resolve, resurrect, traffic, verification,
};
use model::color::{Color, Route};
use model::config::duration::Span;
use model::event::{Event, Note, Repair, Sink, Warning};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::{NoRollback, Verb};
use model::release::{Manifest, ReleaseId};
use state::journal::Journal;
use state::releases;

use super::deployed::Deployed;
use super::finish::finish;
use super::{bake, canary, contract, data, hooks, memory};

/// How often an adopted process that is being brought back is looked at.
const AGAIN: Duration = Duration::from_millis(100);

/// Moves traffic to `color`, or to the one it is not on.
///
/// # Errors
/// As [`super::deploy::deploy`].
pub async fn switch(
    app: &App,
    color: Option<Color>,
    force: Option<&str>,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Deployed, Failure> {
    if let Some(color) = color {
        clear_the_way(app, color, patience, caller).await?;
    }
    let run = begin(app, Verb::Switch, patience, caller).await?;
    let done = to_color(&run, color.unwrap_or(run.idle()), force).await;
    hooks::after(&run, resolve::unless_done(&run, done).await).await
}

async fn to_color(run: &Run<'_>, color: Color, force: Option<&str>) -> Result<Deployed, Failure> {
    if color == run.from.color {
        return match run.from.share {
            Some(_) => all_back(run).await,
            None => Ok(nothing_to_do(run)),
        };
    }
    let Some(release) = releases::slot(&run.app.layout, color) else {
        return Err(
            Failure::failed(format!("{color} is empty: there is nothing to switch to"))
                .hint("`bg deploy` puts a release there"),
        );
    };
    if run.state.is_unfit(&release) {
        run.sink.emit(Event::Warned(Warning::RefusedBefore {
            release: release.clone(),
        }));
    }
    contract::guard(run, &release, force)?;
    to_release(run, release).await
}

/// Without a readable link, and after a run whose end nobody can tell, naming the color is
/// the way out: the link is made to say what NGINX does, the run is set aside, and
/// everything goes on from there.
async fn clear_the_way(app: &App, color: Color, patience: Duration, sink: &dyn Sink) -> Result<(), Failure> {
    let story = Journal::told(&app.layout.journal()).unwrap_or_default();
    if app.link.read().is_ok() && !recover::is_stuck(app, &story).await {
        return Ok(());
    }
    let (_lock, mut journal) = run::open(app, "switch", patience, sink).await?;
    if app.link.read().is_err() {
        mend_link(app, color, sink).await?;
    }
    recover::set_aside(app, &mut journal, sink).await
}

async fn mend_link(app: &App, color: Color, sink: &dyn Sink) -> Result<(), Failure> {
    let seen = traffic::look(app).await.nginx.unwrap_or(Route::to(color));
    app.switcher.point(seen).await.map_err(|error| {
        Failure::unknown("the live link cannot be made", "the link cannot be read").because(error)
    })?;
    sink.emit(Event::Recovered(Repair::LinkMade { route: seen }));
    Ok(())
}

/// Makes `release` live wherever it is not, and ends the doubt where it is: for a fleet
/// whose client went away between the first switch and the last.
///
/// # Errors
/// As [`rollback`].
pub async fn reconcile(
    app: &App,
    release: ReleaseId,
    force: Option<&str>,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Deployed, Failure> {
    let run = begin(app, Verb::Switch, patience, caller).await?;
    if run.live().release.as_ref() != Some(&release) {
        let done = back(&run, Some(&release), force).await;
        return hooks::after(&run, resolve::unless_done(&run, done).await).await;
    }
    if run.from.share.is_some() {
        let done = canary::back(&run).await;
        let stepped = resolve::unless_done(&run, done).await?;
        return Ok(Deployed::of(&run, stepped.live, stepped.other, false));
    }
    let Some(doubted) = run.state.doubt.clone() else {
        return Ok(nothing_to_do(&run));
    };
    run.commit(
        run.live(),
        run.from.maintenance,
        format!("{} stays live; {doubted} is no longer in doubt", release.short()),
    )?;
    Ok(Deployed::of(
        &run,
        run.live(),
        traffic::deployment(app, run.idle()),
        false,
    ))
}

/// Goes back to what served before, or to any kept release.
///
/// # Errors
/// As [`super::deploy::deploy`]; and when there is nothing to go back to.
pub async fn rollback(
    app: &App,
    to: Option<ReleaseId>,
    force: Option<&str>,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Deployed, Failure> {
    let run = begin(app, Verb::Rollback, patience, caller).await?;
    let done = back(&run, to.as_ref(), force).await;
    hooks::after(&run, resolve::unless_done(&run, done).await).await
}

/// What came of `bg promote`.
pub enum Promoted {
    /// The next step.
    Step(canary::Stepped),
    /// All visitors.
    All(Deployed),
}

/// A canary goes on: to its next step, or to all visitors after the last one, and where `all` asks
/// for that.
///
/// # Errors
/// Where there is none, and as a switch.
pub async fn promote(
    app: &App,
    all: bool,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Promoted, Failure> {
    let run = begin(app, Verb::Canary, patience, caller).await?;
    to_next(&run, all).await
}

/// The same by itself, from `step`, where that has gone without a fault and nobody keeps it there.
///
/// # Errors
/// Where something else is there by now, and as [`promote`].
pub(super) async fn goes_on(
    app: &App,
    (step, release): (Route, &Deployment),
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Promoted, Failure> {
    let run = begin(app, Verb::Canary, patience, caller).await?;
    let waits = targets::is_paused(app, step) || run.from.maintenance;
    let there = canary::is_at(&run, step, release).and_then(|()| match waits {
        false => Ok(()),
        true => Err(Failure::failed("the canary stays at its step for now")
            .with_traffic(Traffic::Unchanged { live: run.live() })),
    });
    resolve::unless_done(&run, there).await?;
    to_next(&run, false).await
}

async fn to_next(run: &Run<'_>, all: bool) -> Result<Promoted, Failure> {
    let steps = &run.app.config.canary;
    let next = canary::under_way(run).map(|share| steps.after(Some(share)).filter(|_| !all));
    match resolve::unless_done(run, next).await? {
        Some(next) => {
            let done = canary::to_share(run, next).await;
            resolve::unless_done(run, done).await.map(Promoted::Step)
        }
        None => {
            let done = to_color(run, run.idle(), None).await;
            let done = hooks::after(run, resolve::unless_done(run, done).await).await;
            done.map(Promoted::All)
        }
    }
}

/// From a canary to what is live beside it. Several hosts could not take that back together.
async fn all_back(run: &Run<'_>) -> Result<Deployed, Failure> {
    if run.caller.fleet.is_some() {
        return Err(
            Failure::failed("a canary is under way on this host, and perhaps not on the others")
                .hint("`bg abort` with the same hosts ends it where it is")
                .with_traffic(Traffic::Unchanged { live: run.live() }),
        );
    }
    let stepped = canary::back(run).await?;
    Ok(Deployed::of(run, stepped.live, stepped.other, false))
}

async fn back(run: &Run<'_>, to: Option<&ReleaseId>, force: Option<&str>) -> Result<Deployed, Failure> {
    if run.from.share.is_some() && to.is_none() {
        return all_back(run).await;
    }
    let target = target(run, to)?;
    if run.live().release.as_ref() == Some(&target) {
        return match run.from.share {
            Some(_) => all_back(run).await,
            None => Ok(nothing_to_do(run)),
        };
    }
    contract::guard(run, &target, force)?;
    to_release(run, target).await
}

async fn to_release(run: &Run<'_>, target: ReleaseId) -> Result<Deployed, Failure> {
    verification::can_be_had(run.app, run.from).await?;
    let idle = run.idle();
    if releases::slot(&run.app.layout, idle).as_ref() == Some(&target) {
        return go(run, idle, target).await;
    }
    bring_back(run, target).await
}

/// What a plain rollback would go to, and the color that holds it.
///
/// # Errors
/// As [`rollback`].
pub(super) fn rollback_target(run: &Run<'_>) -> Result<(ReleaseId, Color), Failure> {
    let target = target(run, None)?;
    contract::guard(run, &target, None)?;
    Ok((target, run.idle()))
}

fn target(run: &Run<'_>, to: Option<&ReleaseId>) -> Result<ReleaseId, Failure> {
    if let Some(to) = to {
        let manifest = slot::read_manifest(run.app, to)?;
        let in_a_slot = Color::BOTH.map(|color| releases::slot(&run.app.layout, color));
        if !in_a_slot.contains(&Some(manifest.id.clone())) {
            adopted::can_be_started(run.app, &manifest)?;
        }
        return Ok(manifest.id);
    }
    let idle = run.idle();
    let held = releases::slot(&run.app.layout, idle);
    let nothing = |why: NoRollback| {
        let failure = adopted::gone(run.app, &why)
            .unwrap_or_else(|| Failure::failed("cannot tell what to roll back to"))
            .because(why);
        match &held {
            Some(held) if run.state.is_unfit(held) => failure.hint(format!(
                "{idle} holds {}, which an earlier run refused or went back from: `bg switch {idle}` goes there anyway",
                held.short()
            )),
            Some(held) => failure.hint(format!(
                "`bg switch {idle}` goes to {}, which {idle} holds",
                held.short()
            )),
            None => failure,
        }
        .hint("`bg rollback --to RELEASE` brings back any of `bg releases`")
    };
    let Some(live) = run.live().release else {
        return Err(Failure::failed("nothing was deployed yet").hint("`bg deploy` does that"));
    };
    let target = run.state.rollback_target(&live).map_err(nothing)?.clone();
    if held.as_ref() == Some(&target) {
        Ok(target)
    } else {
        Err(nothing(NoRollback::Gone(target)))
    }
}

/// What was asked for is live already.
fn nothing_to_do(run: &Run<'_>) -> Deployed {
    run.was_needless();
    run.sink
        .emit(Event::Noted(Note::AlreadyLive { live: run.live() }));
    Deployed::of(run, run.live(), traffic::deployment(run.app, run.idle()), false)
}

fn tell(run: &Run<'_>, color: Color, release: &ReleaseId) {
    run.works_on(release);
    let manifest = releases::read(&run.app.layout, release).ok();
    run.sink.emit(Event::Began {
        app: run.app.name().to_owned(),
        verb: run.verb,
        live: run.live(),
        color,
        release: Some(release.clone()),
        subject: manifest.map(|manifest| manifest.subject),
    });
    data::warn_of_what_stays(run.app, run.from.color, &run.sink);
}

/// To a color that holds the release already.
async fn go(run: &Run<'_>, color: Color, release: ReleaseId) -> Result<Deployed, Failure> {
    tell(run, color, &release);
    let staged = async {
        let works = reload_would_work(run.app);
        let (passed, works) = tokio::join!(ready(run, color, &release), works);
        let passed = passed?;
        hooks::before_switch(run, &passed).await?;
        Ok((participant::ready(run, passed).await?, works?))
    };
    let (passed, works) = run.until_interrupted(staged).await?;
    let lasts = run.app.config.bake.lasts;
    let to = passed.deployment();
    let laid = bake::lay_out(run, &to, lasts);
    // A color that had to be started, and hosts that had to be waited for, take longer.
    let switched = match works.is_fresh() {
        true => cutover::tested(run, passed, works).await,
        false => cutover::cutover(run, passed).await,
    };
    let switched = switched.inspect_err(|failure| laid.give_up(run, failure))?;
    finish(run, switched, laid).await
}

/// The brief gate; a color that has died is started from its release first and put through
/// the whole one.
async fn ready(run: &Run<'_>, color: Color, release: &ReleaseId) -> Result<Gated, Failure> {
    let app = run.app;
    let manifest = slot::read_manifest(app, release)?;
    slot::is_where_nginx_asks(app, color, &manifest)?;
    slot::is_ours_to_take(app, color).await?;
    if manifest.adopted.is_some() {
        return adopted_ready(run, color, manifest).await;
    }
    let dead = match gate::warm(app, color, manifest).await {
        // What comes back with PM2 is only just starting.
        Err(_) if resurrect::resurrect(app, &run.sink).await => "PM2's daemon was down".to_owned(),
        Ok(running) => match now(app, color, &running).await {
            Ok(passed) => return Ok(passed),
            Err(refusal) if refusal.is_early() && running.process.alive() => {
                return starting(run, color, running).await;
            }
            Err(refusal) if running.process.alive() && !slot::has_lost_one(app, color, &running) => {
                return Err(unwell(app, color, release, refusal));
            }
            Err(refusal) => refusal.problem,
        },
        Err(problem) => problem,
    };
    run.sink.emit(Event::Noted(Note::ColdStart {
        color,
        release: release.clone(),
        problem: dead,
    }));
    memory::left(app, color, &app.layout.config()).await?;
    let idle = run.idle_slot().await?;
    slot::discard(app, &idle).await?;
    slot::revive(app, idle, release, &run.id.0, &run.sink).await
}

/// The brief gate for an adopted process, which nobody here can start: one that PM2 only just
/// brought back gets the gate's time to answer.
///
/// # Errors
/// When it does not pass.
async fn adopted_ready(run: &Run<'_>, color: Color, manifest: Manifest) -> Result<Gated, Failure> {
    let app = run.app;
    let patience = match resurrect::resurrect(app, &run.sink).await {
        true => manifest.config.gate.timeout.0,
        false => Duration::ZERO,
    };
    let deadline = Instant::now() + patience;
    loop {
        let problem = match gate::warm(app, color, manifest.clone()).await {
            Err(problem) => problem,
            Ok(running) => match gate::brief(app, &running).await {
                Ok(passed) => return Ok(passed),
                Err(refusal) => refusal.problem,
            },
        };
        if Instant::now() >= deadline {
            let Some(adopted) = &manifest.adopted else {
                return Err(Failure::failed(problem));
            };
            return Err(adopted::not_warm(app, adopted, &problem));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The brief gate; a second time where what it found in the color's place has let go since:
/// workers outlive a server that was killed by a moment, and keep its port.
async fn now(app: &App, color: Color, running: &Running) -> Result<Gated, Refusal> {
    match gate::brief(app, running).await {
        Err(refusal) if refusal.is_of_another() && !slot::has_lost_one(app, color, running) => {
            gate::brief(app, running).await
        }
        first => first,
    }
}

/// PM2 has only just started it again: it gets the time that a new one gets, without a soak.
async fn starting(run: &Run<'_>, color: Color, mut running: Running) -> Result<Gated, Failure> {
    run.sink.emit(Event::Noted(Note::StillStarting { color }));
    running.manifest.config.gate.soak = Span::seconds(0);
    let passed = gate::full(run.app, &running, &run.sink).await;
    passed.map_err(|refusal| unwell(run.app, color, &running.manifest.id, refusal))
}

fn unwell(app: &App, color: Color, release: &ReleaseId, refusal: Refusal) -> Failure {
    refusal.into_failure(color).hint(format!(
        "`PM2_HOME={} pm2 delete {}` stops it: the next `bg switch {color}` starts {} in its place",
        app.entry.pm2_home.display(),
        app.process(color),
        release.short()
    ))
}

/// To a release that no slot holds: started in the idle color from its own snapshot, put
/// through the whole gate, nothing built.
async fn bring_back(run: &Run<'_>, target: ReleaseId) -> Result<Deployed, Failure> {
    let (app, color) = (run.app, run.idle());
    slot::is_none_in_use(app, run.from)?;
    tell(run, color, &target);
    let (idle, finished) = run
        .until_interrupted(async {
            slot::is_where_nginx_asks(app, color, &slot::read_manifest(app, &target)?)?;
            slot::is_ours_to_take(app, color).await?;
            resurrect::resurrect(app, &run.sink).await;
            let finished = slot::finish_requests(app, color, &run.sink).await?;
            memory::left(app, color, &app.layout.config()).await?;
            Ok((run.idle_slot().await?, finished))
        })
        .await?;
    run.replaces(&idle, &target)?;
    let passed = run
        .until_interrupted(async {
            slot::clear(app, &idle, finished, &run.sink).await?;
            let passed = slot::revive(app, idle, &target, &run.id.0, &run.sink).await?;
            participant::ready(run, passed).await
        })
        .await?;
    let switched = cutover::cutover(run, passed).await?;
    finish(run, switched, bake::Laid::default()).await
}
