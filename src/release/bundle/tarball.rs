//! The files of a tarball, read without unpacking it anywhere.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitStatus;

use sys::command::Command;
use sys::store::FileError;
use tar::{Archive, EntryType};

use crate::bundle::error::BundleError;
use crate::bundle::stream::{PACK_WITHIN, Stream, check};

/// How `gzip` and `zstd` begin their files.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(super) async fn write(
    path: &Path,
    folder: Option<&Path>,
    work: &Path,
    limit: u64,
    stream: &mut Stream,
) -> Result<(), BundleError> {
    let plain = plain(path, work, limit).await?;
    let no_tarball = |source| BundleError::NoTarball {
        path: path.to_owned(),
        source: Some(source),
    };
    let top = top(&plain, folder).map_err(no_tarball)?;
    let file = File::open(&plain).map_err(FileError::at("read", &plain))?;
    let mut archive = Archive::new(BufReader::new(file));
    for entry in archive.entries().map_err(no_tarball)? {
        put(&mut entry.map_err(no_tarball)?, top.as_deref(), stream, path)?;
    }
    Ok(())
}

/// How much larger than itself a squeezed file may be: sources come to a tenth, and a file of
/// zeros, which nobody releases, to a thousandth and less.
const SQUEEZED: u64 = 100;

/// A small file may hold this much, whatever it has itself.
const ALWAYS: u64 = 256 << 20;

/// The tarball without what it was squeezed by.
async fn plain(path: &Path, work: &Path, limit: u64) -> Result<PathBuf, BundleError> {
    let unread = |error| FileError::at("read", path)(error);
    let mut head = Vec::new();
    let file = File::open(path).map_err(unread)?;
    (&file).take(4).read_to_end(&mut head).map_err(unread)?;
    let plain = work.join("plain.tar");
    let size = file.metadata().map_err(unread)?.len();
    let limit = limit.min(size.saturating_mul(SQUEEZED).max(ALWAYS));
    if head.starts_with(&GZIP) {
        let again = File::open(path).map_err(unread)?;
        let mut into = File::create(&plain).map_err(FileError::at("write", &plain))?;
        let unpacked = flate2::read::MultiGzDecoder::new(again);
        let copied = io::copy(&mut unpacked.take(limit.saturating_add(1)), &mut into);
        let copied = copied.map_err(|source| BundleError::NoTarball {
            path: path.to_owned(),
            source: Some(source),
        })?;
        if copied > limit {
            return Err(BundleError::TooLarge { limit });
        }
    } else if head.starts_with(&ZSTD) {
        let unpack = Command::new("zstd").args(["--quiet", "--decompress", "-o"]);
        let unpacked = unpack
            .arg(&plain)
            .arg("--")
            .arg(path)
            .deadline(PACK_WITHIN)
            .writing_at_most(limit)
            .finish()
            .await?;
        if is_full(&unpacked.status, &plain, limit) {
            return Err(BundleError::TooLarge { limit });
        }
        if !unpacked.status.success() {
            let said = unpacked.stdout + &unpacked.stderr;
            return Err(BundleError::NoTarball {
                path: path.to_owned(),
                source: Some(io::Error::other(said.trim().to_owned())),
            });
        }
    } else {
        return Ok(path.to_owned());
    }
    Ok(plain)
}

/// Whether a program ended because its file may not grow.
fn is_full(status: &ExitStatus, file: &Path, limit: u64) -> bool {
    let full = std::fs::metadata(file).is_ok_and(|about| about.len() >= limit);
    status.signal() == Some(nix::libc::SIGXFSZ) || (full && !status.success())
}

/// The one folder that everything lies in, unless the app is looked for by its name.
fn top(plain: &Path, folder: Option<&Path>) -> io::Result<Option<PathBuf>> {
    let mut archive = Archive::new(BufReader::new(File::open(plain)?));
    let mut top: Option<PathBuf> = None;
    for entry in archive.entries()? {
        let entry = entry?;
        if is_told_apart(entry.header().entry_type()) {
            continue;
        }
        let name = tidy(&entry.path()?);
        let mut parts = name.components();
        let (Some(first), rest) = (parts.next(), parts.next()) else {
            continue;
        };
        let first = PathBuf::from(first.as_os_str());
        let is_folder = rest.is_some() || entry.header().entry_type().is_dir();
        if !is_folder || top.as_ref().is_some_and(|top| *top != first) {
            return Ok(None);
        }
        top = Some(first);
    }
    let meant = folder.and_then(|folder| folder.components().next());
    Ok(top.filter(|top| meant.is_none_or(|meant| top.as_os_str() != meant.as_os_str())))
}

/// About the whole archive, and no file.
fn is_told_apart(kind: EntryType) -> bool {
    matches!(kind, EntryType::XGlobalHeader)
}

/// Without the `.` that many archives begin their names with.
fn tidy(name: &Path) -> PathBuf {
    name.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

fn below(name: &Path, top: Option<&Path>) -> PathBuf {
    let name = tidy(name);
    match top.and_then(|top| name.strip_prefix(top).ok()) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

fn put(
    entry: &mut tar::Entry<'_, impl Read>,
    top: Option<&Path>,
    stream: &mut Stream,
    path: &Path,
) -> Result<(), BundleError> {
    let damaged = |source| BundleError::NoTarball {
        path: path.to_owned(),
        source: Some(source),
    };
    let kind = entry.header().entry_type();
    if is_told_apart(kind) {
        return Ok(());
    }
    let whole = entry.path().map_err(damaged)?.into_owned();
    let name = below(&whole, top);
    if kind.is_dir() {
        // Its name alone could not lead anywhere, and there may be none left of it.
        return if name.as_os_str().is_empty() {
            Ok(())
        } else {
            check(&name)
        };
    }
    let target = entry
        .link_name()
        .map_err(damaged)?
        .map(std::borrow::Cow::into_owned);
    match (kind, target) {
        (EntryType::Symlink, Some(target)) => stream.link(&name, &target),
        (EntryType::Link, Some(earlier)) => stream.again(&name, &below(&earlier, top)),
        (EntryType::GNUSparse, _) => Err(sparse(whole)),
        (EntryType::Regular | EntryType::Continuous, _) if is_sparse(entry).map_err(damaged)? => {
            Err(sparse(whole))
        }
        (EntryType::Regular | EntryType::Continuous, _) => {
            let mode = entry.header().mode().map_err(damaged)?;
            let length = entry.size();
            stream.file(&name, mode & 0o100 != 0, length, entry)
        }
        (kind, _) => Err(BundleError::Strange {
            path: whole,
            what: match kind {
                EntryType::Fifo => "a pipe",
                EntryType::Char | EntryType::Block => "a device",
                _ => "something of an unknown kind",
            },
        }),
    }
}

/// The same in the later way of GNU's, in which the entry holds a list and the file's parts.
fn is_sparse(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
    let Some(about) = entry.pax_extensions()? else {
        return Ok(false);
    };
    let keys: io::Result<Vec<bool>> = about
        .map(|one| Ok(one?.key_bytes().starts_with(b"GNU.sparse.")))
        .collect();
    Ok(keys?.contains(&true))
}

/// A few bytes of it can stand for any number of them.
fn sparse(path: PathBuf) -> BundleError {
    BundleError::Strange {
        path,
        what: "a file with holes (`tar --sparse`)",
    }
}
