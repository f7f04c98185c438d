//! The logs that gunicorn writes itself, where its settings name files for them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use model::color::Color;
use model::gunicorn::Gunicorn;
use model::layout::Layout;
use model::release::Manifest;
use nix::fcntl::OFlag;
use nix::unistd::Uid;
use sys::path_security;
use sys::store::{open_plain, read_plain};

use crate::launcher::{self, render_run};

/// Longer than any settings file; what comes after it is not looked at.
const LONGEST: u64 = 256 << 10;

/// A file that gunicorn writes its log to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLog {
    /// As its settings name it.
    pub name: PathBuf,
    /// Where it lies.
    pub path: PathBuf,
}

impl ServerLog {
    /// That of errors and of what the app prints, for a release that is started in `color`; none
    /// where that is its standard error, or only Python can tell.
    #[must_use]
    pub fn of_errors(layout: &Layout, color: Color, manifest: &Manifest) -> Option<ServerLog> {
        let name = gunicorn(layout, color, manifest)?.error_log()?;
        let path = launcher::folder(layout, manifest).join(&name);
        Some(ServerLog { name, path })
    }

    /// Opens it to be read; `None` where there is no such file. Its folder may be one that the
    /// app can write: root reads only where nobody else could have led the way elsewhere.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self) -> io::Result<Option<File>> {
        let opened = match (
            Uid::effective().is_root(),
            self.path.parent(),
            self.path.file_name(),
        ) {
            (true, Some(folder), Some(name)) => match path_security::roots_alone(folder) {
                Ok(folder) => open_plain(&folder.join(name), OFlag::O_NOFOLLOW),
                Err(error) if error.is_missing() => return Ok(None),
                Err(error) => Err(io::Error::other(error)),
            },
            _ => open_plain(&self.path, OFlag::empty()),
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }
}

/// All logs that gunicorn writes by itself for a release.
#[must_use]
pub fn paths(layout: &Layout, manifest: &Manifest) -> BTreeSet<PathBuf> {
    let of = |color| gunicorn(layout, color, manifest);
    let told: Vec<Gunicorn> = Color::BOTH.into_iter().filter_map(of).collect();
    let logs = told.iter().flat_map(|told| [told.error_log(), told.access_log()]);
    let folder = launcher::folder(layout, manifest);
    // Collected anew, a path has no `./` in it.
    let whole = |name: PathBuf| folder.join(name).components().collect();
    logs.flatten().map(whole).collect()
}

fn gunicorn(layout: &Layout, color: Color, manifest: &Manifest) -> Option<Gunicorn> {
    if manifest.adopted.is_some() {
        return None;
    }
    let (venv, release) = (layout.venvs().join(&manifest.venv), layout.release(&manifest.id));
    let port = manifest.ports.of(color);
    let words = render_run(&manifest.run, port, &venv, &release, color).ok()?;
    let environment = launcher::environment(layout, color, manifest).ok()?;
    let variable = environment.get("GUNICORN_CMD_ARGS").map(String::as_str);
    let told = Gunicorn::of_words(&words, variable)?;
    let file = launcher::folder(layout, manifest).join(told.file());
    let text = read_plain(&file, LONGEST).unwrap_or_default();
    Some(told.with_file(&String::from_utf8_lossy(&text)))
}
