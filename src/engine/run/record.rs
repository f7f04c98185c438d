//! What the record of a run says besides how it ended.

use model::release::ReleaseId;

/// What is known of a run so far.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    pub(super) release: Option<ReleaseId>,
    pub(super) notes: Vec<String>,
}
