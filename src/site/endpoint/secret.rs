//! What the requests of the proof carry that nobody else can: a forwarder on this machine
//! makes every visitor a local one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use reqwest::header::{HeaderName, HeaderValue};
use sys::store;

/// The header that carries it.
const HEADER: HeaderName = HeaderName::from_static("x-bg-secret");

/// 128 bits.
const BYTES: usize = 16;

/// A secret of one app: 32 hex digits. It is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one, of the kernel's randomness.
    ///
    /// # Errors
    /// When that cannot be had.
    pub fn fresh() -> io::Result<Secret> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Secret(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The one in `text`: the first word of 32 hex digits.
    #[must_use]
    pub fn find(text: &str) -> Option<Secret> {
        let is_hex = |word: &&str| word.len() == 2 * BYTES && word.bytes().all(|b| b.is_ascii_hexdigit());
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.find(is_hex).map(|word| Secret(word.to_owned()))
    }

    /// The one in the file at `path`, which may be somebody else's.
    #[must_use]
    pub fn read(path: &Path) -> Option<Secret> {
        let bytes = store::read_plain(path, 1 << 10).ok()?;
        Secret::find(&String::from_utf8_lossy(&bytes))
    }

    /// For the file that keeps it, and for nothing else.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The header that NGINX answers to.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((HEADER, HeaderValue::from_str(&self.0).ok()?))
    }
}
