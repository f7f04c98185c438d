//! How a program is started where a fault may be.

/// What becomes of a program that is about to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It is.
    AsAsked,
    /// Something runs in its place that never ends.
    Hanging,
    /// Something that says all went well and does nothing.
    Lying,
    /// Something that prints what it never would, and says all went well.
    Garbled,
}
