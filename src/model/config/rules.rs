//! What the values of a `bg.toml` must be, where their types allow more.

mod fleet;
mod health;
mod hooks;
mod nginx;
mod open;
mod process;
mod source;
mod value;
mod worker;

pub use source::{is_app_name, source_address};

use std::ops::Range;
use std::time::Duration;

use super::Config;
use super::duration::Span;
use super::mistake::Mistake;
use super::place::{Places, dotted};
use value::{Verdict, wrong};

/// A day. Whatever is meant to take longer is a slip of the unit.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Every rule that `config` breaks.
pub(super) fn broken(config: &Config, places: &Places<'_>) -> Vec<Mistake> {
    let mut findings = Findings {
        places,
        mistakes: Vec::new(),
    };
    open::check(config, &mut findings);
    if !findings.mistakes.is_empty() {
        return findings.mistakes;
    }
    source::check(config, &mut findings);
    process::check(config, &mut findings);
    health::check(config, &mut findings);
    nginx::check(&config.nginx, config.process.ports, &mut findings);
    fleet::check(config, &mut findings);
    worker::check(config, &mut findings);
    hooks::check(config, &mut findings);
    durations(config, &mut findings);
    findings.mistakes
}

/// The mistakes found so far.
struct Findings<'p, 't> {
    places: &'p Places<'t>,
    mistakes: Vec<Mistake>,
}

impl Findings<'_, '_> {
    /// The value at `key`, as `nginx.listen.0`.
    fn value(&mut self, key: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').collect();
        self.note(self.places.value(&path), &path, verdict);
    }

    /// Each value of the list at `key`.
    fn each(&mut self, key: &str, verdicts: impl IntoIterator<Item = Verdict>) {
        for (index, verdict) in verdicts.into_iter().enumerate() {
            self.value(&format!("{key}.{index}"), verdict);
        }
    }

    /// The name of an entry of the table at `key`; the name may contain dots.
    fn entry_name(&mut self, key: &str, name: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').chain([name]).collect();
        self.note(self.places.key(&path), &path, verdict);
    }

    /// The value of an entry of the table at `key`; its name may contain dots.
    fn entry(&mut self, key: &str, name: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').chain([name]).collect();
        self.note(self.places.value(&path), &path, verdict);
    }

    /// Whether `key` is in the file rather than a default.
    fn is_written(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        self.places.get(&path).is_some()
    }

    fn note(&mut self, span: Range<usize>, path: &[&str], verdict: Verdict) {
        if let Err(wrong) = verdict {
            self.mistakes.push(Mistake {
                span: match wrong.part {
                    Some(part) => self.places.part(span, &part),
                    None => span,
                },
                what: format!("`{}` {}", dotted(path), wrong.what),
                write: wrong.write,
                note: None,
            });
        }
    }
}

fn durations(config: &Config, findings: &mut Findings<'_, '_>) {
    let (gate, drain, timeouts) = (&config.gate, &config.drain, &config.timeouts);
    let may_be_zero = [
        ("gate.soak", gate.soak),
        ("drain.quiet", drain.quiet),
        ("drain.timeout", drain.timeout),
        ("evidence.window", config.evidence.window),
    ];
    let above_zero = [
        ("process.stop_timeout", config.process.stop_timeout),
        ("gate.timeout", gate.timeout),
        ("gate.attempt", gate.attempt),
        ("gate.interval", gate.interval),
        ("nginx.proxy_timeout", config.nginx.proxy_timeout),
        ("timeouts.fetch", timeouts.fetch),
        ("timeouts.build", timeouts.build),
        ("timeouts.reload", timeouts.reload),
        ("timeouts.proof", timeouts.proof),
        ("timeouts.smoke", timeouts.smoke),
    ];
    for (key, span) in may_be_zero {
        findings.value(key, not_too_long(span));
    }
    for (key, span) in above_zero {
        findings.value(key, some_time(span).and_then(|()| not_too_long(span)));
    }
    if let super::KeepWarm::For(span) = config.keep.warm {
        let warm = match span.0.is_zero() {
            true => wrong("is no time at all", "write `\"never\"`"),
            false => not_too_long(span),
        };
        findings.value("keep.warm", warm);
    }
    if gate.attempt > gate.timeout {
        let key = match findings.is_written("gate.attempt") {
            true => "gate.attempt",
            false => "gate.timeout",
        };
        findings.value(key, attempt_fits(key, gate.attempt, gate.timeout));
    }
    if config.keep.releases < 2 {
        findings.value(
            "keep.releases",
            wrong(
                "leaves no release to roll back to",
                "write `2` or more: the live one and the one before",
            ),
        );
    }
}

fn attempt_fits(key: &str, attempt: Span, timeout: Span) -> Verdict {
    if key == "gate.attempt" {
        return wrong(
            format!("is longer than `gate.timeout`, {timeout}"),
            format!("write `\"{timeout}\"` or less, or a longer `timeout`"),
        );
    }
    wrong(
        format!("is shorter than `gate.attempt`, {attempt}"),
        format!("write `\"{attempt}\"` or more, or a shorter `attempt`"),
    )
}

fn some_time(span: Span) -> Verdict {
    match span.0.is_zero() {
        true => wrong("is no time at all", "write a duration above zero, as `\"5s\"`"),
        false => Ok(()),
    }
}

fn not_too_long(span: Span) -> Verdict {
    match span.0 > LONGEST {
        true => wrong("is longer than a day", "write `\"24h\"` or less"),
        false => Ok(()),
    }
}
