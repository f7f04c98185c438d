//! The gate: what a color must show before traffic may go to it. Only this module can make
//! a [`Gated`], and a cutover takes nothing else.

use std::time::{Duration, Instant};

use keeper::launcher;
use keeper::pm2::Proc;
use model::color::Color;
use model::config::Config;
use model::event::{Event, Note, Sink, millis};
use model::failure::{Deployment, Failure};
use model::release::ReleaseId;

use crate::app::{App, site_host};
use crate::health::{self, Pace, Probe, Round};
use crate::slot::{self, Running};

pub mod advice;
mod identity;
mod kept;
mod refusal;
mod settled;

use identity::{Identity, who_answers};
pub use kept::{Mismatch, kept, warm};
pub use refusal::Refusal;
use settled::Settled;

/// How often a starting or soaking process is looked at between rounds of checks: often
/// enough to refuse a crash at once, cheap enough not to disturb the app's start.
const GLANCE: Duration = Duration::from_millis(100);

/// How often a starting process is looked at until it listens: the kernel is asked and not
/// the app, and whoever deploys waits for it.
const LISTENS_YET: Duration = Duration::from_millis(20);

/// How long after a cut answer the process may still be there: a dying app closes its
/// connections first.
const DYING: Duration = Duration::from_millis(500);

/// How long PM2 may take to notice an end.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// How long after that PM2 may take to write down the app's last words.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A color that passed the gate.
#[derive(Debug)]
pub struct Gated {
    color: Color,
    release: ReleaseId,
    forced: Option<String>,
}

impl Gated {
    /// The color.
    #[must_use]
    pub fn color(&self) -> Color {
        self.color
    }

    /// The color and its release.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        Deployment {
            color: self.color,
            release: Some(self.release.clone()),
        }
    }

    /// The operator's reason, where the gate was forced.
    #[must_use]
    pub fn forced_because(&self) -> Option<&str> {
        self.forced.as_deref()
    }

    /// Goes past a gate that was not passed: the operator gave a reason, which is recorded.
    ///
    /// # Errors
    /// The refusal, where going past it would lead nowhere.
    pub fn forced(
        running: &Running,
        reason: &str,
        refusal: Refusal,
        sink: &dyn Sink,
    ) -> Result<Gated, Refusal> {
        if !refusal.can_be_forced(running) {
            return Err(refusal);
        }
        sink.emit(Event::GateForced {
            color: running.color,
            reason: reason.to_owned(),
            problem: [vec![refusal.problem], refusal.probes].concat().join("; "),
        });
        Ok(Gated {
            forced: Some(reason.to_owned()),
            ..Gated::by(running)
        })
    }

    /// The same, for one that did not start when it was tried: the operator's reason to go on.
    #[must_use]
    pub fn despite(mut self, reason: Option<String>) -> Gated {
        self.forced = self.forced.or(reason);
        self
    }

    fn by(running: &Running) -> Gated {
        Gated {
            color: running.color,
            release: running.manifest.id.clone(),
            forced: None,
        }
    }
}

/// The whole gate, for a process that was just started.
///
/// # Errors
/// The first thing that is wrong: at once when the process ended or is not what it should
/// be, at the deadline when its checks never passed.
pub async fn full(app: &App, running: &Running, sink: &dyn Sink) -> Result<Gated, Refusal> {
    let started = Instant::now();
    let settings = &running.manifest.config.gate;
    match shut_out(app, running, sink, started).await {
        Ok(round) => {
            sink.emit(Event::GatePassed {
                color: running.color,
                passed: round.probes.iter().filter(|probe| probe.outcome.is_ok()).count(),
                probes: round.probes.len(),
                slowest_ms: round.slowest().unwrap_or_default().as_secs_f64() * 1000.0,
                soaked_ms: millis(settings.soak.0),
                took_ms: millis(started.elapsed()),
            });
            Ok(Gated::by(running))
        }
        Err(mut refusal) => {
            refusal.log = slot::log_since(app, running);
            let advice = advice::on_missing_module(&refusal.log, &running.manifest.config);
            refusal.hints.extend(advice);
            Err(refusal.without_secrets(app, running))
        }
    }
}

async fn shut_out(app: &App, running: &Running, sink: &dyn Sink, started: Instant) -> Result<Round, Refusal> {
    let round = first_healthy_round(app, running, started).await?;
    soak(app, running).await?;
    smoke(app, running, sink).await?;
    Ok(round)
}

async fn first_healthy_round(app: &App, running: &Running, started: Instant) -> Result<Round, Refusal> {
    let settings = &running.manifest.config.gate;
    let mut tried: Vec<Probe> = Vec::new();
    let mut settled = Settled::default();
    let mut not_yet;
    loop {
        still_running(app, running).await?;
        let mut pause = settings.interval.0;
        match who_answers(running) {
            Ok(()) => {
                let round = round(
                    running,
                    health::full_gate_times(running.manifest.config.process.workers),
                    Pace::Until(started + settings.timeout.0),
                )
                .await;
                if round.is_healthy() {
                    return Ok(round);
                }
                not_yet = "its checks did not pass".to_owned();
                let is_settled = settled.by(&round, || slot::log_since(app, running));
                tried.extend(round.probes);
                if is_settled {
                    let problem = format!("{not_yet}, and waiting longer would not change that");
                    return Err(Refusal::of_checks(problem, &tried));
                }
            }
            Err(Identity::NotYet(problem)) => {
                not_yet = problem;
                pause = LISTENS_YET.min(pause);
            }
            Err(Identity::Wrong(problem)) => return Err(Refusal::new(problem)),
        }
        if started.elapsed() >= settings.timeout.0 {
            let elsewhere = refusal::elsewhere(running);
            let problem = format!("{not_yet} within {}{elsewhere}", settings.timeout);
            return Err(Refusal::of_checks(problem, &tried));
        }
        watch(app, running, pause).await?;
    }
}

