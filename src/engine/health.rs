//! The gate's HTTP part: asks a slot directly, on its own port, as NGINX would ask it for
//! a visitor, and says in words what was wrong.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use model::config::HealthCheck;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinSet;
use web::http::{Answer, Client, HttpError};

mod verdict;

pub use verdict::Unhealthy;

/// A summary names this many different results; an app that puts a request number into
/// each error page would fill the screen otherwise.
const RESULTS_SHOWN: usize = 6;

/// The slot that is asked, and the site it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The slot's port on 127.0.0.1.
    pub port: u16,
    /// The site's first server name.
    pub site_host: String,
    /// Whether visitors come through TLS (the site has an `ssl` listener).
    pub https: bool,
}

/// How the repetitions of one check are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One after the other, up to the first that fails: the soak.
    InTurn,
    /// The same, but from this moment on none is begun any more, except the first: the full
    /// gate, whose deadline a slow app would outlast otherwise, check by check.
    Until(Instant),
    /// All at the same time: the brief gate.
    AtOnce,
}

impl Pace {
    fn is_over(self) -> bool {
        matches!(self, Pace::Until(moment) if Instant::now() >= moment)
    }
}

/// One request of the gate.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What was asked, as `GET http://127.0.0.1:5001/health`.
    pub check: String,
    /// Healthy, or what was wrong.
    pub outcome: Result<(), Unhealthy>,
    /// When it began.
    pub at: Instant,
    /// How long it took, whatever came of it.
    pub took: Duration,
}

/// Every check, each as often as asked for.
#[derive(Clone, Debug)]
pub struct Round {
    /// The probes, check by check.
    pub probes: Vec<Probe>,
    /// Whether it was ended before each check had been made as often as asked for.
    pub cut_short: bool,
}

impl Round {
    /// Whether every probe was healthy. A round without a probe is not, nor one cut short.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.probes.is_empty() && !self.cut_short && self.probes.iter().all(|probe| probe.outcome.is_ok())
    }

    /// The slowest healthy answer.
    #[must_use]
    pub fn slowest(&self) -> Option<Duration> {
        let healthy = self.probes.iter().filter(|probe| probe.outcome.is_ok());
        healthy.map(|probe| probe.took).max()
    }
}

/// How often the full gate makes each check: three times per worker, on separate
/// connections, so that most likely every worker has answered (and has been warmed).
#[must_use]
pub fn full_gate_times(workers: u32) -> u32 {
    workers.saturating_mul(3).max(3)
}

/// Makes every check `times` times, each request on a fresh connection with `attempt` as
/// its deadline. In turn, a check that fails is not repeated in this round.
pub async fn round(
    target: &Target,
    checks: &[HealthCheck],
    times: u32,
    attempt: Duration,
    pace: Pace,
) -> Round {
    let mut round = Round {
        probes: Vec::new(),
        cut_short: false,
    };
    for check in checks {
        if pace == Pace::AtOnce {
            round.probes.extend(at_once(target, check, times, attempt).await);
            continue;
        }
        for _ in 0..times {
            if pace.is_over() && !round.probes.is_empty() {
                round.cut_short = true;
                return round;
            }
            let probe = probe(target, check, attempt).await;
            let failed = probe.outcome.is_err();
            round.probes.push(probe);
            if failed {
                break;
            }
        }
    }
    round
}

async fn at_once(target: &Target, check: &HealthCheck, times: u32, attempt: Duration) -> Vec<Probe> {
    let mut running = JoinSet::new();
    for _ in 0..times {
        let (target, check) = (target.clone(), check.clone());
        running.spawn(async move { probe(&target, &check, attempt).await });
    }
    running.join_all().await
}

async fn probe(target: &Target, check: &HealthCheck, attempt: Duration) -> Probe {
    let at = Instant::now();
    let outcome = match ask(target, check, attempt).await {
        Ok(answer) => verdict::judge(&answer, check, host(target, check)),
        Err(error) => Err(error.into()),
    };
    Probe {
        check: format!("{} http://127.0.0.1:{}{}", check.method, target.port, check.path),
        outcome,
        at,
        took: at.elapsed(),
    }
}

