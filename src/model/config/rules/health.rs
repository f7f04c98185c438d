//! The gate: its HTTP checks and its smoke command; and the path of the evidence.

use std::collections::BTreeMap;

use super::super::{Config, HealthCheck};
use super::findings::Findings;
use super::value::{Verdict, is_token, text, url_path, word, wrong};

/// The key under which `toml` hands a date to other formats.
const DATE: &str = "$__toml_private_datetime";

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    if config.health.is_empty() {
        findings.value(
            "health",
            wrong(
                "is empty, so that no release would be looked at",
                "write `[[health]]` with `path = \"/health\"`, or leave it out for `GET /`",
            ),
        );
    }
    for (index, health) in config.health.iter().enumerate() {
        one(&format!("health.{index}"), health, findings);
    }
    if let Some(smoke) = &config.gate.smoke {
        findings.value("gate.smoke", smoke_command(smoke));
    }
    if let Some(path) = &config.evidence.path {
        findings.value("evidence.path", url_path(path, "/"));
    }
}

fn one(key: &str, health: &HealthCheck, findings: &mut Findings<'_, '_>) {
    findings.value(&format!("{key}.path"), url_path(&health.path, "/health"));
    findings.value(&format!("{key}.method"), method(&health.method));
    if let Some(host) = &health.host {
        findings.value(&format!("{key}.host"), host_header(host));
    }
    headers(
        &format!("{key}.headers"),
        &health.headers,
        ("the key `host`", "write `host = \"example.com\"` beside `path`"),
        findings,
    );
    if health.expect.is_empty() {
        let verdict = wrong("is empty", "write each status that is healthy, as `[200]`");
        findings.value(&format!("{key}.expect"), verdict);
    }
    findings.each(
        &format!("{key}.expect"),
        health.expect.iter().map(|status| statuscode(*status)),
    );
    if health.contains.as_deref() == Some("") {
        findings.value(
            &format!("{key}.contains"),
            wrong(
                "is empty, which every answer contains",
                "write some text, or leave it out",
            ),
        );
    }
    if let Some(json) = &health.json
        && json.equals.to_string().contains(DATE)
    {
        let verdict = wrong("is a date, which JSON does not have", "write it in quotes");
        findings.value(&format!("{key}.json.equals"), verdict);
    }
    if let Some(json) = &health.json
        && !json.pointer.is_empty()
        && !json.pointer.starts_with('/')
    {
        let way = json.pointer.trim_start_matches('$').trim_start_matches('.');
        findings.value(
            &format!("{key}.json.pointer"),
            wrong(
                "is not a JSON pointer",
                format!("write `\"/{}\"`", way.replace('.', "/")),
            ),
        );
    }
}

/// Headers of requests, and what says their Host: its key, and how to write that.
pub(super) fn headers(
    key: &str,
    headers: &BTreeMap<String, String>,
    host: (&str, &str),
    findings: &mut Findings<'_, '_>,
) {
    for (name, value) in headers {
        findings.entry_name(key, name, header_name(name, host));
        findings.entry(key, name, header_value(value));
    }
}

fn method(method: &str) -> Verdict {
    let upper = method.to_ascii_uppercase();
    if !is_token(method) {
        return wrong("is not an HTTP method", "write one word, as `\"GET\"`");
    }
    match upper == method {
        true => Ok(()),
        false => wrong(
            "is not an HTTP method: methods are upper-case",
            format!("write `\"{upper}\"`"),
        ),
    }
}

fn host_header(host: &str) -> Verdict {
    word(host, "example.com")?;
    match host.contains('/') {
        true => wrong("is not a host name", "write the name alone, as `\"example.com\"`"),
        false => Ok(()),
    }
}

fn header_name(name: &str, (by, write): (&str, &str)) -> Verdict {
    if !is_token(name) {
        return wrong("is not a header name", "write one word, as `X-Forwarded-For`");
    }
    match name.eq_ignore_ascii_case("host") {
        true => wrong(format!("is set by {by}"), format!("remove it, and {write}")),
        false => Ok(()),
    }
}

fn header_value(value: &str) -> Verdict {
    match value.chars().all(|c| matches!(c, ' '..='~')) {
        true => Ok(()),
        false => wrong(
            "contains a line break or another character that no header may have",
            "write plain ASCII on one line",
        ),
    }
}

fn statuscode(status: u16) -> Verdict {
    match (100..=599).contains(&status) {
        true => Ok(()),
        false => wrong("is not an HTTP status", "write one from 100 to 599"),
    }
}

fn smoke_command(smoke: &str) -> Verdict {
    let example = "bin/smoke";
    if smoke.trim().is_empty() {
        return text("", example);
    }
    match shlex::split(smoke) {
        Some(words) if !words.is_empty() => Ok(()),
        _ => wrong(
            "cannot be read: the quotes do not pair up",
            "close every quote, or escape it",
        ),
    }
}
