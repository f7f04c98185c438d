//! What `git fast-import` reads: one commit with nothing in it that depends on who packs or
//! when.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::ParcelError;
use crate::host::checkout::links;
use crate::host::git::BROUGHT;
use crate::host::store::FileError;

const MESSAGE: &str = "files that bg was brought\n";

/// A commit that is being written.
pub(super) struct Stream {
    path: PathBuf,
    out: BufWriter<File>,
    names: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Stream {
    pub(super) fn create(path: &Path) -> Result<Stream, ParcelError> {
        let file = File::create(path).map_err(FileError::at("write", path))?;
        let mut stream = Stream {
            path: path.to_owned(),
            out: BufWriter::new(file),
            names: BTreeSet::new(),
            links: BTreeMap::new(),
        };
        let head = format!(
            "commit {BROUGHT}\ncommitter bg <bg@localhost> 0 +0000\ndata {}\n{MESSAGE}",
            MESSAGE.len()
        );
        stream.put(head.as_bytes())?;
        Ok(stream)
    }

    /// The names so far.
    pub(super) fn names(&self) -> &BTreeSet<PathBuf> {
        &self.names
    }

    /// A file of `length` bytes.
    pub(super) fn file(
        &mut self,
        name: &Path,
        executable: bool,
        length: u64,
        content: impl Read,
    ) -> Result<(), ParcelError> {
        let mode = if executable { "100755" } else { "100644" };
        self.entry(mode, name, length)?;
        let copied = io::copy(&mut content.take(length), &mut self.out);
        let copied = copied.map_err(FileError::at("copy", name))?;
        if copied != length {
            return Err(ParcelError::Changed(name.to_owned()));
        }
        self.put(b"\n")
    }

    /// A link.
    pub(super) fn link(&mut self, name: &Path, target: &Path) -> Result<(), ParcelError> {
        let bytes = target.as_os_str().as_bytes();
        self.entry("120000", name, bytes.len() as u64)?;
        self.links.insert(name.to_owned(), target.to_owned());
        self.put(bytes)?;
        self.put(b"\n")
    }

    /// Another name for an earlier file.
    pub(super) fn again(&mut self, name: &Path, earlier: &Path) -> Result<(), ParcelError> {
        check(earlier)?;
        if !self.names.contains(earlier) {
            let why = "a second name for a file that is not there";
            return Err(ParcelError::Name {
                path: name.to_owned(),
                why,
            });
        }
        self.take_name(name)?;
        let line = [b"C ", &quoted(earlier)[..], b" ", &quoted(name), b"\n"].concat();
        self.put(&line)
    }

    /// All of it is there: no link leads out.
    pub(super) fn finish(mut self) -> Result<BTreeSet<PathBuf>, ParcelError> {
        if let Some(escape) = links::first_escape(&self.links) {
            return Err(ParcelError::Escapes(escape));
        }
        self.put(b"done\n")?;
        self.out.flush().map_err(FileError::at("write", &self.path))?;
        Ok(self.names)
    }

    fn entry(&mut self, mode: &str, name: &Path, length: u64) -> Result<(), ParcelError> {
        self.take_name(name)?;
        let line = [
            format!("M {mode} inline ").as_bytes(),
            &quoted(name),
            format!("\ndata {length}\n").as_bytes(),
        ]
        .concat();
        self.put(&line)
    }

    fn take_name(&mut self, name: &Path) -> Result<(), ParcelError> {
        check(name)?;
        self.links.remove(name);
        self.names.insert(name.to_owned());
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ParcelError> {
        let written = self.out.write_all(bytes);
        written.map_err(FileError::at("write", &self.path))?;
        Ok(())
    }
}

/// That a name stays inside, and out of what git keeps for itself.
pub(super) fn check(name: &Path) -> Result<(), ParcelError> {
    let wrong = |why| {
        Err(ParcelError::Name {
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