async fn ask(target: &Target, check: &HealthCheck, attempt: Duration) -> Result<Answer, HttpError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target.port));
    let client = Client::new(address, host(target, check), false)?;
    let headers = headers(target, check)?;
    client.ask(&check.method, &check.path, headers, attempt).await
}

fn host<'a>(target: &'a Target, check: &'a HealthCheck) -> &'a str {
    check.host.as_deref().unwrap_or(&target.site_host)
}

/// Asks for a page as NGINX would for a visitor, with `header` besides.
///
/// # Errors
/// When no complete answer comes back.
pub async fn page(
    target: &Target,
    path: &str,
    header: (HeaderName, HeaderValue),
    attempt: Duration,
) -> Result<Answer, HttpError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target.port));
    let mut headers = headers(target, &HealthCheck::of(path))?;
    headers.insert(header.0, header.1);
    Client::new(address, &target.site_host, false)?
        .ask("GET", path, headers, attempt)
        .await
}

/// What NGINX would send along for a visitor, then the check's own headers, which win.
fn headers(target: &Target, check: &HealthCheck) -> Result<HeaderMap, HttpError> {
    let scheme = if target.https { "https" } else { "http" };
    let forwarded = [
        ("x-forwarded-proto", scheme),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host(target, check)),
    ];
    let own = check
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut headers = HeaderMap::new();
    for (name, value) in forwarded.into_iter().chain(own) {
        let bad = |what: &str| HttpError::BadRequest {
            what: what.to_owned(),
        };
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(name))?,
            HeaderValue::from_str(value).map_err(|_| bad(value))?,
        );
    }
    Ok(headers)
}

/// What to change for the answers of `probes`, each advice once.
#[must_use]
pub fn advice(probes: &[Probe]) -> Vec<String> {
    let advice = probes
        .iter()
        .filter_map(|probe| probe.outcome.as_ref().err()?.advice());
    let mut once: Vec<String> = Vec::new();
    for text in advice {
        if !once.iter().any(|known| known == text) {
            once.push(text.to_owned());
        }
    }
    once
}

/// Every different result of `probes` once, in order of appearance, with its count:
/// `GET http://127.0.0.1:5001/health: connection refused (12 tries)`. Where a check had
/// more than one result, the times of the first and the last are added, in seconds since
/// the first probe of all.
#[must_use]
pub fn summary(probes: &[Probe]) -> Vec<String> {
    let mut results: Vec<Seen> = Vec::new();
    for probe in probes {
        let words = match &probe.outcome {
            Ok(()) => "healthy".to_owned(),
            Err(unhealthy) => unhealthy.to_string(),
        };
        let same = |seen: &&mut Seen| seen.check == probe.check && seen.words == words;
        match results.iter_mut().find(same) {
            Some(seen) => {
                seen.count += 1;
                seen.last = probe.at;
            }
            None => results.push(Seen {
                check: &probe.check,
                words,
                count: 1,
                first: probe.at,
                last: probe.at,
            }),
        }
    }
    let start = probes.iter().map(|probe| probe.at).min();
    let mut lines: Vec<String> = results
        .iter()
        .take(RESULTS_SHOWN)
        .map(|seen| {
            let alone = results.iter().filter(|other| other.check == seen.check).count() == 1;
            seen.line(start.filter(|_| !alone))
        })
        .collect();
    match results.len().saturating_sub(RESULTS_SHOWN) {
        0 => {}
        1 => lines.push("1 more result".into()),
        more => lines.push(format!("{more} more results")),
    }
    lines
}

/// One different result.
struct Seen<'a> {
    check: &'a str,
    words: String,
    count: usize,
    first: Instant,
    last: Instant,
}

impl Seen<'_> {
    fn line(&self, start: Option<Instant>) -> String {
        let tries = if self.count == 1 { "try" } else { "tries" };
        let mut line = format!("{}: {} ({} {tries}", self.check, self.words, self.count);
        if let Some(start) = start {
            let since = |at: Instant| at.saturating_duration_since(start).as_secs_f64();
            let (first, last) = (since(self.first), since(self.last));
            // Writing to a String cannot fail.
            if self.count == 1 {
                write!(line, ", at {first:.1} s").ok();
            } else {
                write!(line, ", from {first:.1} s to {last:.1} s").ok();
            }
        }
        line + ")"
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
