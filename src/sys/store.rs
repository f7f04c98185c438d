//! The folders of one app, and the few ways in which files in them are replaced or
//! removed, so that a cut at any instant leaves the old state or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use model::layout::Layout;
use nix::fcntl::OFlag;

use crate::fault;

/// Folders that are being removed carry this in front of their name.
pub const TRASH: &str = ".trash-";

/// A file or folder that could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`", .path.display())]
pub struct FileError {
    /// What was tried, as in "cannot read".
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Names `doing` and `path` in front of an I/O error, for `map_err`.
    pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError + use<> {
        let path = path.to_owned();
        move |source| FileError { doing, path, source }
    }
}

/// Creates what is missing of an app's folders and says what that was, parents first.
/// Folders that others must pass (NGINX's worker on its way to static files) are 0755, or 0711
/// where the source lies, what may hold log lines 0750, copies of the environment file 0700,
/// whatever the umask is. A folder that is there keeps its mode, but for what an earlier
/// version left open to those who have no business there.
///
/// # Errors
/// When a folder cannot be created, or something else has its name.
pub fn lay_out(layout: &Layout) -> Result<Vec<PathBuf>, FileError> {
    let launcher = layout.launcher();
    let bin = launcher.parent().unwrap_or(layout.root()).to_owned();
    let logs = layout.root().join("logs");
    let wanted = [
        (layout.root().to_owned(), 0o755),
        (bin, 0o755),
        (layout.releases(), 0o711),
        (layout.manifests(), 0o750),
        (layout.venvs(), 0o755),
        (layout.envs(), 0o700),
        (layout.assets(), 0o755),
        (layout.slots(), 0o755),
        (layout.shared(), 0o755),
        (layout.state(), 0o750),
        (layout.runs(), 0o750),
        (logs, 0o750),
    ];
    let mut created = Vec::new();
    for (folder, mode) in wanted {
        if folder.is_dir() {
            continue;
        }
        create_folder(&folder, mode)?;
        created.push(folder);
    }
    set_mode(&layout.envs(), 0o700)?;
    let closed = [
        (layout.config(), 0o027),
        (layout.mirror(), 0o077),
        (layout.manifests(), 0o007),
        (layout.state(), 0o007),
        (layout.runs(), 0o007),
    ];
    for (path, open) in closed {
        narrow(&path, open)?;
    }
    // Where NGINX's group was given them, they are closed to all others.
    if fs::symlink_metadata(layout.releases()).is_ok_and(|about| about.mode() & 0o006 != 0) {
        narrow(&layout.releases(), 0o066)?;
    }
    Ok(created)
}

/// Makes `folder` and what is missing above it, each 0755, whatever the umask is and whatever
/// the folder above would have them inherit. What is there stays as it is.
///
/// # Errors
/// When one cannot be made.
pub fn make_all(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_all(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755)),
        // Somebody else was faster.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes `folder` where nobody but its owner can enter it.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(folder: &Path) -> Result<(), FileError> {
    create_folder(folder, 0o700)
}

/// Lets others enter `folder`; of the files that are `kept` in it they have nothing.
///
/// # Errors
/// When a mode cannot be set.
pub fn let_others_in(folder: &Path, kept: &[&str]) -> Result<(), FileError> {
    let kept = kept.iter().map(|name| folder.join(name));
    for file in kept.filter(|file| file.is_file()) {
        set_mode(&file, 0o600)?;
    }
    set_mode(folder, 0o755)
}

/// Takes rights of others away, whatever more they have; what is missing, or a link, is left.
fn narrow(path: &Path, open: u32) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.is_symlink() && about.mode() & open != 0 => {
            set_mode(path, about.mode() & 0o7777 & !open)
        }
        _ => Ok(()),
    }
}

fn create_folder(folder: &Path, mode: u32) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .map_err(FileError::at("create the folder", folder))?;
    set_mode(folder, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), FileError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(FileError::at("set the mode of", path))
}

/// Reads a file of somebody else's, no further than `longest` bytes: never a pipe, which would
/// have to be filled first, nor a device.
///
/// # Errors
/// When it cannot be read, or is no file.
pub fn read_plain(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = open_plain(path, OFlag::empty())?;
    let mut bytes = Vec::new();
    file.take(longest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens such a file to be read, as `flags` say too.
///
/// # Errors
/// As [`read_plain`].
pub fn open_plain(path: &Path, flags: OFlag) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | flags).bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(file)
}

