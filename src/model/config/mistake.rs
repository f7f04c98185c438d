//! What is wrong with a `bg.toml`, drawn with the line and a caret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::password::without_password;

/// Mistakes drawn in full; a file with more has one cause that repeats itself.
const SHOWN: usize = 10;

/// Letters of a message. Ours with a usual name in it have a hundred.
const LONGEST: usize = 500;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to write instead; stands beside the caret.
    pub write: String,
    /// What else helps.
    pub note: Option<String>,
}

/// A configuration that cannot be used: one or more mistakes, in the order of the file.
///
/// `Display` is plain text of several lines: what is wrong, file, line and column, the line
/// itself with a caret, and what to write instead.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    text: String,
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    pub(super) fn new(path: &Path, text: &str, mut mistakes: Vec<Mistake>) -> ConfigError {
        mistakes.sort_by_key(|mistake| mistake.span.start);
        ConfigError {
            path: path.to_owned(),
            text: text.to_owned(),
            mistakes,
        }
    }

    /// The mistakes, in the order of the file, at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    fn draw(&self, mistake: &Mistake) -> String {
        let (what, write) = (fit(&mistake.what), fit(&mistake.write));
        let snippet = Snippet::source(self.text.as_str())
            .path(self.path.to_string_lossy())
            .annotation(
                AnnotationKind::Primary
                    .span(mistake.span.clone())
                    .label(write.as_str()),
            );
        let mut group = Level::ERROR
            .no_name()
            .primary_title(what.as_str())
            .element(snippet);
        if let Some(note) = &mistake.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        Renderer::plain().render(&[group])
    }
}

/// What names or repeats a value, fit for a terminal whatever that is.
fn fit(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let fitting: String = plain.take(LONGEST).collect();
    match fitting.len() < text.len() {
        true => fitting + "...",
        false => fitting,
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.mistakes.len();
        if count > 1 {
            write!(f, "{count} mistakes in `{}`\n\n", self.path.display())?;
        }
        let drawn: Vec<String> = self
            .mistakes
            .iter()
            .take(SHOWN)
            .map(|mistake| self.draw(mistake))
            .collect();
        f.write_str(&without_password(&drawn.join("\n\n")))?;
        if count > SHOWN {
            write!(f, "\n\nand {} more", count - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
