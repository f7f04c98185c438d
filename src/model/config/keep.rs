//! `[keep]` and `[drain]`: what is kept for a rollback, and how it is let go.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::{Span, Written};

/// What is kept for a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// How many releases stay on disk, counting the two colors; what served before what did not.
    pub releases: usize,
    /// How long the old color's process stays up after a switch.
    pub warm: KeepWarm,
}

impl Default for Keep {
    fn default() -> Self {
        Keep {
            releases: 5,
            warm: KeepWarm::Always,
        }
    }
}

/// How long the old color stays up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepWarm {
    /// Until the next deploy needs its slot.
    Always,
    /// Stopped at the end of the switch, for small machines.
    Never,
    /// Stopped by the first command after this long.
    For(Span),
}

impl Serialize for KeepWarm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            KeepWarm::Always => serializer.serialize_str("always"),
            KeepWarm::Never => serializer.serialize_str("never"),
            KeepWarm::For(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeepWarm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "`\"always\"`, `\"never\"` or a duration as `\"15m\"`";
        let text = deserializer.deserialize_str(Written(expected))?;
        match text.as_str() {
            "always" => Ok(KeepWarm::Always),
            "never" => Ok(KeepWarm::Never),
            other => other.parse().map(KeepWarm::For).map_err(|_| {
                Error::custom(format!(
                    "`{other}` is not a time to keep the old color warm: expected {expected}"
                ))
            }),
        }
    }
}

impl JsonSchema for KeepWarm {
    fn schema_name() -> Cow<'static, str> {
        "KeepWarm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["always", "never", "15m"]})
    }
}

/// How the old process of a slot is let go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long a slot must have been out of traffic before it may be used again.
    pub quiet: Span,
    /// How long requests in flight are waited for after that.
    pub timeout: Span,
    /// What happens to connections that are still open then (websockets, endless streams).
    pub connections: OpenConnections,
}

impl Default for Drain {
    fn default() -> Self {
        Drain {
            quiet: Span::seconds(60),
            timeout: Span::seconds(30),
            connections: OpenConnections::Close,
        }
    }
}

/// What happens to connections that outlive the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenConnections {
    /// The deploy waits until they have ended, up to an hour.
    Wait,
    /// They are closed with the process, after SIGTERM.
    Close,
    /// The deploy is refused.
    Refuse,
}
