//! Events as JSON lines on stdout, then one result object.

use std::collections::BTreeMap;

use model::event::Event;
use model::failure::Failure;
use serde::Serialize;
use serde_json::json;

use super::streams::out;
use crate::text::{clean, notices};

pub(super) fn event(event: &Event) {
    line(&Told::from(event));
}

/// The same with the host it happened on.
pub(super) fn host_event(host: &str, event: &Event) {
    let event = Told::from(event);
    line(&OfHost { host, event });
}

pub(super) fn host_log_line(host: &str, text: &str) {
    line(&json!({"host": host, "line": text}));
}

/// The version of these lines, which each of them carries. Raised when a field goes or changes
/// its meaning; what is added does not raise it. `docs/json.md` says so to users.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T> {
    version: u32,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Serialize)]
struct OfHost<'a> {
    host: &'a str,
    #[serde(flatten)]
    event: Told<'a>,
}

/// An event, with its sentence where only that tells people what it is.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    sentence: BTreeMap<&'static str, String>,
}

impl<'a> From<&'a Event> for Told<'a> {
    fn from(event: &'a Event) -> Told<'a> {
        Told {
            event,
            sentence: notices::sentence(event).into_iter().collect(),
        }
    }
}

pub(super) fn result(code: u8, answer: &impl Serialize) {
    let result = if code == 0 { "done" } else { "failed" };
    line(&json!({"result": result, "exit_code": code, "answer": answer}));
}

pub(super) fn log_line(text: &str) {
    line(&json!({"line": text}));
}

pub(super) fn failure(failure: &Failure) {
    line(&json!({
        "result": "failed",
        "exit_code": failure.exit_code(),
        "error": failure.what,
        "causes": failure.causes(),
        "excerpt": failure.excerpt,
        "traffic": failure.traffic,
        "hints": failure.hints,
    }));
}

fn line(content: &impl Serialize) {
    let version = VERSION;
    if let Ok(text) = serde_json::to_string(&Line { version, content }) {
        out(&(clean::json(&text) + "\n"));
    }
}
