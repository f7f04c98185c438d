//! The environment file: each release keeps the copy that it was made with.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use model::layout::Layout;
use sha2::{Digest, Sha256};
use sys::store::{self, FileError};

/// An environment file that is not used.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It is not there.
    #[error("there is no environment file `{}`: create it with mode 0600, or remove `env.file`", .0.display())]
    Missing(PathBuf),
    /// It is a folder or a device.
    #[error("`{}` in `env.file` is not a file", .0.display())]
    NoFile(PathBuf),
    /// It lies outside of `shared`.
    #[error("`{}` in `env.file` must be a path below `shared`, without `..`", .0.display())]
    Elsewhere(PathBuf),
    /// Others than its owner may use it.
    #[error("`{}` holds secrets and has mode {mode:04o}: run `chmod 600 {}`", .path.display(), quoted(.path))]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read or copied.
    #[error(transparent)]
    File(#[from] FileError),
}

fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |quoted| quoted.into_owned())
}

/// The first 16 hex digits of a content's SHA-256: 64 bits, enough for the few dozen files
/// that a host keeps.
#[must_use]
pub fn key(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Copies `<shared>/<file>` to `envs/<key>.env`, mode 0600, and says the copy's name in
/// `envs`. The same content is the same copy. Without `file` there is none.
///
/// # Errors
/// When it is missing, open to others, outside of `shared`, or cannot be copied.
pub fn snapshot_env(layout: &Layout, file: Option<&Path>) -> Result<Option<String>, EnvFileError> {
    let Some(file) = file else {
        return Ok(None);
    };
    let (name, content) = read(layout, file)?;
    // Written each time: a copy that was tampered with does not survive under its name.
    store::write_whole(&layout.envs().join(&name), &content, 0o600)?;
    Ok(Some(name))
}

/// The name that [`snapshot_env`] would give its copy now, which is not made.
///
/// # Errors
/// As there.
pub fn copy_of(layout: &Layout, file: Option<&Path>) -> Result<Option<String>, EnvFileError> {
    let read = file.map(|file| read(layout, file)).transpose()?;
    Ok(read.map(|(name, _)| name))
}

/// The name of a copy, and what it holds.
fn read(layout: &Layout, file: &Path) -> Result<(String, Vec<u8>), EnvFileError> {
    let path = look(layout, file)?;
    let content = fs::read(&path).map_err(FileError::at("read", &path))?;
    Ok((format!("{}.env", key(&content)), content))
}

/// Where the environment file lies, once it is seen to be there and closed to others.
///
/// # Errors
/// When it is missing, open to others, or outside of `shared`.
pub fn look(layout: &Layout, file: &Path) -> Result<PathBuf, EnvFileError> {
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !file.components().all(inside) {
        return Err(EnvFileError::Elsewhere(file.to_owned()));
    }
    let path = layout.shared().join(file);
    let about = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(EnvFileError::Missing(path)),
        about => about.map_err(FileError::at("read", &path))?,
    };
    if !about.is_file() {
        return Err(EnvFileError::NoFile(path));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(EnvFileError::Open { path, mode });
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use crate::envfile::*;
    use testkit::releases::Place;

    fn secrets(place: &Place, content: &str, mode: u32) {
        let path = place.layout.shared().join(".env");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn each_content_has_one_closed_copy() {
        let place = Place::new();
        let snapshot = || {
            snapshot_env(&place.layout, Some(Path::new(".env")))
                .unwrap()
                .unwrap()
        };
        secrets(&place, "KEY=one\n", 0o600);
        let first = snapshot();
        secrets(&place, "KEY=two\n", 0o400);
        let second = snapshot();
        assert_ne!(first, second);
        secrets(&place, "KEY=one\n", 0o600);
        assert_eq!(snapshot(), first);
        assert_eq!(first.len(), 16 + ".env".len());
        assert_eq!(fs::read_dir(place.layout.envs()).unwrap().count(), 2);
        let copy = place.layout.envs().join(&second);
        assert_eq!(fs::read_to_string(&copy).unwrap(), "KEY=two\n");
        assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let place = Place::new();
        for mode in [0o640, 0o604, 0o620] {
            secrets(&place, "KEY=one\n", mode);
            let error = snapshot_env(&place.layout, Some(Path::new(".env"))).unwrap_err();
            let path = place.layout.shared().join(".env");
            let path = path.display();
            assert_eq!(
                error.to_string(),
                format!("`{path}` holds secrets and has mode {mode:04o}: run `chmod 600 {path}`")
            );
        }
        assert_eq!(fs::read_dir(place.layout.envs()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_file_and_one_from_elsewhere_are_named() {
        let place = Place::new();
        assert_eq!(snapshot_env(&place.layout, None).unwrap(), None);
        let error = snapshot_env(&place.layout, Some(Path::new("prod.env"))).unwrap_err();
        let path = place.layout.shared().join("prod.env");
        assert!(
            error
                .to_string()
                .starts_with(&format!("there is no environment file `{}`", path.display())),
            "{error}"
        );
        for path in ["../bg.toml", "/etc/shadow"] {
            let error = snapshot_env(&place.layout, Some(Path::new(path))).unwrap_err();
            assert!(matches!(error, EnvFileError::Elsewhere(_)), "{error}");
        }
    }
}
