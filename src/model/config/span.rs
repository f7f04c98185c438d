//! Where in the text of a `bg.toml` a key and its value stand.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;

/// A parsed file that still knows where everything stood.
pub(super) struct Places<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    value: DeValue<'t>,
}

impl<'t> Places<'t> {
    /// # Errors
    /// When `text` is no TOML; the first mistake only, for the rest mostly follow from it.
    pub(super) fn parse(text: &'t str) -> Result<Places<'t>, toml::de::Error> {
        let root = DeTable::parse(text)?;
        let value = DeValue::Table(root.get_ref().clone());
        Ok(Places { text, root, value })
    }

    /// The file as a configuration, its values not yet looked at.
    pub(super) fn config(&self) -> Result<Config, toml::de::Error> {
        Config::deserialize(Deserializer::from(self.root.clone()))
    }

    /// The value at `path`.
    pub(super) fn get(&self, path: &[&str]) -> Option<&DeValue<'t>> {
        path.iter().try_fold(&self.value, |value, step| {
            child(value, step).map(Spanned::get_ref)
        })
    }

    /// Where the value at `path` stands. Of a path that is not written, the innermost
    /// table that is; the start of the file where even that is missing.
    pub(super) fn value(&self, path: &[&str]) -> Range<usize> {
        let mut value = &self.value;
        let mut place = 0..0;
        for step in path {
            let Some(next) = child(value, step) else { break };
            place = next.span();
            value = next.get_ref();
        }
        place
    }

    /// Where `part` stands inside `place`; all of `place` when it is not there as it is.
    pub(super) fn part(&self, place: Range<usize>, part: &str) -> Range<usize> {
        let written = self.text.get(place.clone()).unwrap_or_default();
        match written.find(part) {
            Some(offset) if !part.is_empty() => place.start + offset..place.start + offset + part.len(),
            _ => place,
        }
    }

    /// Where the last key of `path` stands.
    pub(super) fn key(&self, path: &[&str]) -> Range<usize> {
        let written = path.split_last().and_then(|(name, parents)| {
            let table = self.get(parents)?.as_table()?;
            // Looked up, not looked for: a table may have ten thousand keys.
            let (key, _) = table.get_key_value(*name)?;
            Some(key.span())
        });
        written.unwrap_or_else(|| self.value(path))
    }

    /// The path of the key or the value that stands exactly at `place`; the root's, which
    /// is empty, when there is none.
    pub(super) fn path_at(&self, place: &Range<usize>) -> Vec<String> {
        let mut path = Vec::new();
        find(&self.value, place, &mut path);
        path
    }
}

fn child<'v, 't>(value: &'v DeValue<'t>, step: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    match value {
        DeValue::Array(_) => value.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    }
}

/// Leaves in `path` the way to `place`, or what was there before.
fn find(value: &DeValue<'_>, place: &Range<usize>, path: &mut Vec<String>) -> bool {
    let mut enter = |name: String, is_here: bool, value: &Spanned<DeValue<'_>>| {
        path.push(name);
        let found = is_here || value.span() == *place || find(value.get_ref(), place, path);
        if !found {
            path.pop();
        }
        found
    };
    match value {
        DeValue::Table(table) => table
            .iter()
            .any(|(key, value)| enter(key.get_ref().to_string(), key.span() == *place, value)),
        DeValue::Array(array) => array
            .iter()
            .enumerate()
            .any(|(index, value)| enter(index.to_string(), false, value)),
        _ => false,
    }
}

/// A path as people write it: `nginx.listen[0]`.
pub(super) fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let mut text = String::new();
    for step in path.iter().map(AsRef::as_ref) {
        if step.parse::<usize>().is_ok() {
            text.push_str(&format!("[{step}]"));
            continue;
        }
        if !text.is_empty() {
            text.push('.');
        }
        match step.contains(['.', ' ']) {
            true => text.push_str(&format!("\"{step}\"")),
            false => text.push_str(step),
        }
    }
    text
}
