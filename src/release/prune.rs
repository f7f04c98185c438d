//! Old releases go, and what only they needed. What a color, a rollback or PM2 still needs
//! stays, however old it is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::color::Color;
use model::layout::Layout;
use model::release::ReleaseId;
use state::releases::{self, ReleaseError};
use sys::store::{self, FileError, TRASH};

use crate::checkout::PARTIAL;
use crate::seal;
use crate::venv::COMPLETE;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Releases, oldest first.
    pub releases: Vec<ReleaseId>,
    /// Python environments, by key.
    pub venvs: Vec<String>,
    /// Copies of the environment file, by name.
    pub envs: Vec<String>,
    /// Room given back, in bytes.
    pub bytes: u64,
    /// Releases that stay although they are old: something was written into them.
    pub holding: Vec<ReleaseId>,
    /// Releases that stay and whose snapshot cannot be read. While there is one, all Python
    /// environments and copies stay, for nobody knows which it needs.
    pub unreadable: Vec<ReleaseId>,
}

/// What may not go.
pub struct Needs<'a> {
    /// What a rollback or a worker needs.
    pub releases: &'a BTreeSet<ReleaseId>,
    /// The working folders in PM2's dump: every release that one of them lies in.
    pub paths: &'a [PathBuf],
    /// Whether a release was ever live.
    pub has_served: &'a dyn Fn(&ReleaseId) -> bool,
    /// Whether something was written into a release that nobody else has.
    pub holds_data: &'a dyn Fn(&ReleaseId) -> bool,
}

/// Removes the oldest releases beyond the last `keep` that served, then the Python environments and copies of the
/// environment file that no kept release names, and what killed runs have left half done.
/// Never removed: what a slot names, and what `needs` says. The caller holds the app's lock.
///
/// # Errors
/// When a folder cannot be read or something cannot be removed.
pub fn prune(layout: &Layout, keep: usize, needs: &Needs<'_>) -> Result<Pruned, ReleaseError> {
    let mut pruned = Pruned::default();
    let kept = prune_releases(layout, keep, needs, &mut pruned)?;
    let occupied = Occupied::new(needs.paths);
    let (venvs, envs) = (store::names(&layout.venvs())?, store::names(&layout.envs())?);
    let mut unused: BTreeSet<String> = venvs.iter().chain(&envs).cloned().collect();
    for id in kept.into_iter().rev() {
        // Most of them share theirs with a later one.
        if unused.is_empty() {
            break;
        }
        match releases::read(layout, &id) {
            Ok(manifest) => {
                unused.remove(&manifest.venv);
                manifest.env_file.map(|name| unused.remove(&name));
            }
            Err(_) => pruned.unreadable.push(id),
        }
    }
    let known = pruned.unreadable.is_empty();
    for name in venvs {
        let folder = layout.venvs().join(&name);
        let half_done = !folder.join(COMPLETE).exists();
        let is_unused = known && unused.contains(&name) && !occupied.has(&folder);
        if is_unused || half_done {
            pruned.bytes += remove(&folder)?;
            pruned.venvs.extend((!half_done).then_some(name));
        }
    }
    for name in envs {
        if known && unused.contains(&name) {
            pruned.bytes += remove(&layout.envs().join(&name))?;
            pruned.envs.push(name);
        }
    }
    Ok(pruned)
}

/// Removes releases, and says which stay.
fn prune_releases(
    layout: &Layout,
    keep: usize,
    needs: &Needs<'_>,
    pruned: &mut Pruned,
) -> Result<BTreeSet<ReleaseId>, ReleaseError> {
    let occupied = Occupied::new(needs.paths);
    let made: BTreeSet<ReleaseId> = releases::ids(layout)?.into_iter().collect();
    let mut all = made.clone();
    for name in store::names(&layout.releases())? {
        if name.starts_with(TRASH) || (name.starts_with('.') && name.ends_with(PARTIAL)) {
            pruned.bytes += remove(&layout.releases().join(&name))?;
        } else {
            all.extend(name.parse());
        }
    }
    let slots = Color::BOTH
        .iter()
        .filter_map(|color| releases::slot(layout, *color));
    let mut must_stay = occupied.among(&layout.releases());
    must_stay.extend(needs.releases.iter().cloned().chain(slots));
    let mut kept: BTreeSet<ReleaseId> = all.intersection(&must_stay).cloned().collect();
    // What served takes the places first; what was refused, or only made ready, gets those that
    // are left. A folder without a snapshot is what a killed run left: it takes nobody's place.
    let (served, others): (Vec<_>, Vec<_>) = made.iter().rev().partition(|id| (needs.has_served)(id));
    for id in served.into_iter().chain(others) {
        if kept.len() >= keep {
            break;
        }
        kept.insert(id.clone());
    }
    let (stay, go): (Vec<_>, Vec<_>) = all
        .difference(&kept)
        .cloned()
        .partition(|id| occupied.has(&layout.release(id)));
    kept.extend(stay);
    for id in go {
        if (needs.holds_data)(&id) {
            kept.insert(id.clone());
            pruned.holding.push(id);
            continue;
        }
        // The snapshot goes first: what has one has its folder.
        store::remove_tree(&layout.manifest(&id))?;
        store::remove_tree(&seal::at(layout, &id))?;
        pruned.bytes += remove(&layout.release(&id))?;
        pruned.releases.push(id);
    }
    Ok(kept)
}

