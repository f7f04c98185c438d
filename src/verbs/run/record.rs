//! What the record of a run says besides how it ended.

use std::sync::PoisonError;

use crate::model::release::ReleaseId;

use super::Run;

/// What is known of a run so far.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    release: Option<ReleaseId>,
    notes: Vec<String>,
}

impl Run<'_> {
    /// Says which release it works on.
    pub fn works_on(&self, release: &ReleaseId) {
        self.lock_so_far().release = Some(release.clone());
    }

    /// The release it works on, as soon as there is one.
    #[must_use]
    pub fn release(&self) -> Option<ReleaseId> {
        self.lock_so_far().release.clone()
    }

    /// Has `text` stand in the history, however the run ends.
    pub fn note(&self, text: impl Into<String>) {
        self.lock_so_far().notes.push(text.into());
    }

    pub(super) fn with_notes(&self, summary: String) -> String {
        let so_far = self.lock_so_far();
        let parts = std::iter::once(&summary).chain(&so_far.notes);
        parts.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn lock_so_far(&self) -> std::sync::MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
