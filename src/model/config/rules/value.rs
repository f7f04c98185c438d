//! Rules for single values, shared by several keys.

use std::path::{Component, Path};

/// Characters that NGINX reads as its own syntax, even where a value is quoted.
const NGINX_SYNTAX: &[char] = &[';', '{', '}', '"', '\'', '$', '\\'];

/// What is wrong with a value, and what to write instead. `what` goes on where the key was
/// named: "is empty". `part` narrows the caret to the part of the value that is to blame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) write: String,
    pub(super) part: Option<String>,
}

pub(super) type Verdict = Result<(), Wrong>;

pub(super) fn wrong(what: impl Into<String>, write: impl Into<String>) -> Verdict {
    Err(Wrong {
        what: what.into(),
        write: write.into(),
        part: None,
    })
}

/// As [`wrong`], with the caret under `part`.
pub(super) fn wrong_part(part: &str, what: impl Into<String>, write: impl Into<String>) -> Verdict {
    wrong(what, write).map_err(|wrong| Wrong {
        part: Some(part.to_owned()),
        ..wrong
    })
}

/// Something, without line breaks and other characters that no terminal shows.
pub(super) fn text(value: &str, example: &str) -> Verdict {
    if value.is_empty() {
        return wrong("is empty", format!("write something like `\"{example}\"`"));
    }
    if value.contains(char::is_control) {
        return wrong(
            "contains a control character",
            "write it on one line, without `\\n`, `\\t` and their like",
        );
    }
    Ok(())
}

/// One word that no program takes for an option.
pub(super) fn word(value: &str, example: &str) -> Verdict {
    text(value, example)?;
    if value.contains(char::is_whitespace) {
        return wrong(
            "contains a space",
            format!("write it without, as `\"{example}\"`"),
        );
    }
    no_option(value, example)
}

/// Text that no program takes for an option.
pub(super) fn no_option(value: &str, example: &str) -> Verdict {
    match value.starts_with('-') {
        true => wrong(
            "starts with `-`, which programs take for an option",
            format!("write something like `\"{example}\"`"),
        ),
        false => Ok(()),
    }
}

/// A value that ends up in NGINX's files.
pub(super) fn safe_in_nginx(value: &str) -> Verdict {
    match value.chars().find(|c| NGINX_SYNTAX.contains(c)) {
        Some(c) => wrong_part(
            &c.to_string(),
            format!("contains `{c}`, which NGINX reads as its own syntax"),
            "write it without `;`, `{`, `}`, `$`, `\\` and quotes",
        ),
        None => Ok(()),
    }
}

/// An absolute path below `/`.
pub(super) fn absolute(path: &Path, example: &str) -> Verdict {
    let shown = path.to_string_lossy();
    text(&shown, example)?;
    if !path.is_absolute() {
        return wrong(
            "is not an absolute path",
            format!("write it from `/` on, as `\"{example}\"`"),
        );
    }
    no_way_up(path)?;
    if path.parent().is_none() {
        return wrong(
            "is `/` itself",
            format!("name a path of its own, as `\"{example}\"`"),
        );
    }
    Ok(())
}

/// A path below the folder it is relative to.
pub(super) fn relative(path: &Path, to: &str, example: &str) -> Verdict {
    let shown = path.to_string_lossy();
    text(&shown, example)?;
    if path.is_absolute() {
        return wrong(
            "is an absolute path",
            format!("write it relative to {to}, as `\"{example}\"`"),
        );
    }
    no_way_up(path)?;
    if !path.components().any(|part| matches!(part, Component::Normal(_))) {
        return wrong(
            format!("is {to} itself"),
            format!("name something inside it, as `\"{example}\"`"),
        );
    }
    Ok(())
}

/// A program: a name to be found on PATH, or an absolute path.
pub(super) fn program(path: &Path, example: &str) -> Verdict {
    let shown = path.to_string_lossy();
    text(&shown, example)?;
    no_option(&shown, example)?;
    match shown.contains('/') && !path.is_absolute() {
        true => wrong(
            "is neither a name nor an absolute path",
            format!("write a name that is on PATH, as `\"{example}\"`, or the path from `/` on"),
        ),
        false => Ok(()),
    }
}

/// The path of a URL.
pub(super) fn url_path(value: &str, example: &str) -> Verdict {
    word(value, example)?;
    match value.starts_with('/') {
        true => Ok(()),
        false => wrong(
            "does not start with `/`",
            format!("write the path alone, as `\"{}\"`", path_of(value)),
        ),
    }
}

/// The path that was probably meant.
fn path_of(value: &str) -> String {
    let path = value.split_once("://").map_or(value, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    format!("/{path}")
}

/// What HTTP calls a token: the name of a method or of a header.
pub(super) fn is_token(value: &str) -> bool {
    !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

pub(super) fn no_way_up(path: &Path) -> Verdict {
    match path.components().any(|part| part == Component::ParentDir) {
        true => wrong_part("..", "contains `..`", "write the path without it"),
        false => Ok(()),
    }
}
