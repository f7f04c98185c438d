//! The only code that prints. stdout is the answer, stderr the story. What others wrote is
//! cleaned on its way out, wherever it came from.

pub mod ask;
pub mod json;
mod streams;
mod wire;

use std::io::Write;

use model::event::{Event, Sink};
use model::failure::Failure;
use model::wire::{EngineMessage, Failed};

use crate::text::clean::{self, Lines};
use crate::text::{self, Show, events};
use crate::verbs::Answer;
use crate::verbs::host_table::Fleet;
use streams::{out, tell};

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
    /// For a client at the other end of a connection.
    Wire,
}

impl Sink for Ui {
    fn emit(&self, event: Event) {
        match self {
            Ui::Human { name } => tell(&events::event(&event, name)),
            Ui::Json => json::event(&event),
            Ui::Wire => wire::say(&EngineMessage::Event(event)),
        }
    }
}

impl Ui {
    /// Prints the answer.
    pub fn answer(self, answer: &Answer) {
        match self {
            Ui::Human { name } => out(&text::page(answer, name)),
            Ui::Json => json::result(answer.exit_code(), &answer.bare()),
            Ui::Wire => wire::say(&said(answer)),
        }
    }

    /// Prints what came of a command on several hosts, which only a client knows.
    pub fn fleet(self, fleet: &Fleet) {
        match self {
            Ui::Human { name } => out(&text::page(fleet, name)),
            Ui::Json => json::result(fleet.exit_code(), fleet),
            Ui::Wire => {}
        }
    }

    /// Prints a text for another program, as a client has it: a schema, a man page.
    pub fn text(self, text: &str) {
        match self {
            Ui::Human { .. } => out(&clean::text(text, Lines::Kept)),
            Ui::Json => json::result(0, &serde_json::json!({ "text": text })),
            Ui::Wire => {}
        }
    }

    /// Prints what was found by a command that goes on looking.
    pub fn look(self, answer: &Answer) {
        match self {
            Ui::Human { .. } | Ui::Json => self.answer(answer),
            Ui::Wire => wire::say(&EngineMessage::Look {
                answer: serde_json::to_value(answer).unwrap_or_default(),
            }),
        }
    }

    /// Standard input, output and error are another program's from here on.
    pub fn hand_over(self) {
        if self == Ui::Wire {
            wire::say(&EngineMessage::Done);
            wire::flush();
        }
    }

    /// Prints lines of an app's log, its colors and what else steers a terminal left out, also
    /// where standard output is none: it may be `less -R`.
    pub fn lines(self, text: &str) {
        match self {
            Ui::Human { .. } => out(&clean::log(text)),
            Ui::Json => text.lines().for_each(json::log_line),
            Ui::Wire if text.is_empty() => {}
            Ui::Wire => wire::say(&EngineMessage::Lines(text.to_owned())),
        }
    }

    /// Prints a failure.
    pub fn failure(self, failure: &Failure) {
        match self {
            Ui::Human { name } => tell(&events::failure(failure, name)),
            Ui::Json => json::failure(failure),
            Ui::Wire => wire::say(&EngineMessage::Failure(Failed::from(failure))),
        }
    }

    /// Passes on what a command of the user's own printed on a host, byte by byte: with a
    /// terminal it may draw there what it likes, as `ssh` would let it.
    pub fn raw(stdout: &[u8], stderr: &[u8]) {
        let write = |mut to: Box<dyn Write>, bytes: &[u8]| to.write_all(bytes).and_then(|()| to.flush()).ok();
        if !stdout.is_empty() {
            write(Box::new(std::io::stdout().lock()), stdout);
        }
        if !stderr.is_empty() {
            write(Box::new(std::io::stderr().lock()), stderr);
        }
    }

    /// Says how a command went; returns its exit code.
    pub fn end(self, done: Result<Option<Answer>, Failure>) -> u8 {
        match &done {
            Ok(Some(answer)) => self.answer(answer),
            Ok(None) if self == Ui::Wire => wire::say(&EngineMessage::Done),
            Ok(None) => {}
            Err(failure) => self.failure(failure),
        }
        match done {
            Ok(answer) => answer.map_or(0, |answer| answer.exit_code()),
            Err(failure) => failure.exit_code(),
        }
    }

    /// Says one line of the wire.
    pub fn say(self, said: &EngineMessage) {
        wire::say(said);
    }

    /// Waits until all of the wire was written, or nobody reads it.
    pub fn flush(self) {
        wire::flush();
    }

    /// What came of a command, as the line of the wire that says so: to be kept, so without what
    /// opens a preview.
    #[must_use]
    pub fn result(done: &Result<Option<Answer>, Failure>) -> String {
        let said = match done {
            Ok(Some(answer)) => said(&answer.clone().without_token()),
            Ok(None) => EngineMessage::Done,
            Err(failure) => EngineMessage::Failure(Failed::from(failure)),
        };
        serde_json::to_string(&said).unwrap_or_default()
    }
}

fn said(answer: &Answer) -> EngineMessage {
    EngineMessage::Answer {
        exit_code: answer.exit_code(),
        answer: serde_json::to_value(answer).unwrap_or_default(),
    }
}

/// What one host of several says: as [`Ui`], with its name in front.
#[derive(Clone, Debug)]
pub struct HostUi {
    ui: Ui,
    host: String,
    width: usize,
}

impl HostUi {
    /// For `host`, whose name is filled up to `width` so that the story lines up.
    #[must_use]
    pub fn new(ui: Ui, host: &str, width: usize) -> HostUi {
        HostUi {
            ui,
            host: host.to_owned(),
            width,
        }
    }

    /// Prints lines of an app's log.
    pub fn lines(&self, text: &str) {
        match self.ui {
            Ui::Json => text
                .lines()
                .for_each(|line| json::host_log_line(&self.host, line)),
            _ => out(&self.prefixed(&clean::log(text))),
        }
    }

    /// Prints a failure.
    pub fn failure(&self, failure: &Failure) {
        match self.ui {
            Ui::Human { name } => tell(&self.prefixed(&events::failure(failure, name))),
            ui => ui.failure(failure),
        }
    }

    fn prefixed(&self, text: &str) -> String {
        text.lines()
            .map(|line| format!("{:<width$} {line}\n", self.host, width = self.width))
            .collect()
    }
}

impl Sink for HostUi {
    fn emit(&self, event: Event) {
        match self.ui {
            Ui::Human { name } => tell(&self.prefixed(&events::event(&event, name))),
            Ui::Json => json::host_event(&self.host, &event),
            Ui::Wire => wire::say(&EngineMessage::Event(event)),
        }
    }
}