/// Waits, but not past the end of the process.
async fn watch(app: &App, running: &Running, pause: Duration) -> Result<(), Refusal> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if !running.process.alive() {
            return still_running(app, running).await;
        }
        tokio::time::sleep(GLANCE.min(until.saturating_duration_since(Instant::now()))).await;
    }
    Ok(())
}

async fn soak(app: &App, running: &Running) -> Result<(), Refusal> {
    let settings = &running.manifest.config.gate;
    let until = Instant::now() + settings.soak.0;
    while Instant::now() < until {
        let pause = settings
            .interval
            .0
            .min(until.saturating_duration_since(Instant::now()));
        watch(app, running, pause).await?;
        still_running(app, running).await?;
        let round = round(running, 1, Pace::InTurn).await;
        if !round.is_healthy() {
            watch(app, running, DYING).await?;
            let problem = "it became unhealthy during the soak";
            return Err(Refusal::of_checks(problem, &round.probes));
        }
    }
    still_running(app, running).await?;
    who_answers(running).map_err(Refusal::of_identity)
}

async fn smoke(app: &App, running: &Running, sink: &dyn Sink) -> Result<(), Refusal> {
    let config = &running.manifest.config;
    let Some(smoke) = &config.gate.smoke else {
        return Ok(());
    };
    let words = shlex::split(smoke).unwrap_or_default();
    if words.is_empty() {
        return Ok(());
    }
    let port = running.manifest.ports.of(running.color);
    let command = launcher::command(&app.layout, running.color, &running.manifest, &words)
        .map_err(|error| Refusal::new(format!("`gate.smoke` has no environment: {error}")))?;
    let ran = command
        .env("BG_URL", format!("http://127.0.0.1:{port}"))
        .env("BG_COLOR", running.color.name())
        .env("BG_RELEASE", running.manifest.id.as_str())
        .deadline(config.timeouts.smoke.0)
        .run()
        .await;
    match ran {
        Ok(_) => {
            sink.emit(Event::Noted(Note::SmokePassed {
                command: smoke.clone(),
            }));
            Ok(())
        }
        Err(error) => Err(Refusal {
            answers: true,
            ..Refusal::new(format!("`gate.smoke` failed: {error}"))
        }),
    }
}

/// The brief gate, for a color that is kept warm: its process, who it is, and one round of
/// its checks, all at once.
///
/// # Errors
/// What is wrong with it.
pub async fn brief(app: &App, running: &Running) -> Result<Gated, Refusal> {
    who_answers(running).map_err(Refusal::of_identity)?;
    let round = round(running, 1, Pace::AtOnce).await;
    if round.is_healthy() {
        return Ok(Gated::by(running));
    }
    let mut refusal = Refusal::of_checks("its checks did not pass", &round.probes);
    refusal.log = slot::log_since(app, running);
    Err(refusal.without_secrets(app, running))
}

/// The same for a release that a color shall hold, where NGINX asks for it; `hint` is what helps where
/// it does not run.
///
/// # Errors
/// What is wrong with it.
pub async fn brief_of(app: &App, color: Color, release: &ReleaseId, hint: &str) -> Result<Gated, Failure> {
    let manifest = slot::read_manifest(app, release)?;
    slot::is_where_nginx_asks(app, color, &manifest)?;
    let running = warm(app, color, manifest)
        .await
        .map_err(|why| Failure::failed(format!("{color} does not run: {why}")).hint(hint))?;
    let passed = brief(app, &running).await;
    passed.map_err(|refusal| refusal.into_failure(color))
}

async fn round(running: &Running, times: u32, pace: Pace) -> Round {
    let config = &running.manifest.config;
    let target = target(config, running.manifest.ports.of(running.color));
    health::round(&target, &config.health, times, config.gate.attempt.0, pace).await
}

/// Whom the checks of `config` ask, for an app that listens on `port`.
pub fn target(config: &Config, port: u16) -> health::Target {
    health::Target {
        port,
        site_host: site_host(config),
        https: has_tls(config),
    }
}

fn has_tls(config: &Config) -> bool {
    config
        .nginx
        .listen
        .iter()
        .any(|listen| listen.split_whitespace().any(|word| word == "ssl"))
}

async fn still_running(app: &App, running: &Running) -> Result<(), Refusal> {
    if running.process.alive() {
        return Ok(());
    }
    let after = running.since.elapsed();
    let state = noticed(app, running).await;
    tokio::time::sleep(LAST_WORDS).await;
    Err(Refusal::new(ended(after, state.as_ref())))
}

/// What PM2 says about a process that has ended, once it has noticed.
async fn noticed(app: &App, running: &Running) -> Option<Proc> {
    let deadline = Instant::now() + NOTICED_WITHIN;
    loop {
        let entries = app.pm2.named(&app.process(running.color)).await;
        let entry = entries.ok().and_then(|mut entries| entries.pop());
        let old = entry
            .as_ref()
            .is_some_and(|entry| entry.pid == Some(running.process.pid));
        if !old || Instant::now() >= deadline {
            return entry;
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn ended(after: Duration, state: Option<&Proc>) -> String {
    let code = state.and_then(|state| state.exit_code);
    let state = state.map_or(String::new(), |state| {
        format!(" (PM2: {}, {} restarts)", state.status, state.restarts)
    });
    end_of(after, code) + &state
}

/// How a process ended by itself, in words.
pub fn end_of(after: Duration, code: Option<impl std::fmt::Display>) -> String {
    let how = code.map_or(String::new(), |code| format!(" with exit code {code}"));
    format!(
        "its process ended {:.1} s after its start{how}",
        after.as_secs_f64()
    )
}
