//! Questions to whoever sits at the terminal.

use std::io::{BufRead, IsTerminal};

use super::Ui;
use super::streams::tell;
use crate::text::clean::{self, Lines};

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Yes.
    Yes,
    /// Anything else.
    No,
    /// Nobody is there to answer.
    Nobody,
}

impl Ui {
    /// Whether somebody sits there who could be asked.
    #[must_use]
    pub fn has_somebody(self) -> bool {
        let people = matches!(self, Ui::Human { .. });
        people && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a question, to which no answer is a no.
    #[must_use]
    pub fn ask(self, question: &str) -> Answered {
        if !self.has_somebody() {
            return Answered::Nobody;
        }
        let question = clean::text(question, Lines::Indented);
        tell(&format!("  {question} [y/N] "));
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).ok();
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => Answered::Yes,
            _ => Answered::No,
        }
    }
}