/// More than any text that this program writes, or shares a folder with.
pub const LONGEST_TEXT: u64 = 16 << 20;

/// The same for a text.
///
/// # Errors
/// As [`read_plain`]; and when it is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_plain(path, LONGEST_TEXT)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Writes a file as a whole: beside its place under a name of its own, flushed to disk, then
/// renamed over it. A new name that must not be there yet (`O_EXCL`, which follows no link):
/// whoever can write into the folder could have a name that is known led anywhere.
///
/// # Errors
/// When any of that fails; the old file then stands as it was.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = (|| {
        fault::file("create", path)?;
        let mut beside = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".tmp")
            .make_in(folder.unwrap_or(Path::new(".")), |beside| {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(beside)
            })?;
        let file = beside.as_file_mut();
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        fault::file("flush", path)?;
        file.sync_all()?;
        // Dropping it takes away what was not renamed.
        fault::at("rename to", path, || fs::rename(beside.path(), path))
    })();
    written.map_err(FileError::at("write", path))?;
    flush_folder(folder.unwrap_or(Path::new(".")))
}

/// Makes the symlink `link` point at `target`, with one rename whether it is there or not.
///
/// # Errors
/// When the link cannot be made; the old one then stands as it was.
pub fn point(link: &Path, target: &Path) -> Result<(), FileError> {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let beside = link.with_file_name(format!(".{name}.new"));
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(FileError::at("remove", &beside)(error));
        }
        _ => {}
    }
    fault::file("link", link)
        .and_then(|()| symlink(target, &beside))
        .map_err(FileError::at("create the link", &beside))?;
    fault::at("point", link, || fs::rename(&beside, link))
        .map_err(FileError::at("replace the link", link))?;
    flush_folder(link.parent().unwrap_or(Path::new("/")))
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// When the folder cannot be opened or flushed.
pub fn flush_folder(folder: &Path) -> Result<(), FileError> {
    fault::file("flush the folder", folder)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(FileError::at("flush", folder))
}

/// Makes everything on the file system of `path` survive a power cut: one call for the
/// thousands of files of an environment.
///
/// # Errors
/// When `path` cannot be opened or the disk reports an error.
pub async fn flush_all(path: &Path) -> Result<(), FileError> {
    let owned = path.to_owned();
    tokio::task::spawn_blocking(move || nix::unistd::syncfs(File::open(owned)?).map_err(io::Error::from))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(FileError::at("flush", path))
}

/// The names in a folder, sorted; none when it is not there. Names that are no text are left
/// out: none of ours is like that.
///
/// # Errors
/// When the folder cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::at("read", folder))?,
    };
    let names: io::Result<Vec<_>> = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect();
    let names = names.map_err(FileError::at("read", folder))?;
    let mut names: Vec<String> = names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// Takes a folder out of sight with one rename, then removes it: nobody ever sees half of
/// it. One that is not there is fine.
///
/// # Errors
/// When it cannot be renamed or something in it cannot be removed.
pub fn discard(folder: &Path) -> Result<(), FileError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let trash = folder.with_file_name(format!("{TRASH}{name}"));
    remove_tree(&trash)?;
    match fault::file("discard", folder).and_then(|()| fs::rename(folder, &trash)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(FileError::at("rename", folder))?,
    }
    remove_tree(&trash)
}

/// Removes a file, a link or a folder with all it holds, read-only folders included. One
/// that is not there is fine. Links are removed, never followed.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_tree(path: &Path) -> Result<(), FileError> {
    let removed =
        match fs::symlink_metadata(path).and_then(|about| fault::file("remove", path).map(|()| about)) {
            Ok(about) if about.is_dir() => fs::remove_dir_all(path).or_else(|error| {
                // Root needs no leave, and could be led to change a mode elsewhere.
                if nix::unistd::geteuid().is_root() {
                    return Err(error);
                }
                open_up(path);
                fs::remove_dir_all(path)
            }),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(FileError::at("remove", path)),
    }
}

/// Lets the owner write in every folder below `folder`: without that its files cannot be
/// removed, whatever their own mode is.
fn open_up(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o700)).ok();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
