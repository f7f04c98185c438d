//! The encodings in which a value may turn up in a text, as what to look for in it.

use std::fmt::Write;

/// An encoding from this length on is also known by a part of it: a program that wraps its
/// lines, or cuts one, shows no more.
const KNOWN_BY_PARTS: usize = 24;

/// Such a part. Twelve characters of base64 are nine bytes, which nothing else has by chance.
pub(super) const PART: usize = 12;

/// A shorter piece of base64 is looked for as a word of its own only: as part of a longer one
/// it would be found everywhere.
const LONG_ENOUGH: usize = 6;

/// One encoding of a value.
#[derive(Debug)]
pub(super) struct Form {
    /// What is looked for.
    pub text: Vec<u8>,
    /// Where it counts.
    pub place: Span,
    /// Letters of either case are the same.
    pub caseless: bool,
    /// Whether a part of it counts too.
    pub parts: bool,
    /// Whether the character before, and the one after, holds a few bits of it.
    pub edges: (bool, bool),
}

/// Where a form counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Anywhere, inside of words too.
    Anywhere,
    /// Where it stands as a word of its own.
    Word,
    /// The same, where the characters of base64 make up words.
    Base64Word,
}

impl Form {
    /// The value as it is.
    pub(super) fn plain(value: &str, place: Span) -> Form {
        Form {
            text: value.as_bytes().to_vec(),
            place,
            caseless: false,
            parts: false,
            edges: (false, false),
        }
    }
}

/// Its encodings in base64 and hex. What escapes single characters is undone in the text
/// instead: there are too many ways to do it.
pub(super) fn encodings(value: &str, place: Span) -> Vec<Form> {
    let bytes = value.as_bytes();
    let mut forms = hex(bytes, place);
    for alphabet in [STANDARD, URL_SAFE] {
        // Of a short one only the whole is known, where it stands alone.
        if place != Span::Anywhere || bytes.len() < LONG_ENOUGH {
            forms.push(whole_base64(bytes, alphabet));
        }
        if place == Span::Anywhere {
            forms.extend((0..3).map(|shift| base64(bytes, shift, alphabet)));
        }
    }
    forms.retain(|form| form.text.len() >= LONG_ENOUGH || form.place != Span::Anywhere);
    forms
}

fn hex(bytes: &[u8], place: Span) -> Vec<Form> {
    [" ", ":", ""]
        .map(|between| {
            let mut text = String::new();
            for (at, byte) in bytes.iter().enumerate() {
                let between = if at == 0 { "" } else { between };
                write!(text, "{between}{byte:02x}").ok();
            }
            Form {
                parts: text.len() >= KNOWN_BY_PARTS,
                text: text.into_bytes(),
                place,
                caseless: true,
                edges: (false, false),
            }
        })
        .into()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What a text in base64 shows of `bytes` that stand `shift` bytes after a multiple of three
/// in it, whatever stands around them.
fn base64(bytes: &[u8], shift: usize, alphabet: &[u8; 64]) -> Form {
    let mut padded = vec![0; shift];
    padded.extend(bytes);
    let bits = padded.len() * 8;
    let first = (shift * 8).div_ceil(6);
    let text: Vec<u8> = (first..bits / 6)
        .map(|at| sextet(&padded, at, alphabet))
        .collect();
    Form {
        parts: text.len() >= KNOWN_BY_PARTS,
        text,
        place: Span::Anywhere,
        caseless: false,
        edges: (shift != 0, !bits.is_multiple_of(6)),
    }
}

/// All of it, without padding.
fn whole_base64(bytes: &[u8], alphabet: &[u8; 64]) -> Form {
    let count = (bytes.len() * 8).div_ceil(6);
    Form {
        text: (0..count).map(|at| sextet(bytes, at, alphabet)).collect(),
        place: Span::Base64Word,
        caseless: false,
        parts: false,
        edges: (false, false),
    }
}

/// The `at`-th character of the base64 of `bytes`.
fn sextet(bytes: &[u8], at: usize, alphabet: &[u8; 64]) -> u8 {
    let byte = |index: usize| u16::from(bytes.get(index).copied().unwrap_or(0));
    let (from, off) = (at * 6 / 8, at * 6 % 8);
    let pair = byte(from) << 8 | byte(from + 1);
    let six = usize::from(pair >> (10 - off)) & 63;
    alphabet.get(six).copied().unwrap_or(b'=')
}

/// Whether a character may be one of base64, in either alphabet.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}
