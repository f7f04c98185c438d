//! Copies of this program in places of its own, which an upgrade or a clean-up of the
//! original cannot take away.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::system_paths::SWAP;

/// This very program, also where another was installed over it meanwhile.
pub const THIS: &str = "/proc/self/exe";

/// What a program that carries another one ends with, behind the other's length in twelve
/// digits; `ops/build` writes both.
pub const CARRIES: &[u8] = b" bytes before this line are bluegreen-swap\n";

/// How many digits that length has.
const DIGITS: usize = 12;

/// A program as bytes of a file.
#[derive(Clone, Debug)]
pub struct Content {
    file: PathBuf,
    start: u64,
    length: u64,
}

impl Content {
    /// All of `file`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn whole(file: &Path) -> io::Result<Content> {
        let length = fs::metadata(file)?.len();
        Ok(Content {
            file: file.to_owned(),
            start: 0,
            length,
        })
    }

    /// The program that moves traffic as root: carried at the end of this one, else beside it,
    /// as an ordinary build leaves it.
    ///
    /// # Errors
    /// When it is in neither place.
    pub fn of_swap() -> io::Result<Content> {
        if let Some(carried) = Content::carried_by(Path::new(THIS))? {
            return Ok(carried);
        }
        let beside = fs::read_link(THIS)?.with_file_name(SWAP);
        Content::whole(&beside).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!(
                "this program was built without `{SWAP}`, and `{}` is not there",
                beside.display()
            )),
            _ => error,
        })
    }

    /// The program that `file` carries at its end, if it does.
    ///
    /// # Errors
    /// When `file` cannot be read.
    pub fn carried_by(file: &Path) -> io::Result<Option<Content>> {
        let end = fs::metadata(file)?.len();
        let said = (DIGITS + CARRIES.len()) as u64;
        let Some(start) = end.checked_sub(said) else {
            return Ok(None);
        };
        let mut line = Vec::new();
        let mut opened = fs::File::open(file)?;
        opened.seek(SeekFrom::Start(start))?;
        opened.read_to_end(&mut line)?;
        let length = line
            .strip_suffix(CARRIES)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Ok(length.and_then(|length| {
            Some(Content {
                file: file.to_owned(),
                start: start.checked_sub(length)?,
                length,
            })
        }))
    }

    fn open(&self) -> io::Result<io::Take<fs::File>> {
        let mut file = fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file.take(self.length))
    }

    /// Copies it to `target`, unless the same is there already; whoever runs the old one keeps
    /// it. Returns whether it was copied.
    ///
    /// # Errors
    /// When either file cannot be read, the new one not written, or the copy is not the same.
    pub fn put(&self, target: &Path) -> io::Result<bool> {
        if self.is_at(target)? {
            return Ok(false);
        }
        let folder = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let mut copy = tempfile::NamedTempFile::new_in(folder)?;
        io::copy(&mut self.open()?, &mut copy)?;
        copy.as_file()
            .set_permissions(fs::Permissions::from_mode(0o755))?;
        copy.as_file().sync_all()?;
        if !alike(self.open()?, fs::File::open(copy.path())?)? {
            return Err(io::Error::other("the copy is not what was copied"));
        }
        copy.persist(target).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()?;
        Ok(true)
    }

    /// Whether `target` is a program with this very content: no link, and nobody but its owner
    /// can change it.
    ///
    /// # Errors
    /// When this one cannot be read.
    pub fn is_at(&self, target: &Path) -> io::Result<bool> {
        let (this, Ok(there)) = (fs::metadata(&self.file)?, fs::symlink_metadata(target)) else {
            return Ok(false);
        };
        let fits = there.is_file() && there.permissions().mode() & 0o7777 == 0o755;
        if !fits || there.len() != self.length {
            return Ok(false);
        }
        // A carried one is shorter than the file it is carried in.
        Ok((this.dev(), this.ino()) == (there.dev(), there.ino())
            || alike(self.open()?, fs::File::open(target)?)?)
    }
}

/// Whether both have the same content. Every command that starts a process asks this, and
/// comparing reads as much as hashing and computes nothing.
fn alike(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    loop {
        let (piece, counterpart) = (piece_of(&mut one)?, piece_of(&mut other)?);
        if piece != counterpart {
            return Ok(false);
        }
        if piece.is_empty() {
            return Ok(true);
        }
    }
}

/// The next part, shorter only where it ends.
fn piece_of(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(1 << 18);
    from.take(1 << 18).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Makes `name` beside `target` another name of it. Returns whether it had to be made.
///
/// # Errors
/// When the link cannot be made.
pub fn also_as(target: &Path, name: &str) -> io::Result<bool> {
    let other = target.with_file_name(name);
    let file = Path::new(target.file_name().unwrap_or_default());
    if is_also(target, name) {
        return Ok(false);
    }
    let beside = target.with_file_name(format!(".{name}.{}.new", std::process::id()));
    fs::remove_file(&beside).ok();
    symlink(file, &beside)?;
    fs::rename(&beside, &other)?;
    Ok(true)
}

/// Whether `name` beside `target` is another name of it.
#[must_use]
pub fn is_also(target: &Path, name: &str) -> bool {
    let file = target.file_name().unwrap_or_default();
    fs::read_link(target.with_file_name(name)).is_ok_and(|found| found == Path::new(file))
}

/// The SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(piece.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use crate::self_install::*;

    fn put(exe: &Path, target: &Path) -> bool {
        Content::whole(exe).unwrap().put(target).unwrap()
    }

    #[test]
    fn a_program_is_put_there_unless_every_byte_of_it_is_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let (exe, target) = (folder.path().join("new"), folder.path().join("bin/program"));
        // Longer than what is read at once.
        let mut content = vec![7; 600_000];
        fs::write(&exe, &content).unwrap();
        assert!(put(&exe, &target));
        assert!(!put(&exe, &target));
        for at in [0, 300_000, 599_999] {
            content[at] = 8;
            fs::write(&exe, &content).unwrap();
            assert!(!Content::whole(&exe).unwrap().is_at(&target).unwrap(), "{at}");
            assert!(put(&exe, &target), "{at}");
            assert_eq!(fs::read(&target).unwrap(), content, "{at}");
        }
        content.push(8);
        fs::write(&exe, &content).unwrap();
        assert!(put(&exe, &target));
        assert!(Content::whole(&exe).unwrap().is_at(&target).unwrap());
    }

    #[test]
    fn a_program_that_carries_another_gives_it_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, target) = (folder.path().join("whole"), folder.path().join("bin/swap"));
        let end = String::from_utf8(CARRIES.to_vec()).unwrap();
        let with = |length: &str| format!("the programthe other{length}{end}");
        fs::write(&whole, with("000000000009")).unwrap();
        let carried = Content::carried_by(&whole).unwrap().unwrap();
        assert!(carried.put(&target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"the other");
        assert!(!carried.put(&target).unwrap());
        fs::write(&target, "the ether").unwrap();
        assert!(!carried.is_at(&target).unwrap());
        let more = "000000000099";
        for without in ["", "a program", &end, &with(more), &with("nine        ")] {
            fs::write(&whole, without).unwrap();
            assert!(Content::carried_by(&whole).unwrap().is_none(), "{without}");
        }
    }
}
