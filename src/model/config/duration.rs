//! Durations as people write them: `30s`, `1m 30s`, `500ms`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest that anything is waited for: ten years, so that sums of some stay durations.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A length of time in whole milliseconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Span {
        Span(Duration::from_secs(seconds))
    }
}

/// Text that is no duration.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a duration: expected whole numbers with units, as `30s`, `500ms` or `1m 30s`")]
pub struct NotADuration(String);

impl FromStr for Span {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| duration.subsec_nanos() % 1_000_000 == 0 && *duration <= LONGEST)
            .map(Span)
            .ok_or_else(|| NotADuration(text.to_owned()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.as_millis();
        if all == 0 {
            return f.write_str("0s");
        }
        let parts = [
            (all / 3_600_000, "h"),
            (all / 60_000 % 60, "m"),
            (all / 1_000 % 60, "s"),
            (all % 1_000, "ms"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count}{unit}"))
            .collect();
        f.write_str(&words.join(" "))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(Written("a duration as `\"30s\"`"))?;
        text.parse().map_err(Error::custom)
    }
}

/// Text, where people tend to write a bare number of seconds.
pub(super) struct Written(pub(super) &'static str);

impl Visitor<'_> for Written {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        let seconds = number.max(0);
        Err(E::custom(format!(
            "`{number}` has no unit: expected a duration as `\"{seconds}s\"`"
        )))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["30s", "500ms", "1m 30s"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for text in ["0s", "30s", "500ms", "1m 30s", "2h", "1s 5ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "-3s",
            "soon",
            "2 fortnights",
            "10us",
            "1.0005s",
            "100000h",
            "9223372036854775807s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
