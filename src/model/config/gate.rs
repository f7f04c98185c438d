//! `[gate]` and `[[health]]`: what stands in front of traffic.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use super::duration::Span;

/// One HTTP check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// The path, with its query.
    pub path: String,
    /// The method.
    #[serde(default = "defaults::method")]
    pub method: String,
    /// The Host header. Default: the site's first server name.
    #[serde(default)]
    pub host: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Every status that counts as healthy.
    #[serde(default = "defaults::expect")]
    pub expect: Vec<u16>,
    /// Text that the body must contain.
    #[serde(default)]
    pub contains: Option<String>,
    /// A value in a JSON body.
    #[serde(default)]
    pub json: Option<JsonCheck>,
}

impl HealthCheck {
    /// The check of a path about which nothing else is said.
    #[must_use]
    pub fn of(path: &str) -> HealthCheck {
        HealthCheck {
            path: path.to_owned(),
            method: defaults::method(),
            host: None,
            headers: BTreeMap::new(),
            expect: defaults::expect(),
            contains: None,
            json: None,
        }
    }

    pub(super) fn usual() -> Vec<HealthCheck> {
        vec![HealthCheck::of("/")]
    }
}

/// A value in a JSON body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonCheck {
    /// A JSON pointer, as `/status` or `/checks/0/ok`.
    pub pointer: String,
    /// What it must be.
    pub equals: serde_json::Value,
}

/// The gate in front of traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// The deadline for the first healthy round.
    pub timeout: Span,
    /// The deadline of one request.
    pub attempt: Span,
    /// The pause after a failed round.
    pub interval: Span,
    /// How long the app must stay up and healthy after that.
    pub soak: Span,
    /// A command run in the release with `BG_URL` set; it must exit 0.
    pub smoke: Option<String>,
    /// How a release is tried before the idle color is stopped for it.
    pub preflight: Preflight,
    /// How many of the pages that visitors asked for last are asked of both colors before traffic
    /// moves: a release on which one fails is refused.
    pub compare: usize,
}

/// How a release is tried before the idle color is stopped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preflight {
    /// It is started on a spare port of 127.0.0.1 until it answers, and ended.
    Start,
    /// Its module is imported, which needs the memory of one process.
    Import,
    /// Not at all: its first start is the one in its slot.
    Off,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            timeout: Span::seconds(30),
            attempt: Span::seconds(5),
            interval: Span::seconds(1),
            soak: Span::seconds(5),
            smoke: None,
            preflight: Preflight::Start,
            compare: 0,
        }
    }
}
