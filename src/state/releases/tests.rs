use crate::model::config::Config;
use crate::model::config::Ports;
use crate::state::releases::*;

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
        adopted: None,
        contract: None,
        made_for: None,
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
