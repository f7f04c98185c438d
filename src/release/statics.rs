//! Links in the folders that NGINX serves of a release. It does not follow them, so those that
//! stay inside of such a folder are made what they point at.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use model::config::Config;
use model::layout::Layout;
use model::path::plain;
use model::release::ReleaseId;
use nginx::readers::Reader;
use sys::store;

/// More than are ever told one by one.
const MOST: usize = 100;

/// Puts in the place of each link that stays inside of its static folder what it points at, by
/// hard links: the same file under two names, as it was. Only in a release that is not live.
/// One that cannot be replaced stays, and is among [`links`].
pub fn settle(layout: &Layout, config: &Config, id: &ReleaseId) {
    let release = layout.release(id);
    // Those to folders last: by then what is in the folders is there to be copied.
    let mut links = links(layout, config, id);
    links.sort_by_key(|link| release.join(link).is_dir());
    for link in links {
        let place = release.join(&link);
        let folder = config
            .nginx
            .static_files
            .iter()
            .map(|files| plain(&files.folder))
            .find(|folder| link != *folder && link.starts_with(folder));
        let inside = folder.and_then(|folder| fs::canonicalize(release.join(folder)).ok());
        let target = fs::canonicalize(&place).ok();
        if let (Some(inside), Some(target)) = (inside, target)
            && target.starts_with(&inside)
            && !place.starts_with(&target)
        {
            replace(&place, &target).ok();
        }
    }
}

fn replace(link: &Path, target: &Path) -> io::Result<()> {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let beside = link.with_file_name(format!(".{name}.bg-new"));
    store::remove_tree(&beside).map_err(io::Error::other)?;
    let made = copy(target, &beside).and_then(|()| match target.is_dir() {
        // No folder is renamed over a link.
        true => fs::remove_file(link).and_then(|()| fs::rename(&beside, link)),
        false => fs::rename(&beside, link),
    });
    if made.is_err() {
        store::remove_tree(&beside).ok();
    }
    made
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(from)?;
    if about.is_symlink() {
        // What it leads to is for its own place to say.
        return Ok(());
    }
    if !about.is_dir() {
        return fs::hard_link(from, to);
    }
    fs::create_dir(to)?;
    fs::set_permissions(to, about.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The links in the static folders of the release `id`, relative to it, but for those that
/// `shared` names and that are served from where they lie. Not more than some.
#[must_use]
pub fn links(layout: &Layout, config: &Config, id: &ReleaseId) -> Vec<PathBuf> {
    let release = layout.release(id);
    let shared: Vec<PathBuf> = config.shared.iter().map(|path| plain(path)).collect();
    let mut found = Vec::new();
    for files in &config.nginx.static_files {
        let folder = plain(&files.folder);
        if config.shares(&folder).is_some() {
            continue;
        }
        // The folder itself, or one on the way to it.
        let mut way: Vec<&Path> = folder
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        way.reverse();
        match way.into_iter().find(|path| release.join(path).is_symlink()) {
            Some(link) => found.push(link.to_owned()),
            None => collect(&release, &folder, &shared, &mut found),
        }
    }
    found.sort();
    found.dedup();
    found
}

fn collect(release: &Path, folder: &Path, shared: &[PathBuf], found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(release.join(folder)).into_iter().flatten().flatten();
    for entry in entries {
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden || shared.contains(&path) || found.len() >= MOST {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => found.push(path),
            Ok(kind) if kind.is_dir() => collect(release, &path, shared, found),
            _ => {}
        }
    }
}

/// Why NGINX would not serve what it is told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// The folder is not there.
    #[error("`{}` is not there, which is served as `{url}`", .folder.display())]
    Missing {
        /// The folder, in full.
        folder: PathBuf,
        /// What it is served as.
        url: String,
    },
    /// Its modes keep NGINX's workers out.
    #[error("NGINX's user `{user}` cannot read `{}` (mode {mode:04o})", .path.display())]
    Closed {
        /// A file, or a folder on the way, in full.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Who is kept out.
        user: String,
    },
}

/// What of the static folders of the release `id` the workers would not get at: not more
/// than some. Where they are not known, the folders alone are looked for.
#[must_use]
pub fn unserved(layout: &Layout, config: &Config, id: &ReleaseId, workers: Option<&Reader>) -> Vec<Unserved> {
    let mut found = Vec::new();
    for files in &config.nginx.static_files {
        let folder = plain(&files.folder);
        let above = match config.shares(&folder) {
            Some(_) => layout.shared(),
            None => layout.release(id),
        };
        let place = above.join(&folder);
        if !place.is_dir() {
            found.push(Unserved::Missing {
                folder: place,
                url: files.url.clone(),
            });
            continue;
        }
        let Some(workers) = workers else { continue };
        let mut way: Vec<&Path> = place
            .ancestors()
            .take_while(|path| path.starts_with(&above))
            .collect();
        way.reverse();
        match way.into_iter().find(|folder| !workers.may_enter(folder)) {
            Some(closed) => found.extend(closed_to(workers, closed)),
            None => unread(workers, &place, &mut found),
        }
    }
    found
}

fn unread(workers: &Reader, folder: &Path, found: &mut Vec<Unserved>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // What is hidden, and what is linked, is not served.
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let (path, kind) = (entry.path(), entry.file_type());
        if is_hidden || found.len() >= MOST {
            continue;
        }
        match kind {
            Ok(kind) if kind.is_dir() && workers.may_enter(&path) => unread(workers, &path, found),
            Ok(kind) if kind.is_dir() || (kind.is_file() && !workers.may_read(&path)) => {
                found.extend(closed_to(workers, &path));
            }
            _ => {}
        }
    }
}

fn closed_to(workers: &Reader, path: &Path) -> Option<Unserved> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    Some(Unserved::Closed {
        path: path.to_owned(),
        mode,
        user: workers.name().to_owned(),
    })
}

/// Several of them in a few words.
#[must_use]
pub fn in_words(links: &[PathBuf]) -> String {
    let shown: Vec<String> = links
        .iter()
        .take(3)
        .map(|link| format!("`{}`", link.display()))
        .collect();
    match links.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
