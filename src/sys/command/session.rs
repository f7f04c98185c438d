//! A session of its own for what is started: no terminal of whoever called us is the
//! program's, which could else type into it what a shell of root's would read.

use std::io;
use std::process::Stdio;

use crate::command::streams::Input;
use crate::command::{Command, CommandError, acts_for_somebody};

impl Command {
    /// Whether it may stay at our terminal: it asked for that, and is no program of somebody
    /// whom root became.
    pub(super) fn stays_at_the_terminal(&self) -> bool {
        self.input == Input::Ours && self.user.is_none() && !acts_for_somebody()
    }

    /// Its own session, which is a process group as well, and no controlling terminal.
    pub(super) fn apart(&self, command: &mut tokio::process::Command) {
        if !self.stays_at_the_terminal() {
            begin_session(command.as_std_mut());
        }
        #[allow(unsafe_code)]
        if let Some(largest) = self.largest {
            // SAFETY: between fork and exec only `setrlimit` is called, which is
            // async-signal-safe, allocates nothing and takes no lock.
            unsafe { command.pre_exec(move || limit_files(largest)) };
        }
    }

    /// Starts it beside us; it is killed when what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn alongside(&self) -> Result<tokio::process::Child, CommandError> {
        let mut command = self.ready()?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|source| self.not_started(source))
    }

    /// No file that it writes may have more than `bytes`: it is killed by SIGXFSZ then.
    #[must_use]
    pub fn writing_at_most(mut self, bytes: u64) -> Command {
        self.largest = Some(bytes);
        self
    }
}

/// Has `command` lead a session that no terminal belongs to.
pub fn begin_session(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only `setsid` is called, which is async-signal-safe,
    // allocates nothing and takes no lock.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from))
    };
}

fn limit_files(largest: u64) -> io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_FSIZE, largest, largest).map_err(io::Error::from)
}
