//! What can be typed about workers.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::cli::candidates;

/// What to do with a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum Worker {
    /// Run the live release's worker here, in the foreground; refused while it runs already
    Run {
        /// The worker
        #[arg(add = candidates::workers())]
        name: String,
    },
}
