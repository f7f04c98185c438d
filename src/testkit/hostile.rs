//! Real text after something has happened to it: cut off, doubled, spliced with another,
//! spoiled in the middle. Every parser of somebody else's text is tried with it.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is put into the middle of a text: ends of strings and lines, numbers that fit no
/// type, names that lead away, brackets that are never closed, bytes that are no text.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\r",
    b"\n",
    b"\n\n \t\n",
    b"\"",
    b"'",
    b"\\",
    b";",
    b"#",
    b"=",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"]",
    b",",
    b"${",
    b"{{",
    b"$(reboot)",
    b"`reboot`",
    b"../../../etc/passwd",
    b"/dev/zero",
    b"-oProxyCommand=reboot",
    b"-1",
    b"1e999",
    b"99999999999999999999999999",
    b"\xff\xfe\x80",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x92\xa5\xcc\x81",
    b"\x1b]0;title\x07",
    b"null",
    b"%",
    b"*",
    b"!",
    b"~",
];

#[derive(Clone, Debug)]
enum Harm {
    Cut(Index),
    Without(Index, Index),
    Twice(Index, Index),
    Put(Index, &'static [u8]),
    ManyTimes(Index, &'static [u8]),
    Other(Index, Index, Index),
    Byte(Index, u8),
}

/// How many cases a property is tried with, and nothing kept of those that failed.
/// `PROPTEST_CASES` asks for more.
pub fn few() -> ProptestConfig {
    let usual = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(96),
    };
    ProptestConfig {
        failure_persistence: None,
        ..usual
    }
}

/// One of `samples` with up to five kinds of harm done to it.
pub fn bytes(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let harm = proptest::collection::vec(harm(), 0..6);
    (select(samples), harm).prop_map(|(sample, all)| {
        all.iter().fold(sample.as_bytes().to_vec(), |text, harm| {
            harm.done_to(text, samples)
        })
    })
}

/// The same where only text can come.
pub fn text(samples: &'static [&'static str]) -> impl Strategy<Value = String> {
    bytes(samples).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A name that somebody hopes is put into a path, a command line or a file as it is.
pub fn name() -> impl Strategy<Value = String> {
    let samples: &[&str] = &["shop", "a-b", "web1.example.org", "20261123T181500Z-3f6f782"];
    let escapes: &[&str] = &[
        "..",
        ".",
        "/",
        "../shop",
        "/etc/passwd",
        "shop/../../x",
        "-rf",
        "",
        " ",
        "\n",
    ];
    prop_oneof![text(samples), select(escapes).prop_map(str::to_owned), ".{0,40}"]
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<Index>;
    let piece = || select(PIECES);
    prop_oneof![
        at().prop_map(Harm::Cut),
        (at(), at()).prop_map(|(from, to)| Harm::Without(from, to)),
        (at(), at()).prop_map(|(from, to)| Harm::Twice(from, to)),
        (at(), piece()).prop_map(|(at, piece)| Harm::Put(at, piece)),
        (at(), piece()).prop_map(|(at, piece)| Harm::ManyTimes(at, piece)),
        (at(), at(), at()).prop_map(|(at, other, from)| Harm::Other(at, other, from)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Harm::Byte(at, byte)),
    ]
}

impl Harm {
    fn done_to(&self, mut text: Vec<u8>, samples: &[&str]) -> Vec<u8> {
        let place = |at: &Index, length: usize| at.index(length + 1);
        let range = |from: &Index, to: &Index, length: usize| {
            let (one, two) = (place(from, length), place(to, length));
            one.min(two)..one.max(two)
        };
        let length = text.len();
        match self {
            Harm::Cut(at) => text.truncate(place(at, length)),
            Harm::Without(from, to) => drop(text.drain(range(from, to, length))),
            Harm::Twice(from, to) => {
                let range = range(from, to, length);
                let piece = text[range.clone()].to_vec();
                text.splice(range.end..range.end, piece);
            }
            Harm::Put(at, piece) => put(&mut text, place(at, length), piece),
            Harm::ManyTimes(at, piece) => put(&mut text, place(at, length), &piece.repeat(300)),
            Harm::Other(at, other, from) => {
                let other = samples[other.index(samples.len())].as_bytes();
                put(&mut text, place(at, length), &other[place(from, other.len())..]);
            }
            Harm::Byte(at, byte) => {
                if let Some(there) = text.get_mut(place(at, length)) {
                    *there = *byte;
                }
            }
        }
        text
    }
}

fn put(text: &mut Vec<u8>, at: usize, piece: &[u8]) {
    text.splice(at..at, piece.iter().copied());
}
