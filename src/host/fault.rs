//! Fault points: a name at every step that writes, starts, signals or moves something, where
//! the tests have this program die, fail, hang or be lied to. Only with the feature `faults`,
//! which no release has; without it a point is nothing.
//!
//! `BG_FAULT=NAME:KIND` names the point and what happens there, `NAME#2` its second time;
//! `BG_FAULT_TRACE=FILE` writes down each point that is passed, from which the tests make
//! their table. Kinds: `die`, `eio`, `enospc`, `eacces`; where a program is started also
//! `hang`, `lie` (it exits 0 and did nothing) and `garbage`.

use std::io;
use std::path::Path;

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

/// Passes the point `what path`; ids in the path do not count.
///
/// # Errors
/// The system's error that was asked for here.
#[inline]
pub fn file(what: &str, path: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    faulty::file(what, path)?;
    #[cfg(not(feature = "faults"))]
    let _ = (what, path);
    Ok(())
}

/// Passes the point at which `program` is started with `args`.
///
/// # Errors
/// As [`file`].
#[inline]
pub fn start<'a>(
    program: &Path,
    args: impl Iterator<Item = std::borrow::Cow<'a, str>>,
) -> io::Result<Started> {
    #[cfg(feature = "faults")]
    return faulty::start(program, args);
    #[cfg(not(feature = "faults"))]
    {
        let _ = (program, args);
        Ok(Started::AsAsked)
    }
}

#[cfg(feature = "faults")]
mod faulty;
