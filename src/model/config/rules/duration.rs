//! Durations: long enough, and no slip of the unit; and how many releases are kept.

use std::time::Duration;

use super::super::duration::Span;
use super::super::{Config, KeepWarm};
use super::findings::Findings;
use super::value::{Verdict, wrong};

/// A day. Whatever is meant to take longer is a slip of the unit.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
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
    if let KeepWarm::For(span) = config.keep.warm {
        let warm = match span.0.is_zero() {
            true => wrong("is zero", "write `\"never\"`"),
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

pub(super) fn some_time(span: Span) -> Verdict {
    match span.0.is_zero() {
        true => wrong("is zero", "write a duration above zero, as `\"5s\"`"),
        false => Ok(()),
    }
}

pub(super) fn not_too_long(span: Span) -> Verdict {
    match span.0 > LONGEST {
        true => wrong("is longer than a day", "write `\"24h\"` or less"),
        false => Ok(()),
    }
}
