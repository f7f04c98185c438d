//! Fault points: a name at every step that writes, starts, signals or moves something, where
//! the tests have this program die, fail, hang or be lied to. Only with the feature `faults`,
//! which no release has; without it a point is nothing.
//!
//! `BG_FAULT=NAME:KIND` names the point and what happens there, `NAME#2` its second time;
//! `BG_FAULT_TRACE=FILE` writes down each point that is passed, from which the tests make
//! their table. Kinds: `die`; `cut`, which is `die` where the power fails, so that the journal
//! loses what was not flushed; `eio`, `enospc`, `eacces`; where something is moved also `lie`
//! (all is well, and nothing was done); where a program is started `lie`, `hang` and `garbage`.

use std::fs::File;
use std::io;
use std::path::Path;

pub use started::Started;

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

/// Passes the point `what path`, at which `step` moves something.
///
/// # Errors
/// Its own, and as [`file`].
#[inline]
pub fn at(what: &str, path: &Path, step: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(feature = "faults")]
    if faulty::step(what, path)? {
        return Ok(());
    }
    #[cfg(not(feature = "faults"))]
    let _ = (what, path);
    step()
}

/// Has what was written to `file` survive a power cut. Where one is made, only what has
/// passed here does.
///
/// # Errors
/// The system's, and as [`file`].
#[inline]
pub fn flush(opened: &File, path: &Path) -> io::Result<()> {
    file("flush", path)?;
    opened.sync_data()?;
    #[cfg(feature = "faults")]
    faulty::flushed(opened, path);
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
mod started;
