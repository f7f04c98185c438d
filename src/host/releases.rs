//! The folders of an app: manifests, slots, copies of the environment file, and the
//! deletion of what nobody needs.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::color::Color;
use crate::model::layout::{Layout, NginxLayout};
use crate::model::release::{Manifest, ReleaseId};

/// What goes wrong with them.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The release is not kept.
    #[error("release {0} is not kept on this host")]
    Unknown(ReleaseId),
    /// Its manifest makes no sense.
    #[error("the manifest of {id} makes no sense")]
    Broken {
        /// The release.
        id: ReleaseId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Its manifest is a later version's.
    #[error("the manifest of {0} was written by a newer bluegreen")]
    Newer(ReleaseId),
    /// The environment file is not there.
    #[error("`{}` does not exist: `env.file` in bg.toml names it", .0.display())]
    NoEnvFile(PathBuf),
    /// Others can read the environment file.
    #[error("others can read `{}`: chmod 600 {}", .0.display(), .0.display())]
    OpenEnvFile(PathBuf),
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ReleaseError {
    let path = path.to_owned();
    move |source| ReleaseError::Io { what, path, source }
}

/// Makes every folder of an app that is missing.
///
/// # Errors
/// When one cannot be made.
pub fn lay_out(layout: &Layout) -> Result<(), ReleaseError> {
    let open = [
        layout.root().to_owned(),
        layout.releases(),
        layout.manifests(),
        layout.venvs(),
        layout.slots(),
        layout.shared(),
        layout.state(),
        layout.runs(),
        layout.root().join("bin"),
        layout.root().join("logs"),
    ];
    for (folder, mode) in open
        .iter()
        .map(|folder| (folder, 0o755))
        .chain([(&layout.envs(), 0o700)])
    {
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(folder)
            .map_err(io("made", folder))?;
    }
    Ok(())
}

/// Writes a file whole: beside its place, synced, then renamed over it.
///
/// # Errors
/// When it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    write_with_mode(path, bytes, 0o644)
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ReleaseError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // `bg.toml` alone has the parent "", which no call takes for this folder.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    std::fs::create_dir_all(folder).map_err(io("made", folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io("written", path))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.as_file().sync_all())
        .map_err(io("written", path))?;
    file.persist(path)
        .map_err(|error| io("written", path)(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("synced", folder))
}

/// Keeps the manifest of a release.
///
/// # Errors
/// When it cannot be written.
pub fn write_manifest(layout: &Layout, manifest: &Manifest) -> Result<(), ReleaseError> {
    let text = serde_json::to_vec_pretty(manifest).map_err(|source| ReleaseError::Broken {
        id: manifest.id.clone(),
        source,
    })?;
    write_whole(&layout.manifest(&manifest.id), &text)
}

/// The manifest of a release.
///
/// # Errors
/// When it is not kept, makes no sense, or is a later version's.
pub fn manifest(layout: &Layout, id: &ReleaseId) -> Result<Manifest, ReleaseError> {
    let path = layout.manifest(id);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ReleaseError::Unknown(id.clone()));
        }
        Err(error) => return Err(io("read", &path)(error)),
    };
    let format = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|value| value.get("format").and_then(serde_json::Value::as_u64));
    if format.is_some_and(|format| format > u64::from(Manifest::FORMAT)) {
        return Err(ReleaseError::Newer(id.clone()));
    }
    serde_json::from_slice(&text).map_err(|source| ReleaseError::Broken {
        id: id.clone(),
        source,
    })
}

/// Every release that has a checkout and a manifest, oldest first.
#[must_use]
pub fn ids(layout: &Layout) -> Vec<ReleaseId> {
    let mut ids: Vec<ReleaseId> = names(&layout.releases())
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .filter(|id| layout.manifest(id).is_file())
        .collect();
    ids.sort();
    ids
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The release in a color's slot.
#[must_use]
pub fn slot(layout: &Layout, color: Color) -> Option<ReleaseId> {
    let target = std::fs::read_link(layout.slot(color)).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Points a color's slot at a release, in one rename.
///
/// # Errors
/// When the system refuses.
pub fn point_slot(layout: &Layout, color: Color, id: &ReleaseId) -> Result<(), ReleaseError> {
    let (slot, next) = (layout.slot(color), layout.slots().join(format!(".next-{color}")));
    std::fs::remove_file(&next).ok();
    std::os::unix::fs::symlink(Path::new("../releases").join(id), &next)
        .and_then(|()| std::fs::rename(&next, &slot))
        .and_then(|()| File::open(layout.slots())?.sync_all())
        .map_err(io("replaced", &slot))
}

/// Takes the release out of a color's slot.
///
/// # Errors
/// When the system refuses.
pub fn empty_slot(layout: &Layout, color: Color) -> Result<(), ReleaseError> {
    match std::fs::remove_file(layout.slot(color)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("emptied", &layout.slot(color))(error))
        }
        _ => Ok(()),
    }
}

