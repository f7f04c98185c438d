//! Links in the folders that NGINX serves of a release. It does not follow them, so those that
//! stay inside of such a folder are made what they point at.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use crate::host::store;
use crate::model::config::Config;
use crate::model::layout::Layout;
use crate::model::release::ReleaseId;

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
        if shared.iter().any(|shared| folder.starts_with(shared)) {
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

fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
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
