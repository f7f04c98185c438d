//! `[migrate]`: how the database's schema follows a release.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// The command that brings the schema up to date, once for each deploy, before the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The command, run in the new release with the app's environment, without a shell.
    pub run: String,
    /// Files of the repository, as globs: it runs when one of them differs between the
    /// release that is live and the new one. Without this and `pending` it always runs.
    #[serde(default)]
    pub paths: Vec<String>,
    /// A command that exits 0 when nothing is pending and 1 when something is.
    #[serde(default)]
    pub pending: Option<String>,
    /// The deadline of each of the two.
    #[serde(default = "usual_timeout")]
    pub timeout: Span,
}

fn usual_timeout() -> Span {
    Span::seconds(900)
}