/// What NGINX answers for a color on its own endpoint.
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
    write_whole(&nginx.answer(color), format!("{answer}\n").as_bytes())
}

/// Looks whether the environment file is there and nobody else can read it.
///
/// # Errors
/// What is wrong with it.
pub fn check_env_source(layout: &Layout, file: &Path) -> Result<(), ReleaseError> {
    let path = layout.shared().join(file);
    let about = match std::fs::metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ReleaseError::NoEnvFile(path));
        }
        Err(error) => return Err(io("read", &path)(error)),
    };
    if about.permissions().mode() & 0o077 != 0 {
        return Err(ReleaseError::OpenEnvFile(path));
    }
    Ok(())
}

/// Keeps a private copy of the environment file, named by its content, so that a release
/// always starts with the one that it was made with.
///
/// # Errors
/// When the file is missing or open to others, or cannot be copied.
pub fn snapshot_env(layout: &Layout, file: &Path) -> Result<String, ReleaseError> {
    check_env_source(layout, file)?;
    let path = layout.shared().join(file);
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    let hash: String = Sha256::digest(&bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("{hash}.env");
    let copy = layout.envs().join(&name);
    if !copy.exists() {
        write_with_mode(&copy, &bytes, 0o600)?;
    }
    Ok(name)
}

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Releases.
    pub releases: Vec<ReleaseId>,
    /// Python environments.
    pub venvs: Vec<String>,
}

/// Deletes the oldest releases beyond `keep`, never one that is `needed` or whose folder
/// PM2's dump names, then environments that no kept release uses, then what killed runs
/// have left.
///
/// # Errors
/// When something cannot be deleted.
pub fn prune(
    layout: &Layout,
    keep: usize,
    needed: &BTreeSet<ReleaseId>,
    dump: &[PathBuf],
) -> Result<Pruned, ReleaseError> {
    let mut pruned = Pruned::default();
    let all = ids(layout);
    let beyond = all.len().saturating_sub(keep);
    for id in all.iter().take(beyond) {
        let folder = layout.release(id);
        let dumped = dump.iter().any(|cwd| cwd.starts_with(&folder));
        if !needed.contains(id) && !dumped {
            discard(&folder)?;
            std::fs::remove_file(layout.manifest(id)).map_err(io("deleted", &layout.manifest(id)))?;
            pruned.releases.push(id.clone());
        }
    }
    pruned.venvs = prune_environments(layout)?;
    sweep(layout)?;
    Ok(pruned)
}

fn prune_environments(layout: &Layout) -> Result<Vec<String>, ReleaseError> {
    let mut used = BTreeSet::new();
    for id in ids(layout) {
        // One that cannot be read may need any of them: nothing is deleted then.
        let Ok(manifest) = manifest(layout, &id) else {
            return Ok(Vec::new());
        };
        used.insert(manifest.venv);
        used.extend(manifest.env_file);
    }
    let unused = |folder: &Path| {
        names(folder)
            .into_iter()
            .filter(|name| !name.starts_with('.') && !used.contains(name))
            .collect::<Vec<_>>()
    };
    for name in unused(&layout.envs()) {
        let path = layout.envs().join(name);
        std::fs::remove_file(&path).map_err(io("deleted", &path))?;
    }
    let venvs = unused(&layout.venvs());
    for name in &venvs {
        discard(&layout.venvs().join(name))?;
    }
    Ok(venvs)
}

/// Renamed first: a deletion that is cut off leaves nothing that looks whole.
fn discard(folder: &Path) -> Result<(), ReleaseError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let trash = folder.with_file_name(format!(".trash-{name}"));
    std::fs::rename(folder, &trash).map_err(io("deleted", folder))?;
    remove_all(&trash)
}

/// What killed runs have left: checkouts and deletions that were cut off, and checkouts
/// without a manifest.
///
/// # Errors
/// When something cannot be deleted.
pub fn sweep(layout: &Layout) -> Result<(), ReleaseError> {
    for folder in [layout.releases(), layout.venvs()] {
        for name in names(&folder) {
            let no_manifest = name
                .parse()
                .is_ok_and(|id: ReleaseId| !layout.manifest(&id).is_file());
            if name.starts_with('.') || no_manifest {
                remove_all(&folder.join(name))?;
            }
        }
    }
    Ok(())
}

/// Deletes a folder with everything in it, also where an app has made folders read-only.
fn remove_all(path: &Path) -> Result<(), ReleaseError> {
    if std::fs::symlink_metadata(path).is_ok_and(|about| !about.is_dir()) {
        return std::fs::remove_file(path).map_err(io("deleted", path));
    }
    if std::fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    open_up(path);
    std::fs::remove_dir_all(path).map_err(io("deleted", path))
}

fn open_up(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700)).ok();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
