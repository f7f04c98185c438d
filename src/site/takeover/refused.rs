//! What of a site cannot be led through the switch.

use nginx::syntax::Span;

/// Something whose meaning could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}: {fix}")]
pub struct Refused {
    /// Where it stands.
    pub place: Span,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}
