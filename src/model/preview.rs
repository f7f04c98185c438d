//! Previews: the idle color, through the front door, for whoever has a token.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::release::ReleaseId;

/// The letters and digits of a key.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many of them: 190 bits.
const LENGTH: usize = 32;

/// How long a browser keeps the cookie of a preview after its last answer: `Max-Age` in
/// `upstreams.conf.tera` and `route.conf.tera`.
pub const COOKIE_LIFE: Duration = Duration::from_secs(3600);

/// The part of a token that nobody can guess.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PreviewKey(String);

impl PreviewKey {
    /// The key that random `bytes` make, `None` where they are too few: twice as many as it has
    /// letters always do.
    #[must_use]
    pub fn of(bytes: impl IntoIterator<Item = u8>) -> Option<PreviewKey> {
        // Above the last whole round some letters would come up more often than others.
        let all = usize::from(u8::MAX) + 1;
        let fair = all - all % ALPHABET.len();
        let letter = |byte: u8| {
            let byte = usize::from(byte);
            (byte < fair).then(|| ALPHABET.get(byte % ALPHABET.len()).copied())?
        };
        let text: String = bytes
            .into_iter()
            .filter_map(letter)
            .map(char::from)
            .take(LENGTH)
            .collect();
        (text.len() == LENGTH).then_some(PreviewKey(text))
    }
}

/// A text that is no token or key.
#[derive(Debug, thiserror::Error)]
#[error("it is not a preview's token")]
pub struct NotAToken;

impl TryFrom<String> for PreviewKey {
    type Error = NotAToken;

    fn try_from(text: String) -> Result<Self, NotAToken> {
        let fits = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then_some(PreviewKey(text)).ok_or(NotAToken)
    }
}

impl From<PreviewKey> for String {
    fn from(key: PreviewKey) -> String {
        key.0
    }
}

/// Whoever holds one could see the release: it is never part of a message about something else.
impl fmt::Debug for PreviewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreviewKey")
    }
}

/// What opens a preview: the color that it shows, a dash and a key, as `route.conf` reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The color.
    pub color: Color,
    /// What nobody can guess.
    pub key: PreviewKey,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.color, self.key.0)
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Token, NotAToken> {
        let (color, key) = text.split_once('-').ok_or(NotAToken)?;
        Ok(Token {
            color: color.parse().map_err(|_| NotAToken)?,
            key: key.to_owned().try_into()?,
        })
    }
}

/// What is kept of a preview, in the file whose name is its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Until when it is shown.
    pub until: Timestamp,
    /// The release that is shown: with another one in the color it is over.
    pub release: ReleaseId,
    /// What was live when it was opened: it is over where traffic is elsewhere.
    pub live: Color,
    /// Who opened it.
    pub by: String,
}

/// A preview that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The color.
    pub color: Color,
    /// The rest.
    #[serde(flatten)]
    pub terms: Terms,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_of_fair_bytes_and_reads_back() {
        let bytes = (0..=255).cycle();
        let key = PreviewKey::of(bytes.clone().take(64)).unwrap();
        assert_eq!(key.0, "0123456789ABCDEFGHIJKLMNOPQRSTUV");
        assert_eq!(PreviewKey::of(bytes.take(31)), None);
        // 248 is the first byte of a round that is not whole.
        assert_eq!(PreviewKey::of([248; 64]), None);
        assert_eq!(PreviewKey::of([247; 32]).unwrap().0, "z".repeat(32));
        let token = Token {
            color: Color::Green,
            key,
        };
        assert_eq!(token.to_string(), "green-0123456789ABCDEFGHIJKLMNOPQRSTUV");
        assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        assert!(!format!("{token:?}").contains("0123"), "{token:?}");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let key = "a".repeat(32);
        for bad in [
            "green".to_owned(),
            format!("red-{key}"),
            format!("green-{key}a"),
            format!("green-{}/", &key[1..]),
            format!("green-{}é", &key[2..]),
            format!(".over-green-{key}"),
        ] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
