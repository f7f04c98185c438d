use testkit::releases::Place;

use crate::assets::*;

fn statics() -> [StaticFiles; 1] {
    [StaticFiles {
        url: "/s/".into(),
        folder: "web/static".into(),
        hashed: Hashed::Hex,
    }]
}

fn put(place: &Place, id: &ReleaseId, file: &str, text: &str) {
    let path = place.layout.release(id).join("web/static").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn kept(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![place.layout.assets()];
    while let Some(folder) = folders.pop() {
        for name in store::names(&folder).unwrap() {
            let path = folder.join(&name);
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(place.layout.assets()).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn only_own_files_named_by_their_content_are_kept() {
    let place = Place::new();
    let id = place.release(1, "v", "e");
    put(&place, &id, "app.3f9a2c1d.js", "one");
    put(&place, &id, "js/deep/b.00112233.js", "two");
    put(&place, &id, "app.js", "no hash");
    put(&place, &id, ".git/a.44556677.js", "hidden");
    let folder = place.layout.release(&id).join("web/static");
    std::os::unix::fs::symlink("app.js", folder.join("link.8899aabb.js")).unwrap();
    let differing = keep(&place.layout, &statics(), &id).await.unwrap();
    assert!(differing.is_empty(), "{differing:?}");
    assert_eq!(kept(&place), ["s/app.3f9a2c1d.js", "s/js/deep/b.00112233.js"]);
    // A copy, not a second name.
    put(&place, &id, "app.3f9a2c1d.js", "won");
    let copy = place.layout.assets().join("s/app.3f9a2c1d.js");
    assert_eq!(fs::read_to_string(&copy).unwrap(), "one");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let differing = keep(&place.layout, &statics(), &id).await.unwrap();
    assert_eq!(differing, [Path::new("s/app.3f9a2c1d.js")]);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "one");
}

#[tokio::test]
async fn what_one_kept_release_has_stays() {
    let place = Place::new();
    let ids: Vec<ReleaseId> = (1..=3).map(|n| place.release(n, "v", "e")).collect();
    put(&place, &ids[0], "a.00000001.js", "1");
    put(&place, &ids[0], "x/both.00000009.js", "9");
    put(&place, &ids[1], "x/both.00000009.js", "9");
    put(&place, &ids[2], "c.00000003.js", "3");
    for id in &ids {
        keep(&place.layout, &statics(), id).await.unwrap();
    }
    fs::create_dir(place.layout.assets().join(INCOMING)).unwrap();
    prune(&place.layout, &statics()).unwrap();
    assert_eq!(kept(&place).len(), 3);
    assert!(!place.layout.assets().join(INCOMING).exists());

    fs::remove_file(place.layout.manifest(&ids[0])).unwrap();
    let text = fs::read(place.layout.manifest(&ids[1])).unwrap();
    fs::write(place.layout.manifest(&ids[1]), "{").unwrap();
    prune(&place.layout, &statics()).unwrap();
    assert_eq!(kept(&place).len(), 3, "one of the kept may need it");
    fs::write(place.layout.manifest(&ids[1]), text).unwrap();
    prune(&place.layout, &statics()).unwrap();
    assert_eq!(kept(&place), ["s/c.00000003.js", "s/x/both.00000009.js"]);
    prune(&place.layout, &[]).unwrap();
    assert_eq!(kept(&place), [""; 0]);
    assert_eq!(store::names(&place.layout.assets()).unwrap(), [""; 0]);
}
