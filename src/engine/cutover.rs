//! The moment traffic moves: one rename, proven from outside or undone.

use std::net::SocketAddr;
use std::time::Instant;

use model::color::{Color, Route, Share};
use model::event::{Event, Sink, Step, Warning, millis};
use model::failure::{Deployment, Failure, Traffic, in_one_line};
use model::release::ReleaseId;
use nginx::switcher::SwitchError;
use state::releases;

use crate::app::App;
use crate::canary::Watched;
use crate::gate::Gated;
use crate::probe_traffic::{Counted, ProbeTraffic, Running};
use crate::reload_works::{ReloadWorks, reload_would_work};
use crate::run::Run;
use crate::slot::IdleSlot;
use crate::verification::{
    Unhealthy, Unverified, Verification, fails_alike, is_at, prove_back, verify, verify_live,
};
use crate::{canary, participant, process_list, resolve, traffic, workers};

/// Traffic that moved and was proven. It is to be recorded, and what was live before kept or
/// stopped.
///
/// ```compile_fail
/// # #![deny(unused_must_use)]
/// # use model::failure::Failure;
/// # use engine::cutover;
/// # use engine::gate::Gated;
/// # use engine::run::Run;
/// async fn switch(run: &Run<'_>, gated: Gated) -> Result<(), Failure> {
///     cutover::cutover(run, gated).await?;
///     Ok(())
/// }
/// ```
///
/// ```
/// # #![deny(unused_must_use)]
/// # use model::failure::Failure;
/// # use engine::cutover;
/// # use engine::gate::Gated;
/// # use engine::run::Run;
/// async fn switch(run: &Run<'_>, gated: Gated) -> Result<(), Failure> {
///     let _replaced = cutover::cutover(run, gated).await?.record(run)?.idle;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "what was live before is neither kept nor stopped, and the switch not on record"]
pub struct Switched {
    /// What is live.
    live: Deployment,
    /// What was live before.
    replaced: Deployment,
    /// The prober's count.
    counted: Option<Counted>,
    /// The operator's reason, where the gate was forced.
    forced: Option<String>,
    /// Whether every worker runs on what is live.
    workers: Result<(), Failure>,
    /// Whether PM2 kept its list for a reboot.
    saved: Result<(), Failure>,
}

impl Switched {
    /// Puts it on record; what is left to do is told by what that returns.
    ///
    /// # Errors
    /// Exit 6 when the journal cannot be written.
    pub fn record(self, run: &Run<'_>) -> Result<Recorded, Failure> {
        let release = self.live.release.as_ref();
        let summary = release.map_or(String::new(), |release| summary(run, &self, release));
        let live = self.live.clone();
        run.commit(live.clone(), run.from.maintenance, summary)
            .map_err(|failure| failure.with_traffic(Traffic::Moved { live }))?;
        Ok(Recorded {
            // Proven: visitors are on the other one.
            idle: IdleSlot::of(self.replaced.color),
            live: self.live,
            replaced: self.replaced,
            beside: [self.workers, self.saved],
        })
    }
}

/// A switch that is on record.
#[derive(Debug)]
#[must_use = "what was live before is neither kept nor stopped"]
pub struct Recorded {
    /// What is live.
    pub live: Deployment,
    /// What was live before.
    pub replaced: Deployment,
    /// The slot of that, which is kept or stopped.
    pub idle: IdleSlot,
    /// What came of the workers and of PM2's list.
    pub beside: [Result<(), Failure>; 2],
}

/// Where traffic is to go.
#[derive(Clone, Copy)]
enum Goal<'a> {
    /// To a color that passed the gate.
    Color(&'a Gated),
    /// To the maintenance page in front of the live color, or from it.
    Page { on: bool },
    /// More visitors to a color that passed the gate, while the live one stays what it is.
    More(&'a Gated, Share),
    /// Fewer of them, or none.
    Fewer(Option<Share>),
}

impl<'a> Goal<'a> {
    fn route(self, from: Route) -> Route {
        match self {
            Goal::Color(gated) => from.with_color(gated.color()),
            Goal::Page { on } => Route {
                maintenance: on,
                ..from
            },
            Goal::More(_, share) => Route {
                share: Some(share),
                ..from
            },
            Goal::Fewer(share) => Route { share, ..from },
        }
    }

    fn gated(self) -> Option<&'a Gated> {
        match self {
            Goal::Color(gated) | Goal::More(gated, _) => Some(gated),
            Goal::Page { .. } | Goal::Fewer(_) => None,
        }
    }
}

/// Moves traffic to a color that passed the gate, and to no other.
///
/// ```compile_fail,E0308
/// # use model::color::Color;
/// # use engine::cutover;
/// # use engine::run::Run;
/// async fn without_a_gate(run: &Run<'_>) {
///     let _ = cutover::cutover(run, Color::Green).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// # use model::color::Color;
/// # use model::release::ReleaseId;
/// # use engine::gate::Gated;
/// fn without_a_gate(release: ReleaseId) -> Gated {
///     Gated { color: Color::Green, release, forced: None }
/// }
/// ```
///
/// # Errors
/// Exit 1 when it was not moved, 5 when it was put back, 7 when nobody can say.
pub async fn cutover(run: &Run<'_>, passed: Gated) -> Result<Switched, Failure> {
    let works = reload_would_work(run.app).await?;
    tested(run, passed, works).await
}

