//! `[notify]`: a message to a chat when traffic moved, or did not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message to a webhook after a switch, a rollback, or a failure of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// The webhook's URL.
    pub webhook: Option<String>,
    /// The variable of the environment file that holds it, where it is a secret; it wins.
    pub webhook_env: Option<String>,
    /// What is posted.
    pub format: Format,
}

/// What a webhook takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An object with `text` and every fact by itself.
    #[default]
    Json,
    /// `{"text": ...}`, as Slack, Mattermost and their like want it.
    Slack,
    /// `{"content": ...}`.
    Discord,
}
