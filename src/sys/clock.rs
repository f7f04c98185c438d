//! Whether this host's clock is kept right by something.

/// Whether the kernel holds the clock to be synchronised: ntpd, chrony and systemd-timesyncd
/// tell it so, and it forgets after a while without them. `None` where it does not say.
#[must_use]
#[expect(unsafe_code, reason = "nix has no `adjtimex`")]
pub fn is_synchronised() -> Option<bool> {
    // SAFETY: all of it are numbers, for which zero is a value; `modes` 0 only asks.
    let mut state: nix::libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` that outlives the call.
    match unsafe { nix::libc::adjtimex(&raw mut state) } {
        -1 => None,
        answer => Some(answer != nix::libc::TIME_ERROR),
    }
}
