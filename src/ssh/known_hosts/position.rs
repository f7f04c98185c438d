//! Where a file says something of a host.

use std::fmt;
use std::path::PathBuf;

/// A line that speaks of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// `ED25519`, `RSA`, ...
    pub kind: String,
    /// `SHA256:...`
    pub fingerprint: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.file.display(), self.line);
        write!(f, "{file}:{line} has {} {}", self.kind, self.fingerprint)
    }
}
