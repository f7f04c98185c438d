//! What others wrote, fit for a terminal: a commit's subject, an app's log, a file of
//! NGINX's, all that a host says. What could steer a terminal, or pass for a line of ours, is
//! made visible.

use std::fmt::{Debug, Write};

use model::failure::Failure;
use model::wire::Failed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Below the first line of a text of several: no line of ours begins that far to the right.
const INDENT: &str = "\n    ";

/// What becomes of the lines of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It is to be one: `\n`.
    One,
    /// All but the first stand to the right of everything that we write.
    Indented,
    /// It is a page of its own, in which lines that look like ours stand further right.
    Kept,
    /// The same, where each line begins with a sign.
    Diff,
}

/// Texts of a fact that may be several lines.
const LONG_FACTS: &[(&str, Lines)] = &[("problem", Lines::Indented)];

/// Texts of an answer that are files, or parts of them.
const PAGES: &[(&str, Lines)] = &[
    ("config", Lines::Kept),
    ("diffs", Lines::Diff),
    ("fix", Lines::Kept),
    ("found", Lines::Indented),
    ("snippet", Lines::Kept),
    ("text", Lines::Kept),
];

/// `text` with all that could steer a terminal written out.
#[must_use]
pub fn text(text: &str, lines: Lines) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, lines) {
            ('\r', _) if chars.peek() == Some(&'\n') => {}
            ('\n', Lines::Kept) | ('\t', _) => shown.push(c),
            ('\n', Lines::Diff) => {
                let signed = chars.peek().is_none_or(|next| "+-@\\ \n".contains(*next));
                shown.push_str(if signed { "\n" } else { "\n " });
            }
            ('\n', Lines::Indented) => shown.push_str(INDENT),
            ('\n', Lines::One) => shown.push_str("\\n"),
            ('\r', _) => shown.push_str("\\r"),
            (c, _) if !steers(c) => shown.push(c),
            (c, _) if c.is_ascii() => drop(write!(shown, "\\x{:02x}", u32::from(c))),
            (c, _) => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    match lines {
        Lines::Kept | Lines::Diff => shown.split_inclusive('\n').map(apart).collect(),
        Lines::One | Lines::Indented => shown,
    }
}

/// A line of a page, told apart from those that we write.
fn apart(line: &str) -> String {
    let labels = ["error:", "caused by:", "traffic:", "hint:"];
    let text = line.strip_prefix("  ").unwrap_or(line);
    let mut chars = text.chars();
    let marked = chars.next().is_some_and(|mark| "✓✗!·…●○│".contains(mark)) && chars.next() == Some(' ');
    match marked || labels.iter().any(|label| line.starts_with(label)) {
        true => format!("    {line}"),
        false => line.to_owned(),
    }
}

/// Lines of a log, without the colors that many programs write.
#[must_use]
pub fn log(lines: &str) -> String {
    let mut plain = String::with_capacity(lines.len());
    let mut rest = lines;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':');
        match end.and_then(|end| after.get(end..)?.strip_prefix('m')) {
            Some(later) => rest = later,
            None => {
                plain.push_str("\x1b[");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    text(&plain, Lines::Kept)
}

/// Whether a character does something to a terminal, or to the text around it, instead of
/// being seen: controls of C0 and C1, the order of writing, lines of Unicode's, tags.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            // What shows nothing, and would hide in a name.
            | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}')
}

/// A fact whose texts are clean.
pub(super) fn fact<T: Serialize + DeserializeOwned>(fact: &T) -> Option<T> {
    all(fact, LONG_FACTS)
}

/// An answer whose texts are clean.
pub(super) fn answer<T: Serialize + DeserializeOwned>(answer: &T) -> Option<T> {
    all(answer, PAGES)
}

/// A failure whose texts are clean.
pub(super) fn failure(failure: &Failure) -> Failure {
    let mut failed = Failed::from(failure);
    let tidy = |line: &mut String| *line = text(line, Lines::Indented);
    tidy(&mut failed.what);
    for lines in [&mut failed.causes, &mut failed.excerpt, &mut failed.hints] {
        lines.iter_mut().for_each(tidy);
    }
    if let Some(traffic) = all(&failed.traffic, &[]) {
        failed.traffic = traffic;
    }
    failed.into()
}

/// What cannot be cleaned part by part, as a program's own language shows it.
pub(super) fn debug(thing: &impl Debug) -> String {
    text(&format!("{thing:?}\n"), Lines::Kept)
}

/// All texts at once, so that a field which is added later is clean too.
fn all<T: Serialize + DeserializeOwned>(thing: &T, several: &[(&str, Lines)]) -> Option<T> {
    let mut value = serde_json::to_value(thing).ok()?;
    tidy(&mut value, Lines::One, several);
    serde_json::from_value(value).ok()
}

fn tidy(value: &mut Value, lines: Lines, several: &[(&str, Lines)]) {
    match value {
        Value::String(line) => *line = text(line, lines),
        Value::Array(values) => values.iter_mut().for_each(|value| tidy(value, lines, several)),
        Value::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                let named = several.iter().find(|(known, _)| *known == name);
                tidy(&mut value, named.map_or(Lines::One, |(_, lines)| *lines), several);
                fields.insert(text(&name, Lines::One), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// JSON whose texts are clean: in it a character may always be written as its number.
#[must_use]
pub fn json(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            c if !steers(c) => shown.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(shown, "\\u{unit:04x}").ok();
                }
            }
        }
    }
    shown
}

#[cfg(test)]
pub(crate) mod tests;
