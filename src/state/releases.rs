//! The snapshots of all releases, and the link that says what each color runs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use model::color::Color;
use model::layout::{Layout, NginxLayout};
use model::release::{Manifest, ReleaseId};
use serde_json::Value;
use sys::fault;
use sys::store::{self, FileError};

/// All releases that are kept, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Releases {
    /// Those whose snapshot can be read.
    pub manifests: Vec<Manifest>,
    /// The others.
    pub unreadable: Vec<Unreadable>,
}

/// A release whose snapshot cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The release, from the name of the file.
    pub id: ReleaseId,
    /// Why, for people.
    pub why: String,
}

/// A snapshot or a slot that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// There is no such release.
    #[error("there is no release `{0}` on this host, `bluegreen releases` lists them")]
    Missing(ReleaseId),
    /// A later version wrote it.
    #[error(
        "the snapshot of `{id}` has format {found} and this version reads up to {}: \
         use the `bluegreen` that wrote it, or a later one",
        Manifest::FORMAT
    )]
    Newer {
        /// The release.
        id: ReleaseId,
        /// Its format.
        found: u64,
    },
    /// It is not what a snapshot should be.
    #[error("the snapshot of `{id}` is damaged")]
    Damaged {
        /// The release.
        id: ReleaseId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is the snapshot of another release.
    #[error("the snapshot of `{id}` names the release `{found}`")]
    Mixed {
        /// The release that was asked for.
        id: ReleaseId,
        /// What the file says.
        found: ReleaseId,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Keeps the snapshot of a release; from here on the release counts as made.
///
/// # Errors
/// When the file cannot be written.
pub fn write(layout: &Layout, manifest: &Manifest) -> Result<(), ReleaseError> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|source| ReleaseError::Damaged {
        id: manifest.id.clone(),
        source,
    })?;
    text.push(b'\n');
    store::write_whole(&layout.manifest(&manifest.id), &text, 0o640)?;
    Ok(())
}

/// More than any snapshot: its configuration has a limit of its own below this.
const LONGEST: u64 = 4 << 20;

/// Reads the snapshot of one release.
///
/// # Errors
/// When it is missing, damaged, or from a later version.
pub fn read(layout: &Layout, id: &ReleaseId) -> Result<Manifest, ReleaseError> {
    let path = layout.manifest(id);
    let text = match store::read_plain(&path, LONGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ReleaseError::Missing(id.clone())),
        read => read.map_err(FileError::at("read", &path))?,
    };
    let damaged = |source| ReleaseError::Damaged {
        id: id.clone(),
        source,
    };
    let value: Value = serde_json::from_slice(&text).map_err(damaged)?;
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found > u64::from(Manifest::FORMAT) => {
            return Err(ReleaseError::Newer {
                id: id.clone(),
                found,
            });
        }
        _ => {}
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(damaged)?;
    if manifest.id == *id {
        Ok(manifest)
    } else {
        Err(ReleaseError::Mixed {
            id: id.clone(),
            found: manifest.id,
        })
    }
}

/// Reads the snapshots of all releases. One that cannot be read hides no other.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn list(layout: &Layout) -> Result<Releases, ReleaseError> {
    let mut releases = Releases::default();
    for id in ids(layout)? {
        match read(layout, &id) {
            Ok(manifest) => releases.manifests.push(manifest),
            Err(error) => releases.unreadable.push(Unreadable {
                why: whole_story(&error),
                id,
            }),
        }
    }
    Ok(releases)
}

fn whole_story(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", whole_story(source)),
        None => error.to_string(),
    }
}

/// The ids of all snapshots, readable or not, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn ids(layout: &Layout) -> Result<Vec<ReleaseId>, FileError> {
    let mut ids: Vec<ReleaseId> = store::names(&layout.manifests())?
        .iter()
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect();
    ids.sort();
    Ok(ids)
}

/// The release that a color's link names; none when the color never ran one.
#[must_use]
pub fn slot(layout: &Layout, color: Color) -> Option<ReleaseId> {
    let target = fs::read_link(layout.slot(color)).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Makes a color's link name `id`.
///
/// # Errors
/// When there is no such release folder, or the link cannot be replaced.
pub fn point_slot(layout: &Layout, color: Color, id: &ReleaseId) -> Result<(), ReleaseError> {
    if !layout.release(id).is_dir() {
        return Err(ReleaseError::Missing(id.clone()));
    }
    store::point(&layout.slot(color), &Path::new("../releases").join(id))?;
    Ok(())
}

/// Takes the release out of a color's slot.
///
/// # Errors
/// When the system refuses.
pub fn empty_slot(layout: &Layout, color: Color) -> Result<(), ReleaseError> {
    let slot = layout.slot(color);
    match fault::file("empty", &slot).and_then(|()| fs::remove_file(&slot)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(FileError::at("remove", &slot)(error).into())
        }
        _ => Ok(()),
    }
}

/// Keeps what NGINX answers for a color on its own endpoint: the release in its slot.
///
/// # Errors
/// When it cannot be written.
pub fn write_answer(
    nginx: &NginxLayout,
    app: &str,
    color: Color,
    id: Option<&ReleaseId>,
) -> Result<(), ReleaseError> {
    let answer = serde_json::json!({"app": app, "color": color, "release": id});
    store::write_whole(&nginx.answer(color), format!("{answer}\n").as_bytes(), 0o644)?;
    Ok(())
}

#[cfg(test)]
mod tests;