/// The same where NGINX was tested just now, beside the gate.
///
/// # Errors
/// As [`cutover`].
pub async fn tested(run: &Run<'_>, passed: Gated, works: ReloadWorks) -> Result<Switched, Failure> {
    let replaced = run.live();
    if passed.color() == replaced.color {
        return Err(Failure::failed(format!("{replaced} is live already")));
    }
    let evidence = evidence(run);
    let swapped = swap(run, Goal::Color(&passed), evidence.as_ref(), works).await;
    let agreed = async {
        let handed = async {
            swapped?;
            participant::agree(run).await?;
            workers::hand_over(run, &passed.deployment()).await
        };
        // Visitors are not kept waiting for the count.
        let handed = resolve::unless_done(run, handed.await).await?;
        Ok::<_, Failure>((handed, process_list::for_a_reboot(run).await))
    };
    // The window goes on meanwhile, and nobody waits for it twice.
    let counted = async {
        let count = evidence?.finish().await;
        run.sink.emit(told(&count));
        Some(count)
    };
    let (agreed, counted) = tokio::join!(agreed, counted);
    let (handed, saved) = agreed?;
    handed.events.into_iter().for_each(|event| run.sink.emit(event));
    let saved = saved.map(|saved| run.sink.emit(saved));
    run.note_a_late_stop().await;
    Ok(Switched {
        live: passed.deployment(),
        replaced,
        counted,
        forced: passed.forced_because().map(str::to_owned),
        workers: handed.all,
        saved,
    })
}

/// Puts the maintenance page in front of the live color, or takes it away; the color stays.
///
/// # Errors
/// When the page was not proven to be there, or to be gone: it does not stay so.
pub async fn page(run: &Run<'_>, on: bool) -> Result<(), Failure> {
    let works = reload_would_work(run.app).await?;
    swap(run, Goal::Page { on }, None, works).await
}

/// Sends a share of the visitors, which is no smaller than before, to a color that passed the gate.
///
/// ```compile_fail,E0308
/// # use model::color::{Color, Share};
/// # use engine::canary::Watched;
/// # use engine::cutover;
/// # use engine::run::Run;
/// async fn without_a_gate(run: &Run<'_>, share: Share) {
///     cutover::step(run, Color::Green, share, Watched::No).await.ok();
/// }
/// ```
///
/// # Errors
/// When that was not proven: then none more is sent there.
pub async fn step(run: &Run<'_>, passed: &Gated, share: Share, watched: Watched) -> Result<(), Failure> {
    if passed.color() == run.from.color || run.from.share.is_some_and(|before| before > share) {
        return Err(Failure::failed(format!("{share} is no step up on {}", run.from)));
    }
    canary::lay_out(run.app, run.from, share, watched)?;
    let works = reload_would_work(run.app).await?;
    swap(run, Goal::More(passed, share), None, works).await?;
    participant::agree(run).await
}

/// Sends fewer visitors to the other color, or none any more.
///
/// # Errors
/// When that was not proven.
pub async fn step_down(run: &Run<'_>, share: Option<Share>, watched: Watched) -> Result<(), Failure> {
    if let Some(share) = share {
        canary::lay_out(run.app, run.from, share, watched)?;
    }
    let works = reload_would_work(run.app).await?;
    swap(run, Goal::Fewer(share), None, works).await
}

/// Moves the route to its goal: the journal, the rename, NGINX, the proof.
///
/// # Errors
/// When it did not move, or was not proven to: then it does not stay there.
async fn swap(
    run: &Run<'_>,
    goal: Goal<'_>,
    prober: Option<&Running>,
    works: ReloadWorks,
) -> Result<(), Failure> {
    let app = run.app;
    let (to, passed) = (goal.route(run.from), goal.gated());
    let release = passed.and_then(|passed| passed.deployment().release);
    run.swaps(to, release.as_ref())?;
    let began = Instant::now();
    let note = || prober.into_iter().for_each(Running::swapped);
    let swapped = app.switcher.swap(run.from, to, works.0, note).await;
    prober.into_iter().for_each(Running::followed);
    let reached = match swapped {
        Ok(()) => match goal {
            Goal::More(..) | Goal::Fewer(_) if let Err(unverified) = is_at(app, to) => Err(unverified),
            // Whoever sends fewer visitors to a color that fails wants just that.
            Goal::Fewer(_) => verify_live(app, to).await,
            _ => match verify(app, to, passed.is_some()).await {
                Ok(proof) => as_healthy(run, to, proof).await,
                Err(unverified) => Err(unverified),
            },
        },
        Err(SwitchError::ReloadFailed(failed)) => Err(failed.into()),
        Err(kept) => return Err(unmoved(app, run.from, kept).await),
    };
    match reached {
        Ok(proof) => {
            let took = began.elapsed();
            if let Err(failure) = run.has_proven() {
                // Proven and unwritten: the next command proves it again.
                run.sink.emit(Event::Warned(Warning::StepFailed {
                    step: Step::RecordProof,
                    problem: failure.what,
                }));
            }
            if let Goal::More(..) | Goal::Fewer(_) = goal {
                run.sink.emit(Event::Stepped {
                    color: to.color.other(),
                    share: to.share,
                    paths: proof.paths,
                    listeners: proof.listeners,
                    took_ms: millis(took),
                });
            } else if passed.is_some() {
                run.sink.emit(Event::TrafficMoved {
                    from: run.live(),
                    to: traffic::deployment(app, to.color),
                    paths: proof.paths,
                    listeners: proof.listeners,
                    took_ms: took.as_secs_f64() * 1000.0,
                });
            }
            Ok(())
        }
        Err(unverified) => Err(unverified.into_failure(run.from.color, shown(to))),
    }
}

