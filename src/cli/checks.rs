//! How much is looked at before a deploy, as it is typed.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::verbs::check::Depth;

/// How much is looked at before a deploy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// All that `bg check` looks at
    Full,
    /// What takes milliseconds
    #[default]
    Quick,
    /// Nothing
    None,
}

impl From<Checks> for Depth {
    fn from(checks: Checks) -> Depth {
        match checks {
            Checks::Full => Depth::Full,
            Checks::Quick => Depth::Quick,
            Checks::None => Depth::None,
        }
    }
}
