//! Two examples behind the help of each command.

use anstyle::Style;

use crate::cli::shell;

const TITLE: Style = Style::new().bold().underline();

/// Two lines that can be typed behind the program's name, each with what it does.
pub(super) fn examples(first: &str, what: &str, second: &str, other: &str) -> String {
    let (name, width) = (shell::name_to_type(), first.len().max(second.len()));
    let line = |line: &str, what: &str| format!("\n  {name} {line:width$}  {what}");
    format!(
        "{TITLE}Examples:{TITLE:#}{}{}",
        line(first, what),
        line(second, other)
    )
}