/// The color that visitors newly get on `route`.
fn shown(route: Route) -> Color {
    match route.share {
        Some(_) => route.color.other(),
        None => route.color,
    }
}

/// A color that fails may be live where the one before it failed in the same way.
async fn as_healthy(run: &Run<'_>, to: Route, proof: Verification) -> Result<Verification, Unverified> {
    if proof.sick.is_empty() {
        return Ok(proof);
    }
    let (color, live) = (shown(to), run.live());
    let alike = live.release.is_none() || fails_alike(run.app, live.color, &proof.sick).await;
    let source = Unhealthy(proof.sick);
    if !alike {
        return Err(Unverified::Unhealthy { color, source });
    }
    run.sink.emit(Event::Warned(Warning::UnhealthyAnyway {
        color,
        problem: source.to_string(),
        alike: live.release.is_some().then_some(live.color),
    }));
    Ok(Verification {
        sick: Vec::new(),
        ..proof
    })
}

/// The link stands as it was; whether NGINX does too is looked at where root's program tried.
async fn unmoved(app: &App, from: Route, error: SwitchError) -> Failure {
    let failure = Failure::failed("the live link was not replaced");
    if !matches!(error, SwitchError::Refused(_)) {
        return failure.because(error).with_traffic(traffic::unchanged(app));
    }
    let live = traffic::deployment(app, from.color);
    let traffic = match prove_back(app, from, live.release.is_some(), Ok(())).await {
        Ok(_) => Traffic::Unchanged { live },
        Err(unverified) => Traffic::Unknown {
            seen: format!("the link says {from}; {}", in_one_line(&unverified)),
        },
    };
    failure
        .because(error)
        .hint("`bg check` tells whether `bluegreen-swap` and its sudo rule are in place")
        .with_traffic(traffic)
}

/// The prober, where a healthy color stands on both sides: before the first deploy every
/// request fails, and behind the maintenance page none reaches a color.
fn evidence(run: &Run<'_>) -> Option<Running> {
    let app = run.app;
    run.live().release.as_ref()?;
    if run.from.maintenance || app.config.evidence.window.0.is_zero() {
        return None;
    }
    let path = app
        .config
        .evidence
        .path
        .as_ref()
        .or_else(|| app.config.nginx.paths.first())?;
    let old = SocketAddr::from(([127, 0, 0, 1], app.config.process.ports.of(run.from.color)));
    let watched = ProbeTraffic {
        endpoint: app.paced_doors().into_iter().next()?,
        path: path.clone(),
        old: Some(old),
        maintenance: false,
        window: app.config.evidence.window.0,
    };
    watched.start().ok()
}

fn told(counted: &Counted) -> Event {
    Event::Counted {
        sent: counted.sent,
        failed: counted.failed,
        failures: counted.failures.clone(),
        window_ms: millis(counted.window),
        last_old_ms: counted.last_old_ms,
        enough: counted.enough,
        by_nginx: counted.by_nginx.clone(),
    }
}

/// What a switch is recorded as.
fn summary(run: &Run<'_>, switched: &Switched, release: &ReleaseId) -> String {
    let subject = releases::read(&run.app.layout, release).map(|manifest| manifest.subject);
    let subject = subject.map_or(String::new(), |subject| format!(" \"{subject}\""));
    let count = switched.counted.as_ref().map_or(String::new(), |counted| {
        format!(
            ", {} requests around the switch, {} failed",
            counted.sent, counted.failed
        )
    });
    let way = match &switched.replaced.release {
        Some(_) => format!("{} → {}", switched.replaced.color, switched.live.color),
        None => switched.live.color.to_string(),
    };
    let forced = forced(switched.forced.as_deref());
    let worker = switched.workers.as_ref().err();
    let worker = worker.map_or(String::new(), |failure| format!(", {}", failure.what));
    format!("{way} ({}{subject}){count}{worker}{forced}", release.short())
}

/// What the record of a run says about its gate, when that was forced.
#[must_use]
pub fn forced(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(", gate forced: {reason}"))
}
