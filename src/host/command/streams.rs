//! What a program's standard input is.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use super::{Command, CommandError};

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

impl Command {
    /// With a file as its standard input.
    #[must_use]
    pub fn reading(mut self, file: impl Into<PathBuf>) -> Command {
        self.input = Input::File(file.into());
        self
    }

    /// In our own process group and with our standard input, so that it may ask who sits at
    /// the terminal; not once root became somebody else. Past its deadline it alone is killed.
    #[must_use]
    pub fn at_the_terminal(mut self) -> Command {
        self.input = Input::Ours;
        self
    }

    pub(super) fn connect(&self, command: &mut tokio::process::Command) -> Result<(), CommandError> {
        match &self.input {
            Input::Nothing => {}
            // In the process group of whoever starts it.
            Input::Ours if self.stays_at_the_terminal() => {
                command.stdin(Stdio::inherit());
            }
            Input::Ours => {}
            Input::File(path) => {
                let file = File::open(path).map_err(|source| self.not_started(source))?;
                command.stdin(file);
            }
        }
        Ok(())
    }
}
