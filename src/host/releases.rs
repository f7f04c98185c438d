//! The snapshots of all releases, and the link that says what each color runs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use crate::host::store::{self, FileError};
use crate::model::color::Color;
use crate::model::layout::Layout;
use crate::model::release::{Manifest, ReleaseId};

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
    #[error("the snapshot of `{id}` is that of `{found}`")]
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

/// Reads the snapshot of one release.
///
/// # Errors
/// When it is missing, damaged, or from a later version.
pub fn read(layout: &Layout, id: &ReleaseId) -> Result<Manifest, ReleaseError> {
    let path = layout.manifest(id);
    let text = match fs::read(&path) {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::config::Config;
    use crate::model::config::Ports;

    pub(crate) struct Place {
        pub(crate) temp: tempfile::TempDir,
        pub(crate) layout: Layout,
    }

    impl Place {
        pub(crate) fn new() -> Place {
            let temp = tempfile::tempdir().unwrap();
            let layout = Layout::new(temp.path().join("shop"));
            store::lay_out(&layout).unwrap();
            Place { temp, layout }
        }

        /// A release with a checkout, an environment and a copy of the environment file.
        pub(crate) fn release(&self, second: u32, venv: &str, env_file: &str) -> ReleaseId {
            let id: ReleaseId = format!("20261123T1815{second:02}Z-3f6f782").parse().unwrap();
            let layout = &self.layout;
            fs::create_dir_all(layout.release(&id).join("web")).unwrap();
            fs::write(layout.release(&id).join("web/app.py"), "app").unwrap();
            fs::create_dir_all(layout.venvs().join(venv)).unwrap();
            fs::write(layout.venvs().join(venv).join(".complete"), "{}").unwrap();
            fs::write(layout.envs().join(env_file), "A=b").unwrap();
            write(layout, &manifest(&id, venv, env_file)).unwrap();
            id
        }
    }

    pub(crate) fn manifest(id: &ReleaseId, venv: &str, env_file: &str) -> Manifest {
        let config: Config = toml::from_str(
            "app = 'shop'\nroot = '/srv/shop'\nsource.git = '/repo'\n\
             process.run = 'run'\nprocess.ports = { blue = 5000, green = 5001 }\n\
             nginx.server_names = ['shop.example']\n",
        )
        .unwrap();
        Manifest {
            format: Manifest::FORMAT,
            id: id.clone(),
            commit: "3f6f782aa01b".into(),
            subject: "Fix the report export".into(),
            reference: "main".into(),
            made_at: id.made_at().unwrap(),
            made_by: "ada".into(),
            folder: None,
            run: vec!["run".into()],
            ports: Ports {
                blue: 5000,
                green: 5001,
            },
            venv: venv.into(),
            env: std::collections::BTreeMap::new(),
            env_file: Some(env_file.into()),
            config,
        }
    }

    #[test]
    fn a_snapshot_comes_back_as_it_was() {
        let place = Place::new();
        let id = place.release(1, "venv", "env");
        assert_eq!(read(&place.layout, &id).unwrap(), manifest(&id, "venv", "env"));
    }

    #[test]
    fn a_damaged_snapshot_hides_no_other() {
        let place = Place::new();
        let layout = &place.layout;
        let second = place.release(2, "venv", "env");
        let first = place.release(1, "venv", "env");
        let cut = place.release(3, "venv", "env");
        fs::write(layout.manifest(&cut), "{\"format\": 1,").unwrap();
        let newer = place.release(4, "venv", "env");
        fs::write(layout.manifest(&newer), "{\"format\": 2, \"id\": 7}").unwrap();
        let mixed = place.release(5, "venv", "env");
        fs::copy(layout.manifest(&first), layout.manifest(&mixed)).unwrap();
        fs::write(layout.manifests().join("notes.txt"), "").unwrap();
        let releases = list(layout).unwrap();
        let ids: Vec<&ReleaseId> = releases.manifests.iter().map(|manifest| &manifest.id).collect();
        assert_eq!(ids, [&first, &second]);
        let why: Vec<&str> = releases
            .unreadable
            .iter()
            .map(|unreadable| unreadable.why.as_str())
            .collect();
        assert_eq!(
            why,
            [
                "the snapshot of `20261123T181503Z-3f6f782` is damaged: EOF while parsing a value at line 1 column 13",
                "the snapshot of `20261123T181504Z-3f6f782` has format 2 and this version reads up to 1: \
                 use the `bluegreen` that wrote it, or a later one",
                "the snapshot of `20261123T181505Z-3f6f782` is that of `20261123T181501Z-3f6f782`",
            ]
        );
    }

    #[test]
    fn a_host_without_releases_has_an_empty_list() {
        let layout = Layout::new("/no/such/root");
        assert_eq!(list(&layout).unwrap(), Releases::default());
        assert_eq!(slot(&layout, Color::Blue), None);
    }

    #[test]
    fn a_slot_names_its_release_and_can_be_moved() {
        let place = Place::new();
        let layout = &place.layout;
        let (first, second) = (place.release(1, "venv", "env"), place.release(2, "venv", "env"));
        assert_eq!(slot(layout, Color::Green), None);
        point_slot(layout, Color::Green, &first).unwrap();
        point_slot(layout, Color::Green, &second).unwrap();
        assert_eq!(slot(layout, Color::Green), Some(second.clone()));
        assert_eq!(slot(layout, Color::Blue), None);
        assert!(layout.slot(Color::Green).join("web/app.py").is_file());
        fs::remove_dir_all(layout.release(&first)).unwrap();
        let error = point_slot(layout, Color::Green, &first).unwrap_err();
        assert!(matches!(error, ReleaseError::Missing(_)), "{error}");
        assert_eq!(slot(layout, Color::Green), Some(second));
    }
}
