//! How long somebody wants to wait.

use serde::{Deserialize, Serialize};

use crate::model::config::duration::Span;

/// How long to wait for another run to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Patience {
    /// Wait for another run to end [default when given without a time: 15m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "15m")]
    pub wait: Option<Span>,
}
