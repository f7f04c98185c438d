//! Takes the values of environment files out of a text, in each form that they may have
//! there: as they are, in base64 or hex, escaped for a URL, for JSON or for HTML.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use model::config::Config;
use model::password::is_secret_name;

use crate::dotenv::forms::{self, Form, PART, Span};
use crate::dotenv::views::View;
use crate::dotenv::{Value, Variables};

/// Words that environment files are full of and that are no secrets.
const PLAIN_WORDS: &[&str] = &[
    "127.0.0.1",
    "0.0.0.0",
    "all",
    "app",
    "auto",
    "critical",
    "debug",
    "default",
    "dev",
    "development",
    "disabled",
    "enabled",
    "error",
    "false",
    "flask",
    "http",
    "https",
    "info",
    "local",
    "localhost",
    "main",
    "none",
    "null",
    "off",
    "prod",
    "production",
    "redis",
    "smtp",
    "staging",
    "strict",
    "test",
    "testing",
    "true",
    "utc",
    "utf-8",
    "utf8",
    "warn",
    "warning",
    "www",
    "yes",
];

/// A shorter value is not looked for: it would be found everywhere, and is guessed at once.
const SHORTEST: usize = 3;

/// The beginning of a value counts from this many bytes on, where an excerpt ends in it.
const LEAST_BEGUN: usize = 4;

/// Replaces the values of an environment file by `[NAME]` wherever they turn up.
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Search>>);

/// What is looked for.
struct Search {
    names: Vec<String>,
    forms: Vec<(usize, Form)>,
    /// By exact bytes, and by letters of either case.
    automata: [Automaton; 2],
}

struct Automaton {
    /// `None` where it could not be built: then nothing is shown at all.
    search: Option<AhoCorasick>,
    /// Of each pattern the form, and where in that it stands.
    patterns: Vec<(usize, usize)>,
}

/// A part of the text that shows a value.
struct Found {
    place: Range<usize>,
    form: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.0.as_ref().map_or(0, |search| search.forms.len());
        write!(f, "Redactor of {forms} forms")
    }
}

impl Redactor {
    /// Guards the values of `variables`, the lines of those that have several, and the
    /// passwords of those that are URLs.
    ///
    /// A value counts as a secret anywhere from six characters on, from four when there is a
    /// digit in it: better too many than one too few. A shorter one counts where it stands as
    /// a word of its own, from three characters on; words that say nothing and numbers of
    /// three digits do not, unless the variable's name says that it is a secret.
    #[must_use]
    pub fn new(variables: &Variables) -> Redactor {
        Redactor::of_all([variables])
    }

    /// Guards the values of several files at once.
    #[must_use]
    pub fn of_all<'a>(files: impl IntoIterator<Item = &'a Variables>) -> Redactor {
        let mut known = BTreeSet::new();
        let (mut names, mut forms) = (Vec::new(), Vec::new());
        for (name, Value(value)) in files.into_iter().flatten() {
            let parts = std::iter::once(value.as_str())
                .chain(value.lines().map(str::trim))
                .chain(password(value));
            for part in parts {
                let Some(place) = place_of(name, part).filter(|_| known.insert(part)) else {
                    continue;
                };
                forms.push((names.len(), Form::plain(part, place)));
                let encodings = forms::encodings(part, place).into_iter();
                forms.extend(encodings.map(|form| (names.len(), form)));
            }
            names.push(name.clone());
        }
        if forms.is_empty() {
            return Redactor::default();
        }
        let automata = [false, true].map(|caseless| Automaton::of(&forms, caseless));
        Redactor(Some(Arc::new(Search {
            names,
            forms,
            automata,
        })))
    }

    /// Guards what `config` holds of secrets too: a variable whose name says so, the webhook's
    /// address, and the password of the repository's.
    #[must_use]
    pub fn of_app(config: &Config, files: &[Variables]) -> Redactor {
        let mut own: Variables = config
            .env
            .set
            .iter()
            .filter(|(name, _)| is_secret_name(name))
            .map(|(name, value)| (name.clone(), Value(value.clone())))
            .collect();
        let webhook = config.notify.webhook.clone();
        own.extend(webhook.map(|url| ("webhook".to_owned(), Value(url))));
        let login = config.source.git.as_deref().and_then(login);
        own.extend(login.map(|login| ("source.git".to_owned(), Value(login.to_owned()))));
        Redactor::of_all(files.iter().chain([&own]))
    }

    /// `text` without the values. A name that was put in is not searched again.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match &self.0 {
            Some(search) => search.redact(text),
            None => text.to_owned(),
        }
    }
}

impl Automaton {
    fn of(forms: &[(usize, Form)], caseless: bool) -> Automaton {
        let (mut patterns, mut texts) = (Vec::new(), Vec::new());
        let mut parts = BTreeSet::new();
        for (index, (_, form)) in forms
            .iter()
            .enumerate()
            .filter(|(_, (_, form))| form.caseless == caseless)
        {
            let text = form.text.as_slice();
            if !form.parts {
                patterns.push((index, 0));
                texts.push(text);
                continue;
            }
            let last = text.len().saturating_sub(PART);
            for at in (0..last).step_by(PART).chain([last]) {
                let part = text.get(at..at + PART).unwrap_or(text);
                if parts.insert(part) {
                    patterns.push((index, at));
                    texts.push(part);
                }
            }
        }
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(caseless)
            .build(texts)
            .ok();
        Automaton { search, patterns }
    }
}

impl Search {
    fn redact(&self, text: &str) -> String {
        let mut found = Vec::new();
        for view in View::all(text) {
            for automaton in &self.automata {
                let Some(search) = &automaton.search else {
                    return "[hidden]".to_owned();
                };
                self.find(search, &automaton.patterns, &view, &mut found);
            }
        }
        found.extend(self.cut_off(text));
        found.sort_by_key(|found| (found.place.start, found.place.end));
        self.replace(text, found)
    }

