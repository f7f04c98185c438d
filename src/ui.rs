//! The only code that prints. stdout is the answer, stderr the story.

pub mod human;
pub mod json;
pub mod report;

use std::io::Write;

use crate::model::event::{Event, Sink};
use crate::model::failure::Failure;

/// Where and how a command speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ui {
    /// For people.
    Human {
        /// What they type for our program: `bg` or `bluegreen`.
        name: &'static str,
    },
    /// For programs.
    Json,
}

impl Sink for Ui {
    fn emit(&self, event: Event) {
        match self {
            Ui::Human { name } => story(&human::event(&event, name)),
            Ui::Json => json::event(&event),
        }
    }
}

impl Ui {
    /// Prints the answer.
    pub fn answer(self, answer: &report::Answer) {
        match self {
            Ui::Human { name } => out(&report::text(answer, name)),
            Ui::Json => json::answer(answer),
        }
    }

    /// Prints lines of an app's log.
    pub fn lines(self, text: &str) {
        match self {
            Ui::Human { .. } => out(text),
            Ui::Json => text.lines().for_each(json::log_line),
        }
    }

    /// Prints a failure.
    pub fn failure(self, failure: &Failure) {
        match self {
            Ui::Human { name } => story(&human::failure(failure, name)),
            Ui::Json => json::failure(failure),
        }
    }
}

/// Prints text on stdout as it is.
fn out(text: &str) {
    let mut stdout = anstream::stdout().lock();
    // A reader that went away is no reason to stop half-way through a switch.
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .ok();
}

fn story(text: &str) {
    let mut stderr = anstream::stderr().lock();
    stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush())
        .ok();
}
