//! What `git fast-import` reads: one commit with nothing in it that depends on who packs or
//! when.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use sys::store::FileError;

use crate::bundle::error::BundleError;
use crate::checkout::links;
use crate::git::UPLOADED;

/// How long git may take: it reads and squeezes 100 MB in about ten seconds.
pub(super) const PACK_WITHIN: Duration = Duration::from_secs(600);

const MESSAGE: &str = "files that bg was brought\n";

/// A commit that is being written.
pub(super) struct Stream {
    path: PathBuf,
    out: BufWriter<File>,
    /// Each name with the size of what it names.
    names: BTreeMap<PathBuf, u64>,
    links: BTreeMap<PathBuf, PathBuf>,
    limit: u64,
    left: u64,
}

impl Stream {
    /// With no more than `limit` bytes of files.
    pub(super) fn create(path: &Path, limit: u64) -> Result<Stream, BundleError> {
        let file = File::create(path).map_err(FileError::at("write", path))?;
        let mut stream = Stream {
            path: path.to_owned(),
            out: BufWriter::new(file),
            names: BTreeMap::new(),
            links: BTreeMap::new(),
            limit,
            left: limit,
        };
        let head = format!(
            "commit {UPLOADED}\ncommitter bg <bg@localhost> 0 +0000\ndata {}\n{MESSAGE}",
            MESSAGE.len()
        );
        stream.put(head.as_bytes())?;
        Ok(stream)
    }

    /// Whether nothing has come so far.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A file of `length` bytes.
    pub(super) fn file(
        &mut self,
        name: &Path,
        executable: bool,
        length: u64,
        content: impl Read,
    ) -> Result<(), BundleError> {
        let mode = if executable { "100755" } else { "100644" };
        self.entry(mode, name, length)?;
        let copied = io::copy(&mut content.take(length), &mut self.out);
        let copied = copied.map_err(FileError::at("copy", name))?;
        if copied != length {
            return Err(BundleError::Changed(name.to_owned()));
        }
        self.put(b"\n")
    }

    /// A link.
    pub(super) fn link(&mut self, name: &Path, target: &Path) -> Result<(), BundleError> {
        let bytes = target.as_os_str().as_bytes();
        self.entry("120000", name, bytes.len() as u64)?;
        self.links.insert(name.to_owned(), target.to_owned());
        self.put(bytes)?;
        self.put(b"\n")
    }

    /// Another name for an earlier file.
    pub(super) fn again(&mut self, name: &Path, earlier: &Path) -> Result<(), BundleError> {
        check(earlier)?;
        let wrong = |why| {
            Err(BundleError::Name {
                path: name.to_owned(),
                why,
            })
        };
        // Its target counts from where it stands, and would lead elsewhere from here.
        if self.links.contains_key(earlier) {
            return wrong("a second name for a link");
        }
        let Some(size) = self.names.get(earlier).copied() else {
            return wrong("a second name for a file that is not there");
        };
        if name == earlier {
            return wrong("a second name for itself");
        }
        self.take_name(name, size)?;
        let line = [b"C ", &quoted(earlier)[..], b" ", &quoted(name), b"\n"].concat();
        self.put(&line)
    }

    /// All of it is there: no link leads out.
    pub(super) fn finish(mut self) -> Result<BTreeSet<PathBuf>, BundleError> {
        if let Some(escape) = links::first_escape(&self.links) {
            return Err(BundleError::Escapes(escape));
        }
        self.put(b"done\n")?;
        self.out.flush().map_err(FileError::at("write", &self.path))?;
        Ok(self.names.into_keys().collect())
    }

    fn entry(&mut self, mode: &str, name: &Path, length: u64) -> Result<(), BundleError> {
        self.take_name(name, length)?;
        let line = [
            format!("M {mode} inline ").as_bytes(),
            &quoted(name),
            format!("\ndata {length}\n").as_bytes(),
        ]
        .concat();
        self.put(&line)
    }

    fn take_name(&mut self, name: &Path, size: u64) -> Result<(), BundleError> {
        check(name)?;
        let left = self.left.checked_sub(size);
        self.left = left.ok_or(BundleError::TooLarge { limit: self.limit })?;
        // A file in the place of a folder above, and what lay below this name, are no more.
        for above in name.ancestors().skip(1) {
            self.names.remove(above);
            self.links.remove(above);
        }
        while let Some(below) = self
            .names
            .range(name.to_owned()..)
            .next()
            .map(|(below, _)| below.clone())
            && below.starts_with(name)
        {
            self.names.remove(&below);
            self.links.remove(&below);
        }
        self.names.insert(name.to_owned(), size);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        let written = self.out.write_all(bytes);
        written.map_err(FileError::at("write", &self.path))?;
        Ok(())
    }
}

/// That a name stays inside, and out of what git keeps for itself.
pub(super) fn check(name: &Path) -> Result<(), BundleError> {
    let wrong = |why| {
        Err(BundleError::Name {
            path: name.to_owned(),
            why,
        })
    };
    for part in name.components() {
        match part {
            Component::Normal(part) if part.eq_ignore_ascii_case(OsStr::new(".git")) => {
                return wrong("which is git's own");
            }
            Component::Normal(_) => {}
            Component::RootDir | Component::Prefix(_) => return wrong("an absolute path"),
            Component::ParentDir | Component::CurDir => return wrong("which leads out of it"),
        }
    }
    if name.as_os_str().is_empty() {
        return wrong("a file without a name");
    }
    Ok(())
}

/// A path as git writes it between quotes.
fn quoted(path: &Path) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(b"\\n"),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}
