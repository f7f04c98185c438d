//! `hashed`: which file names carry a hash of their content, so that a name never means
//! another content. Decided twice from one rule: here, and by NGINX from the expression.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A shorter number in a name is a version or a size, as in `jquery-3.7.1.js`.
const SHORTEST: usize = 8;

/// What `hashed` says about the names in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hashed {
    /// None carries a hash.
    #[default]
    No,
    /// Those with eight hexadecimal digits or more between `.`, `-` or `_` and a `.`:
    /// `app.3f9a2c1d.js`, `app-3f9a2c1d4e5f.min.css`, `3f9a2c1d.png`.
    Hex,
    /// Those of a form, `*` and `?` standing for what they stand for in a shell.
    Like(String),
}

impl Hashed {
    /// Whether no name does.
    #[must_use]
    pub fn is_no(&self) -> bool {
        *self == Hashed::No
    }

    /// Whether the file name `name` carries a hash. Hidden files never do.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        let fits = match self {
            Hashed::No => false,
            Hashed::Hex => has_hex(name),
            Hashed::Like(form) => glob::Pattern::new(form).is_ok_and(|form| form.matches(name)),
        };
        fits && !name.starts_with('.')
    }

    /// The same as a regular expression of NGINX's, for the end of a path behind a `/`.
    #[must_use]
    pub fn expression(&self) -> Option<String> {
        match self {
            Hashed::No => None,
            Hashed::Hex => Some(format!("(?:[^/]*[._-])?[0-9a-fA-F]{{{SHORTEST},}}\\.[^/]+")),
            Hashed::Like(form) => Some(form.chars().map(in_expression).collect()),
        }
    }
}

fn has_hex(name: &str) -> bool {
    let mut pieces = name.split_inclusive(['.', '-', '_']).peekable();
    while let Some(piece) = pieces.next() {
        let hash = piece.strip_suffix('.').unwrap_or_default();
        let is_hash = hash.len() >= SHORTEST && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hash && pieces.peek().is_some() {
            return true;
        }
    }
    false
}

fn in_expression(c: char) -> Cow<'static, str> {
    match c {
        '*' => "[^/]*".into(),
        '?' => "[^/]".into(),
        c if c.is_alphanumeric() || c == '_' || c == '-' => c.to_string().into(),
        c => format!("\\{c}").into(),
    }
}

impl Serialize for Hashed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Hashed::No => serializer.serialize_bool(false),
            Hashed::Hex => serializer.serialize_bool(true),
            Hashed::Like(form) => serializer.serialize_str(form),
        }
    }
}

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Hashed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false` or the form of a name as `\"*-????????.js\"`")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Hashed, E> {
        Ok(if yes { Hashed::Hex } else { Hashed::No })
    }

    fn visit_str<E: Error>(self, form: &str) -> Result<Hashed, E> {
        Ok(Hashed::Like(form.to_owned()))
    }
}

impl JsonSchema for Hashed {
    fn schema_name() -> Cow<'static, str> {
        "Hashed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "string"], "examples": [true, "*-????????.js"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_told_from_a_word_and_a_version() {
        let named = [
            "app.3f9a2c1d.js",
            "app-3f9a2c1d4e5f.min.css",
            "logo_3F9A2C1D.png",
            "3f9a2c1d.woff2",
            "app.3f9a2c1d.js.map",
        ];
        let not = [
            "app.js",
            "jquery-3.7.1.min.js",
            "app.3f9a2c1.js",
            "app.3f9a2c1x4.js",
            "app.3f9a2c1d",
            "app.3f9a2c1d.",
            ".app.3f9a2c1d.js",
            "app3f9a2c1d.js",
        ];
        assert!(named.iter().all(|name| Hashed::Hex.names(name)));
        for name in not {
            assert!(!Hashed::Hex.names(name), "{name}");
        }
        assert!(!Hashed::No.names(named[0]));
    }

    #[test]
    fn a_form_of_ones_own_wins() {
        let vite = Hashed::Like("*-????????.js".into());
        assert!(vite.names("index-DX_k2-Pq.js"));
        assert!(!vite.names("index-DX_k2-Pq.css"));
        assert!(!vite.names("app.3f9a2c1d.js"));
        assert_eq!(
            vite.expression().unwrap(),
            r"[^/]*-[^/][^/][^/][^/][^/][^/][^/][^/]\.js"
        );
    }
}
