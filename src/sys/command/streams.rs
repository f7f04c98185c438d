//! What a program's standard input is.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

/// Where standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// A file.
    File(PathBuf),
    /// Ours, and the terminal is the program's as well.
    Ours,
}

impl Input {
    /// Gives it to `command`; ours only where that is `at_the_terminal`.
    pub(super) fn connect(
        &self,
        command: &mut tokio::process::Command,
        at_the_terminal: bool,
    ) -> io::Result<()> {
        match self {
            Input::Nothing => {}
            // In the process group of whoever starts it.
            Input::Ours if at_the_terminal => {
                command.stdin(Stdio::inherit());
            }
            Input::Ours => {}
            Input::File(path) => {
                command.stdin(File::open(path)?);
            }
        }
        Ok(())
    }
}
