use testkit::releases::{Place, manifest};

use crate::releases::*;

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
            "the snapshot of `20261123T181505Z-3f6f782` names the release `20261123T181501Z-3f6f782`",
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