    /// Leaves in `found` where the text shows a value, by what this view of it says.
    fn find(&self, search: &AhoCorasick, patterns: &[(usize, usize)], view: &View, found: &mut Vec<Found>) {
        let bytes = view.bytes.as_slice();
        let mut covered = 0..0;
        for hit in search.find_overlapping_iter(bytes) {
            let Some((index, at)) = patterns.get(hit.pattern().as_usize()).copied() else {
                continue;
            };
            let Some((_, form)) = self.forms.get(index) else {
                continue;
            };
            // Of a text that repeats itself each part would be looked at from all the others.
            if form.parts && covered.start <= hit.start() && hit.end() <= covered.end {
                continue;
            }
            let part = grown(form, at, bytes, hit.start()..hit.end());
            if stands_alone(form.place, bytes, &part) {
                if form.parts {
                    covered = part.clone();
                }
                let part = with_edges(form, bytes, part);
                found.push(Found {
                    place: view.place(&part),
                    form: index,
                });
            }
        }
    }

    /// What begins in front of the last `...`: an excerpt that was cut within a value.
    fn cut_off(&self, text: &str) -> Option<Found> {
        let end = text.rfind("...")?;
        let before = text.as_bytes().get(..end)?;
        let begun = |form: &Form| {
            let longest = form.text.len().saturating_sub(1);
            let prefix = |length: &usize| {
                form.text
                    .get(..*length)
                    .is_some_and(|begun| before.ends_with(begun))
            };
            (form.place == Span::Anywhere).then(|| (LEAST_BEGUN..=longest).rev().find(prefix))?
        };
        let (form, length) = self
            .forms
            .iter()
            .enumerate()
            .filter_map(|(index, (_, form))| Some((index, begun(form)?)))
            .max_by_key(|(_, length)| *length)?;
        let place = end - length..end;
        text.is_char_boundary(place.start)
            .then_some(Found { place, form })
    }

    fn replace(&self, text: &str, found: Vec<Found>) -> String {
        let mut shown = String::with_capacity(text.len());
        let (mut done, mut all) = (0, found.into_iter().peekable());
        while let Some(mut one) = all.next() {
            let mut longest = one.place.len();
            while let Some(next) = all.next_if(|next| next.place.start < one.place.end) {
                one.place.end = one.place.end.max(next.place.end);
                if next.place.len() > longest {
                    (longest, one.form) = (next.place.len(), next.form);
                }
            }
            shown.push_str(text.get(done..one.place.start).unwrap_or_default());
            let name = self
                .forms
                .get(one.form)
                .and_then(|(name, _)| self.names.get(*name));
            shown.push('[');
            shown.push_str(name.map_or("hidden", String::as_str));
            shown.push(']');
            done = one.place.end;
        }
        shown.push_str(text.get(done..).unwrap_or_default());
        shown
    }
}

/// The part of the text around `hit` that goes on as the form does around `at`.
fn grown(form: &Form, at: usize, bytes: &[u8], hit: Range<usize>) -> Range<usize> {
    let same = |(a, b): &(&u8, &u8)| match form.caseless {
        true => a.eq_ignore_ascii_case(b),
        false => a == b,
    };
    if !form.parts {
        return hit;
    }
    let room = at.min(hit.start);
    let before = bytes.get(hit.start - room..hit.start).unwrap_or_default();
    let wanted = form.text.get(..at).unwrap_or_default();
    let left = before
        .iter()
        .rev()
        .zip(wanted.iter().rev())
        .take_while(same)
        .count();
    let after = bytes.get(hit.end..).unwrap_or_default();
    let wanted = form.text.get(at + hit.len()..).unwrap_or_default();
    let right = after.iter().zip(wanted).take_while(same).count();
    hit.start - left..hit.end + right
}

/// With the characters of base64 that hold the rest of the bits, and the padding.
fn with_edges(form: &Form, bytes: &[u8], mut part: Range<usize>) -> Range<usize> {
    let is_base64 = |at: usize| bytes.get(at).is_some_and(|byte| forms::is_base64(*byte));
    if form.edges.0 && part.start > 0 && is_base64(part.start - 1) {
        part.start -= 1;
    }
    if form.edges.1 && is_base64(part.end) {
        part.end += 1;
    }
    part
}

fn stands_alone(place: Span, bytes: &[u8], part: &Range<usize>) -> bool {
    let goes_on = |byte: &u8| match place {
        Span::Anywhere => false,
        Span::Word => byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii(),
        Span::Base64Word => forms::is_base64(*byte),
    };
    let before = part.start.checked_sub(1).and_then(|at| bytes.get(at));
    !before.is_some_and(goes_on) && !bytes.get(part.end).is_some_and(goes_on)
}

/// The password of `scheme://user:password@host`, which drivers print without the rest.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

/// What logs in at an HTTP address: the password, else the token in the user's place.
fn login(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let (login, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    match login.split_once(':') {
        Some((_, password)) => Some(password),
        None => Some(login).filter(|_| scheme.starts_with("http")),
    }
}

/// Where a value counts as a secret, if at all.
fn place_of(name: &str, value: &str) -> Option<Span> {
    let length = value.chars().count();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let named = is_secret_name(name);
    let plain = PLAIN_WORDS.contains(&value.to_ascii_lowercase().as_str());
    if length < SHORTEST {
        return None;
    }
    if plain || (length == SHORTEST && digits == length) {
        return named.then_some(Span::Word);
    }
    let anywhere = length >= 6 || (length >= 4 && digits > 0);
    Some(if anywhere { Span::Anywhere } else { Span::Word })
}

#[cfg(test)]
mod tests;
