//! `[bake]`: how a release is watched once it has got visitors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;
use crate::color::Share;

/// A release is watched after a switch, and taken back where it is worse than the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bake {
    /// How long at most; `0s` for not at all.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// Of how many visitors the requests are looked at: fewer where a site has more than a hundred
    /// requests a second.
    pub share: Share,
    /// What is done when the release is found to be worse.
    pub act: Act,
    /// Whether a GET or HEAD that the new release fails is answered by the one before.
    pub net: bool,
    /// Paths that are never asked twice.
    pub net_except: Vec<String>,
}

/// What is done when a release is found to be worse than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It is told.
    Tell,
    /// A canary stays at its step; with all of the visitors it is told.
    Pause,
    /// The release is taken back; of an app's first three that were watched to an end it is only
    /// told.
    #[default]
    Rollback,
    /// The release is taken back, the first one as well.
    Always,
}

impl Default for Bake {
    fn default() -> Self {
        Bake {
            lasts: Span::seconds(600),
            share: Share::ALL,
            act: Act::default(),
            net: true,
            net_except: Vec::new(),
        }
    }
}
