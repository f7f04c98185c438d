//! Changes to files by the place of their words; everything between stays as it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::takeover::refused::Refused;
use nginx::files::Rendered;
use nginx::syntax::{Directive, Span};

/// What is to be changed, by file and first byte.
#[derive(Debug, Default)]
pub(super) struct Edits {
    all: BTreeMap<PathBuf, BTreeMap<(usize, usize), Edit>>,
    clash: Option<Span>,
}

#[derive(Debug, PartialEq, Eq)]
struct Edit {
    text: String,
    place: Span,
}

impl Edits {
    fn add(&mut self, d: &Directive, range: Range<usize>, text: String) {
        let edit = Edit {
            text,
            place: d.place.clone(),
        };
        let of_file = self.all.entry(d.place.file.clone()).or_default();
        match of_file.get(&(range.start, range.end)) {
            // A snippet that is included at several places is changed once.
            Some(other) if other.text != edit.text => self.clash = Some(edit.place),
            _ => {
                of_file.insert((range.start, range.end), edit);
            }
        }
    }

    /// Puts `lines` in the place of a directive; a first line that is a comment only where
    /// the directive has lines of its own.
    pub(super) fn replace(&mut self, text: &str, d: &Directive, lines: &[String]) {
        let alone = stands_alone(text, &d.span);
        let lines = lines.iter().filter(|line| alone || !line.starts_with('#'));
        let between = match alone {
            true => format!("\n{}", indent(text, d.span.start)),
            false => " ".to_owned(),
        };
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        self.add(d, d.span.clone(), lines.join(&between));
    }

    /// Takes a directive away.
    pub(super) fn cut(&mut self, text: &str, d: &Directive) {
        self.replace(
            text,
            d,
            &[format!(
                "# bg: was `{}`",
                text.get(d.span.clone()).unwrap_or_default()
            )],
        );
    }

    /// Puts `lines` behind the brace that opens a block, and behind a comment on that line.
    pub(super) fn lead_in(&mut self, text: &str, block: &Directive, lines: &[String]) {
        let Some(opens) = block.opens else { return };
        let inside = block
            .block
            .iter()
            .find(|d| d.place.file == block.place.file && d.place.line > block.place.line);
        let indent = match inside {
            Some(first) => indent(text, first.span.start).to_owned(),
            None => format!("{}    ", indent(text, block.span.start)),
        };
        let lines: String = lines.iter().map(|line| format!("\n{indent}{line}")).collect();
        let rest = text
            .get(opens..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or("");
        let at = match rest.trim_start().starts_with('#') {
            true => opens + rest.len(),
            false => opens,
        };
        self.add(block, at..at, lines);
    }

    /// The files as they will be, those with a file of `first` before the others: a snippet
    /// that names a variable comes after the server that sets it.
    pub(super) fn carry_out(
        &self,
        text_of: impl Fn(&Path) -> String,
        first: &[PathBuf],
    ) -> Result<Vec<Rendered>, Refused> {
        if let Some(place) = &self.clash {
            return Err(Refused {
                place: place.clone(),
                what: "this file is included at several places and would need another change at each"
                    .to_owned(),
                fix: "write the `proxy_pass` into each `location` instead".to_owned(),
            });
        }
        let mut files: Vec<&PathBuf> = self.all.keys().collect();
        files.sort_by_key(|file| !first.contains(file));
        Ok(files
            .into_iter()
            .map(|file| self.changed(file, &text_of(file)))
            .collect())
    }

    fn changed(&self, file: &Path, text: &str) -> Rendered {
        let mut changed = String::new();
        let mut at = 0;
        for ((from, to), edit) in self.all.get(file).into_iter().flatten() {
            changed.push_str(text.get(at..*from).unwrap_or_default());
            changed.push_str(&edit.text);
            at = *to;
        }
        changed.push_str(text.get(at..).unwrap_or_default());
        Rendered {
            path: file.to_owned(),
            text: changed,
        }
    }
}

/// The blanks in front of the line that byte `at` is on.
fn indent(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let line = text
        .get(before.rfind('\n').map_or(0, |end| end + 1)..)
        .unwrap_or_default();
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..blanks).unwrap_or_default()
}

/// Whether nothing but blanks and a comment shares the lines of a directive.
fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let before = text.get(..span.start).unwrap_or_default();
    let before = before.rsplit('\n').next().unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();
    let after = after.split('\n').next().unwrap_or_default().trim_start();
    before.trim().is_empty() && (after.is_empty() || after.starts_with('#'))
}