/// Folders that processes will be started in.
struct Occupied {
    paths: Vec<PathBuf>,
}

impl Occupied {
    fn new(paths: &[PathBuf]) -> Occupied {
        let real = paths.iter().filter_map(|path| fs::canonicalize(path).ok());
        Occupied {
            paths: paths.iter().cloned().chain(real).collect(),
        }
    }

    /// The releases below `folder` that one of them names, by the look of the paths alone.
    fn among(&self, folder: &Path) -> BTreeSet<ReleaseId> {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let below = |path: &PathBuf| {
            let rest = path
                .strip_prefix(folder)
                .or_else(|_| path.strip_prefix(&real))
                .ok()?;
            rest.iter().next()?.to_str()?.parse().ok()
        };
        self.paths.iter().filter_map(below).collect()
    }

    /// Whether one of them is `folder` or lies in it.
    fn has(&self, folder: &Path) -> bool {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        self.paths
            .iter()
            .any(|path| path.starts_with(folder) || path.starts_with(&real))
    }
}

/// Removes a file or folder and says how many bytes that gave back.
fn remove(path: &Path) -> Result<u64, FileError> {
    let bytes = room(path);
    if path.is_dir() {
        store::discard(path)?;
    } else {
        store::remove_tree(path)?;
    }
    Ok(bytes)
}

/// Room on disk in bytes, without files that have another name elsewhere: `uv` links the
/// packages of an environment to its cache.
fn room(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else {
        return 0;
    };
    let below = about.is_dir().then(|| fs::read_dir(path).ok()).flatten();
    let below: u64 = below
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| room(&entry.path()))
        .sum();
    let shared = !about.is_dir() && about.nlink() > 1;
    // st_blocks counts units of 512 bytes, whatever the file system's own are.
    if shared {
        below
    } else {
        below + about.blocks() * 512
    }
}

#[cfg(test)]
mod tests {
    use crate::prune::*;
    use testkit::releases::Place;

    fn prune(layout: &Layout, keep: usize, releases: &[ReleaseId], paths: &[PathBuf]) -> Pruned {
        prune_but(layout, keep, releases, paths, |_| true, None)
    }

    fn prune_but(
        layout: &Layout,
        keep: usize,
        releases: &[ReleaseId],
        paths: &[PathBuf],
        has_served: impl Fn(&ReleaseId) -> bool,
        holding: Option<&ReleaseId>,
    ) -> Pruned {
        let needs = Needs {
            releases: &releases.iter().cloned().collect(),
            paths,
            has_served: &has_served,
            holds_data: &|id| Some(id) == holding,
        };
        super::prune(layout, keep, &needs).unwrap()
    }

    fn left(folder: &Path) -> Vec<String> {
        store::names(folder).unwrap()
    }

    #[test]
    fn the_newest_stay_with_what_they_need() {
        let place = Place::new();
        let layout = &place.layout;
        let first = place.release(1, "old", "old.env");
        let second = place.release(2, "old", "shared.env");
        let third = place.release(3, "new", "shared.env");
        let fourth = place.release(4, "new", "new.env");
        let pruned = prune(layout, 2, &[], &[]);
        assert_eq!(pruned.releases, [first.clone(), second]);
        assert_eq!(pruned.venvs, ["old"]);
        assert_eq!(pruned.envs, ["old.env"]);
        assert!(pruned.bytes > 0);
        assert_eq!(releases::ids(layout).unwrap(), [third.clone(), fourth.clone()]);
        assert_eq!(left(&layout.releases()), [third.as_str(), fourth.as_str()]);
        assert_eq!(left(&layout.venvs()), ["new"]);
        assert_eq!(left(&layout.envs()), ["new.env", "shared.env"]);
        assert_eq!(prune(layout, 2, &[], &[]), Pruned::default());
    }

