//! The app's environment file, and the guard that keeps its values out of everything we
//! show, write or log.

use std::collections::BTreeMap;
use std::fmt;

mod forms;
mod redactor;
mod views;

pub use redactor::Redactor;

/// A value of the environment file. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    /// The value itself, for the app's environment only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The variables of an environment file, by name.
pub type Variables = BTreeMap<String, Value>;

/// What is wrong with an environment file. No variant carries a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct DotenvError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No `=`.
    #[error("expected `NAME=value`")]
    NoEquals,
    /// The name has a character that no variable's name has.
    #[error("a name consists of letters, digits and `_` and does not begin with a digit")]
    Name,
    /// The file ends inside a quoted value.
    #[error("the quote that begins here is never closed")]
    OpenQuote,
    /// `NAME="value" more`.
    #[error("there is text after the closing quote")]
    AfterQuote,
    /// No environment can carry that.
    #[error("a value cannot hold a NUL character")]
    Nul,
}

/// Reads an environment file: `NAME=value` lines, comments, blank lines, an optional
/// `export`. Nothing is expanded. Values may be in single quotes, taken as they are, or in
/// double quotes, with `\n`, `\r`, `\t`, `\"`, `\$` and `\\`; either may span lines. Without
/// quotes a `#` after a space begins a comment. The last of several lines for a name wins.
///
/// # Errors
/// The first line that is none of these.
pub fn parse(text: &str) -> Result<Variables, DotenvError> {
    let mut variables = Variables::new();
    for entry in entries(text) {
        variables.extend(entry?.found);
    }
    Ok(variables)
}

/// A value that names a variable as a shell would read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Literal {
    /// The line that it begins on, counted from 1.
    pub line: usize,
    /// Whose value it is.
    pub name: String,
    /// `${HOME}`.
    pub reference: String,
}

/// The values of a file in which `${NAME}` stays as it is written, though other readers of
/// such files would put something in its place. In single quotes, or behind a backslash, it
/// is meant so.
#[must_use]
pub fn literals(text: &str) -> Vec<Literal> {
    let named = |entry: Entry<'_>| {
        let (name, _) = entry.found?;
        let (_, right) = entry.text.split_once('=')?;
        let right = right.trim_start();
        let right = match right.starts_with('"') {
            true => right,
            false => plain(right.split('\n').next()?),
        };
        let reference = reference(right).filter(|_| !right.starts_with('\''))?;
        Some(Literal {
            line: entry.line,
            name,
            reference: reference.to_owned(),
        })
    };
    entries(text).map_while(Result::ok).filter_map(named).collect()
}

/// The first `${NAME}` without a backslash in front.
fn reference(text: &str) -> Option<&str> {
    text.match_indices("${").find_map(|(at, _)| {
        let escaped = text.get(..at)?.ends_with('\\');
        let rest = text.get(at..)?;
        let end = rest.find('}')?;
        parse_name(rest.get(2..end)?).ok().filter(|_| !escaped)?;
        rest.get(..=end)
    })
}

/// A line of the file, or several where a quote spans them.
struct Entry<'t> {
    line: usize,
    text: &'t str,
    found: Option<(String, Value)>,
}

/// Each entry; nothing comes after the first that is none.
fn entries(text: &str) -> impl Iterator<Item = Result<Entry<'_>, DotenvError>> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (used, found) = match parse_entry(rest) {
            Ok(read) => read,
            Err(problem) => {
                rest = "";
                return Some(Err(DotenvError { line, problem }));
            }
        };
        let (text, left) = rest.split_at(used);
        let entry = Entry { line, text, found };
        line += text.matches('\n').count();
        rest = left;
        Some(Ok(entry))
    })
}

/// Reads the entry that `text` begins with: the bytes it takes and what it says.
fn parse_entry(text: &str) -> Result<(usize, Option<(String, Value)>), Problem> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text.get(..end).unwrap_or(text);
    let content = line.trim();
    if content.is_empty() || content.starts_with('#') {
        return Ok((end, None));
    }
    let (left, _) = line.split_once('=').ok_or(Problem::NoEquals)?;
    let name = parse_name(left)?;
    let begin = left.len() + 1;
    let right = text.get(begin..).unwrap_or_default();
    let gap = right.len() - right.trim_start_matches([' ', '\t']).len();
    let right = right.get(gap..).unwrap_or_default();
    let (used, value) = match right.chars().next() {
        Some(quote @ ('"' | '\'')) => parse_quoted(right, quote)?,
        _ => {
            let value = right.split('\n').next().unwrap_or_default();
            (value.len(), plain(value).to_owned())
        }
    };
    if value.contains('\0') {
        return Err(Problem::Nul);
    }
    let after = begin + gap + used;
    let newline = text.get(after..).is_some_and(|rest| rest.starts_with('\n'));
    Ok((after + usize::from(newline), Some((name, Value(value)))))
}

fn parse_name(left: &str) -> Result<String, Problem> {
    let left = left.trim();
    let name = left
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(left, str::trim_start);
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    valid.then(|| name.to_owned()).ok_or(Problem::Name)
}

fn plain(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, c)| {
            *c == '#'
                && value
                    .get(..*at)
                    .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
        })
        .map_or(value.len(), |(at, _)| at);
    value.get(..comment).unwrap_or(value).trim()
}

/// Reads a value whose first character is `quote`, and the rest of its last line.
fn parse_quoted(text: &str, quote: char) -> Result<(usize, String), Problem> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => match chars.next().ok_or(Problem::OpenQuote)?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                same @ ('"' | '\\' | '$') => value.push(same),
                other => value.extend(['\\', other]),
            },
            c if c == quote => {
                let after = at + c.len_utf8();
                let tail = text
                    .get(after..)
                    .and_then(|rest| rest.split('\n').next())
                    .unwrap_or_default();
                return if plain(tail).is_empty() {
                    Ok((after + tail.len(), value))
                } else {
                    Err(Problem::AfterQuote)
                };
            }
            c => value.push(c),
        }
    }
    Err(Problem::OpenQuote)
}

#[cfg(test)]
mod tests;
