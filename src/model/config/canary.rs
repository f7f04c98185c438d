//! `[canary]`: a share of the visitors first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::color::Share;

/// A share of the visitors first, and then more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// The shares that `bg deploy --canary` and each `bg promote` go to, in percent of the visitors.
    pub steps: Vec<Share>,
    /// A cookie of the app's that a visitor keeps, and by which visitors are told apart. Default: their
    /// address and browser.
    pub cookie: Option<String>,
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
    pub fn after(&self, share: Option<Share>) -> Option<Share> {
        let mut steps = self.steps.iter().copied();
        steps.find(|step| Some(*step) > share)
    }
}