    #[test]
    fn what_a_slot_a_rollback_or_pm2_needs_stays_however_old() {
        let place = Place::new();
        let layout = &place.layout;
        let ids: Vec<ReleaseId> = (1..=5)
            .map(|n| place.release(n, &format!("v{n}"), &format!("{n}.env")))
            .collect();
        releases::point_slot(layout, Color::Green, &ids[0]).unwrap();
        releases::point_slot(layout, Color::Blue, &ids[3]).unwrap();
        let rollback = [ids[1].clone()];
        let dump = [layout.release(&ids[2]).join("web"), PathBuf::from("/gone")];
        let pruned = prune(layout, 1, &rollback, &dump);
        assert_eq!(pruned.releases, [ids[4].clone()]);
        assert_eq!(releases::ids(layout).unwrap(), ids[..4]);
        assert_eq!(left(&layout.venvs()), ["v1", "v2", "v3", "v4"]);
        assert_eq!(left(&layout.envs()), ["1.env", "2.env", "3.env", "4.env"]);
    }

    #[test]
    fn a_working_folder_named_through_a_link_counts() {
        let place = Place::new();
        let layout = &place.layout;
        let id = place.release(1, "venv", "env");
        let newer = place.release(2, "venv", "env");
        let elsewhere = place.temp.path().join("www");
        std::os::unix::fs::symlink(layout.root(), &elsewhere).unwrap();
        let dump = [Layout::new(elsewhere).release(&id).join("web")];
        let pruned = prune(layout, 1, &[], &dump);
        assert_eq!(pruned.releases, [newer]);
        assert!(layout.release(&id).exists());
    }

    #[test]
    fn what_killed_runs_left_goes() {
        let place = Place::new();
        let layout = &place.layout;
        let kept = place.release(1, "venv", "kept.env");
        for folder in [
            layout.releases().join(".20261123T181509Z-3f6f782.partial/tree"),
            layout.releases().join(".trash-20261123T181500Z-3f6f782/web"),
            layout.releases().join("20261123T181508Z-3f6f782/web"),
            layout.venvs().join(".trash-old/bin"),
            layout.venvs().join("half-built/bin"),
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(layout.envs().join(".kept.env.tmp"), "SECRET=").unwrap();
        prune(layout, 5, &[], &[]);
        assert_eq!(left(&layout.releases()), [kept.as_str()]);
        assert_eq!(left(&layout.venvs()), ["venv"]);
        assert_eq!(left(&layout.envs()), ["kept.env"]);
    }

    #[test]
    fn a_release_whose_needs_are_unknown_keeps_everything_it_could_need() {
        let place = Place::new();
        let layout = &place.layout;
        place.release(1, "old", "old.env");
        let damaged = place.release(2, "unknown", "unknown.env");
        fs::write(layout.manifest(&damaged), "{").unwrap();
        let pruned = prune(layout, 1, &[], &[]);
        assert_eq!(pruned.unreadable, [damaged]);
        assert_eq!(pruned.releases.len(), 1);
        assert_eq!(left(&layout.venvs()), ["old", "unknown"]);
        assert_eq!(left(&layout.envs()), ["old.env", "unknown.env"]);
    }

    #[test]
    fn what_never_served_takes_no_place_of_what_did() {
        let place = Place::new();
        let layout = &place.layout;
        let ids: Vec<ReleaseId> = (1..=6).map(|n| place.release(n, "venv", "env")).collect();
        let served = [&ids[0], &ids[1], &ids[4]];
        let pruned = prune_but(layout, 2, &[], &[], |id| served.contains(&id), None);
        let gone = [0, 2, 3, 5].map(|number: usize| ids[number].clone());
        assert_eq!(pruned.releases, gone);
        // One place is left, and the newest gets it.
        let (more, newest) = (place.release(7, "venv", "env"), place.release(8, "venv", "env"));
        let pruned = prune_but(layout, 3, &[], &[], |id| served.contains(&id), None);
        assert_eq!(pruned.releases, [more]);
        assert!(layout.release(&newest).exists());
    }

    #[test]
    fn what_somebody_wrote_into_stays_and_is_told() {
        let place = Place::new();
        let layout = &place.layout;
        let ids: Vec<ReleaseId> = (1..=3)
            .map(|n| place.release(n, &format!("v{n}"), &format!("{n}.env")))
            .collect();
        let pruned = prune_but(layout, 1, &[], &[], |_| true, Some(&ids[0]));
        assert_eq!(pruned.holding, ids[..1]);
        assert_eq!(pruned.releases, ids[1..2]);
        assert!(layout.release(&ids[0]).exists());
        assert_eq!(left(&layout.venvs()), ["v1", "v3"]);
        assert_eq!(left(&layout.envs()), ["1.env", "3.env"]);
    }
}
