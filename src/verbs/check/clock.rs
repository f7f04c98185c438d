//! Whether this host's clock is right: certificates, sessions and logs hang on it.

use jiff::Timestamp;
use sys::clock;

use super::finding::Report;

/// Signed requests and one-time passwords bear more than this, and NTP keeps hosts within
/// hundredths.
const SKEW_MS: i64 = 5_000;

pub(super) fn look(report: &mut Report) {
    match clock::is_synchronised() {
        Some(true) => report.fine("clock", "kept right by time servers"),
        Some(false) => report.warn(
            "clock",
            "no time service keeps this host's clock right",
            "`timedatectl set-ntp true`, or install chrony",
        ),
        None => {}
    }
}

/// What only a client sees: that it got here, and what its own clock says.
pub(super) fn from_afar(report: &mut Report, host: &str, now: Timestamp) {
    report.fine("ssh", format!("`{host}` answers over SSH"));
    let Some(at) = report.at else { return };
    let ahead = at.as_millisecond() - now.as_millisecond();
    // The answer was on its way for a moment.
    if ahead.abs() <= SKEW_MS {
        report.fine(
            "clock",
            format!(
                "as this machine's, as seen over SSH (within {} s)",
                SKEW_MS / 1000
            ),
        );
        return;
    }
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    report.warn(
        "clock",
        format!(
            "`{host}` is {} s {which} this machine, as seen over SSH",
            ahead.abs() / 1000
        ),
        "`timedatectl` on both says which of them is wrong; `timedatectl set-ntp true` keeps it right",
    );
}
