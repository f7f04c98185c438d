//! A file of NGINX's as text, and back to the same bytes: NGINX does not ask what encoding a
//! comment has. A byte that is no UTF-8 is kept as a character of Unicode's private use, as
//! Python's `surrogateescape` keeps it.

use std::io;
use std::path::Path;

use sys::store;

/// Stands for byte 0x80; the 127 behind it for the others.
const FIRST: u32 = 0xF780;

/// Text that [`encode`] makes the same bytes of.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte(c) {
                // One of those characters itself, whose bytes must not become one byte.
                Some(_) => text.extend(c.to_string().bytes().map(escaped)),
                None => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(escaped));
    }
    text
}

/// The bytes that `text` stands for.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

/// The same for a person to read.
#[must_use]
pub fn shown(text: &str) -> String {
    String::from_utf8_lossy(&encode(text)).into_owned()
}

/// A file as text.
///
/// # Errors
/// When it cannot be read, or is no plain file.
pub fn read(path: &Path) -> io::Result<String> {
    store::read_plain(path, store::LONGEST_TEXT).map(|bytes| decode(&bytes))
}

fn byte(c: char) -> Option<u8> {
    let past = u32::from(c).checked_sub(FIRST).filter(|past| *past < 0x80)?;
    u8::try_from(past + 0x80).ok()
}

fn escaped(byte: u8) -> char {
    match byte {
        0..0x80 => char::from(byte),
        _ => char::from_u32(FIRST + u32::from(byte) - 0x80).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use crate::raw::*;
    use proptest::prelude::*;

    #[test]
    fn text_stays_text_and_other_bytes_stay_bytes() {
        let table: [(&[u8], &str); 4] = [
            ("a é €\n".as_bytes(), "a é €\n"),
            (b"# caf\xe9 x", "# caf\u{f7e9} x"),
            (b"\xff\xc3", "\u{f7ff}\u{f7c3}"),
            ("\u{f7e9}".as_bytes(), "\u{f7ef}\u{f79f}\u{f7a9}"),
        ];
        for (bytes, text) in table {
            assert_eq!(decode(bytes), text);
            assert_eq!(encode(text), bytes);
        }
        assert_eq!(shown("caf\u{f7e9}"), "caf\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(encode(&decode(&bytes)), bytes);
        }
    }
}
