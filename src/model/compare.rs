//! In what two colors differ on a page.

use serde::{Deserialize, Serialize};

/// A page on which they do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its path.
    pub path: String,
    /// In what.
    #[serde(flatten)]
    pub difference: Difference,
}

/// The worst that was found on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "differs")]
pub enum Difference {
    /// The live color answers and the other one fails.
    Fails {
        /// The live color's status.
        live: u16,
        /// The other one's; none where it gives no answer.
        other: Option<u16>,
        /// What happened instead of an answer.
        problem: Option<String>,
    },
    /// Another status.
    Status {
        /// The live color's.
        live: u16,
        /// The other one's.
        other: u16,
    },
    /// Another kind of content.
    Type {
        /// The live color's.
        live: String,
        /// The other one's.
        other: String,
    },
    /// The same, but later.
    Slower {
        /// The live color's faster answer, milliseconds.
        live_ms: u64,
        /// The other one's.
        other_ms: u64,
    },
    /// Other text, besides what differs between two answers of one color.
    Text,
}

impl Difference {
    /// Whether visitors of the other color would meet a failure.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Difference::Fails { .. })
    }
}
