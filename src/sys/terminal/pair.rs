//! The two ends of a terminal that is made for another program.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::fcntl::OFlag;
use rustix::pty::OpenptFlags;
use rustix::termios::{self, Termios};

/// Names the terminal that was made for this process, by the number that the kernel has for it.
pub(super) const OURS: &str = "BG_TERMINAL";

/// Both ends of a pseudo-terminal.
pub(super) struct Pair {
    pub(super) ours: OwnedFd,
    pub(super) theirs: OwnedFd,
    pub(super) usual: Option<Termios>,
}

impl Pair {
    /// With the settings and the size of the terminal that we have.
    pub(super) fn open(connected: [bool; 3]) -> io::Result<Pair> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&ours)?;
        rustix::pty::unlockpt(&ours)?;
        let name = rustix::pty::ptsname(&ours, Vec::new())?;
        let name = std::path::PathBuf::from(std::ffi::OsString::from(name.to_string_lossy().into_owned()));
        let theirs = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits())
            .open(name)?;
        let theirs = OwnedFd::from(theirs);
        let usual = with_ours(connected, |terminal| termios::tcgetattr(terminal)).transpose()?;
        if let Some(usual) = &usual {
            let mut settings = usual.clone();
            // Where nothing is typed, ours stays as it is and ends the lines itself.
            if !connected[0] {
                settings.output_modes -= termios::OutputModes::OPOST;
            }
            termios::tcsetattr(&theirs, termios::OptionalActions::Now, &settings)?;
        }
        let pair = Pair { ours, theirs, usual };
        resize(&pair.ours, connected);
        Ok(pair)
    }

    pub(super) fn connect(&self, again: &mut std::process::Command, connected: [bool; 3]) -> io::Result<()> {
        let end = || Ok::<Stdio, io::Error>(Stdio::from(self.theirs.try_clone()?));
        let [stdin, stdout, stderr] = connected;
        if stdin {
            again.stdin(end()?);
        }
        if stdout {
            again.stdout(end()?);
        }
        if stderr {
            again.stderr(end()?);
        }
        let number = rustix::fs::fstat(&self.theirs)?.st_rdev;
        // As `/proc` counts, which has 32 bits for it.
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        let counted = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
        again.env(OURS, counted.to_string());
        let theirs = self.theirs.try_clone()?;
        // SAFETY: between fork and exec only `ioctl` is called, which is async-signal-safe,
        // allocates nothing and takes no lock.
        #[allow(unsafe_code)]
        unsafe {
            again.pre_exec(move || {
                rustix::process::ioctl_tiocsctty(&theirs)?;
                Ok(())
            })
        };
        Ok(())
    }
}

/// Gives the other terminal the size of ours.
pub(super) fn resize(ours: &OwnedFd, connected: [bool; 3]) {
    if let Some(Ok(size)) = with_ours(connected, |terminal| termios::tcgetwinsize(terminal)) {
        termios::tcsetwinsize(ours, size).ok();
    }
}

/// Asks the first of our streams that is a terminal.
fn with_ours<T>(connected: [bool; 3], ask: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> T) -> Option<T> {
    use std::os::fd::AsFd;
    match connected {
        [true, ..] => Some(ask(io::stdin().as_fd())),
        [_, true, _] => Some(ask(io::stdout().as_fd())),
        [_, _, true] => Some(ask(io::stderr().as_fd())),
        _ => None,
    }
}
