//! The mistakes of a `bg.toml`, each at its place.

use std::ops::Range;

use super::super::mistake::Mistake;
use super::super::span::{Places, dotted};
use super::value::Verdict;

/// The mistakes found so far.
pub(super) struct Findings<'p, 't> {
    pub(super) places: &'p Places<'t>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Findings<'_, '_> {
    /// The value at `key`, as `nginx.listen.0`.
    pub(super) fn value(&mut self, key: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').collect();
        self.note(self.places.value(&path), &path, verdict);
    }

    /// Each value of the list at `key`.
    pub(super) fn each(&mut self, key: &str, verdicts: impl IntoIterator<Item = Verdict>) {
        for (index, verdict) in verdicts.into_iter().enumerate() {
            self.value(&format!("{key}.{index}"), verdict);
        }
    }

    /// The name of an entry of the table at `key`; the name may contain dots.
    pub(super) fn entry_name(&mut self, key: &str, name: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').chain([name]).collect();
        self.note(self.places.key(&path), &path, verdict);
    }

    /// The value of an entry of the table at `key`; its name may contain dots.
    pub(super) fn entry(&mut self, key: &str, name: &str, verdict: Verdict) {
        let path: Vec<&str> = key.split('.').chain([name]).collect();
        self.note(self.places.value(&path), &path, verdict);
    }

    /// Whether `key` is in the file rather than a default.
    pub(super) fn is_written(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        self.places.get(&path).is_some()
    }

    fn note(&mut self, span: Range<usize>, path: &[&str], verdict: Verdict) {
        if let Err(wrong) = verdict {
            self.mistakes.push(Mistake {
                span: match wrong.part {
                    Some(part) => self.places.part(span, &part),
                    None => span,
                },
                what: format!("`{}` {}", dotted(path), wrong.what),
                write: wrong.write,
                note: None,
            });
        }
    }
}
