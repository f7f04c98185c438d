//! `[canary]`: a share of the visitors first.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::{NotADuration, Span};
use crate::color::{NotAShare, Share};

/// A share of the visitors first, and then more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// The shares that `bg deploy --canary` and each `bg promote` go to, in percent of the visitors; one
    /// with a time goes on by itself after that, as `"5% 10m"`.
    pub steps: Vec<CanaryStep>,
    /// A cookie of the app's that a visitor keeps, and by which visitors are told apart. Default: their
    /// address and browser.
    pub cookie: Option<String>,
}

/// A share, and how long it stays before the next one comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CanaryStep {
    /// How many of the visitors.
    pub share: Share,
    /// For how long; none where it waits for `bg promote`.
    pub lasts: Option<Span>,
}

/// Text that is no step.
#[derive(Debug, thiserror::Error)]
pub enum NotAStep {
    /// Its first word.
    #[error(transparent)]
    Share(#[from] NotAShare),
    /// What comes after that.
    #[error(transparent)]
    Time(#[from] NotADuration),
}

impl FromStr for CanaryStep {
    type Err = NotAStep;

    fn from_str(text: &str) -> Result<Self, NotAStep> {
        let (share, time) = text.split_once(' ').unwrap_or((text, ""));
        Ok(CanaryStep {
            share: share.parse()?,
            lasts: match time.trim() {
                "" => None,
                time => Some(time.parse()?),
            },
        })
    }
}

impl TryFrom<String> for CanaryStep {
    type Error = NotAStep;

    fn try_from(text: String) -> Result<Self, NotAStep> {
        text.parse()
    }
}

impl fmt::Display for CanaryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.share)?;
        self.lasts.map_or(Ok(()), |lasts| write!(f, " {lasts}"))
    }
}

impl From<CanaryStep> for String {
    fn from(step: CanaryStep) -> String {
        step.to_string()
    }
}

impl Default for Canary {
    fn default() -> Self {
        Canary {
            steps: ["5%", "25%", "50%"]
                .iter()
                .filter_map(|step| step.parse().ok())
                .collect(),
            cookie: None,
        }
    }
}

impl Canary {
    /// The step after `share`, `None` where everybody comes next.
    #[must_use]
    pub fn after(&self, share: Option<Share>) -> Option<CanaryStep> {
        let mut steps = self.steps.iter().copied();
        steps.find(|step| Some(step.share) > share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_share_with_or_without_a_time() {
        for text in ["5%", "5% 10m", "100% 1h 30m"] {
            assert_eq!(text.parse::<CanaryStep>().unwrap().to_string(), text);
        }
        assert_eq!("25  30s".parse::<CanaryStep>().unwrap().to_string(), "25% 30s");
        for wrong in ["", "x", "0%", "5% 10", "5% x", "10m"] {
            assert!(wrong.parse::<CanaryStep>().is_err(), "{wrong}");
        }
        let canary = Canary {
            steps: ["5% 10m", "50%"].map(|step| step.parse().unwrap()).into(),
            cookie: None,
        };
        let after = |share: &str| canary.after(share.parse().ok()).map(String::from);
        assert_eq!(after("none").as_deref(), Some("5% 10m"));
        assert_eq!(after("5%").as_deref(), Some("50%"));
        assert_eq!(after("50%"), None);
    }
}
