//! Text on its way out, in colors where they are shown.

use std::io::Write;

/// Prints text on stdout as it is.
pub(super) fn out(text: &str) {
    let mut stdout = anstream::stdout().lock();
    // A reader that went away is no reason to stop half-way through a switch.
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .ok();
}

/// Prints text on stderr.
pub(super) fn tell(text: &str) {
    let mut stderr = anstream::stderr().lock();
    stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush())
        .ok();
}
