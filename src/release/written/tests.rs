use std::os::unix::fs::symlink;

use testkit::releases::{Place as Host, manifest};

use crate::written::*;

struct Scene {
    host: Host,
    id: ReleaseId,
    config: Config,
}

impl Scene {
    /// A release with `built`, in which nothing was started yet.
    fn new(built: &[&str]) -> Scene {
        let host = Host::new();
        let id = host.release(1, "venv", "env");
        let scene = Scene {
            config: manifest(&id, "venv", "env").config,
            host,
            id,
        };
        scene.write(built);
        seal::seal(&scene.host.layout, &scene.id).unwrap();
        scene
    }

    fn at(&self, path: &str) -> PathBuf {
        self.host.layout.release(&self.id).join(path)
    }

    fn write(&self, paths: &[&str]) {
        for path in paths {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = match path.extension().and_then(OsStr::to_str) {
                Some("db") => "SQLite format 3\0",
                _ => "x",
            };
            fs::write(path, text).unwrap();
        }
    }

    fn found(&self) -> Found {
        written(&self.host.layout, &self.config, &self.id)
    }

    fn data(&self) -> Vec<String> {
        let found = self.found();
        found
            .data
            .iter()
            .map(|one| one.path.display().to_string())
            .collect()
    }

    fn places(&self) -> Vec<String> {
        let places = places::of(&self.found(), &self.config);
        places.iter().map(places::SharedCandidate::name).collect()
    }
}

#[test]
fn what_the_build_made_and_what_any_program_makes_again_is_no_data() {
    let scene = Scene::new(&["static/app.css", "data/geo.db", "node_modules/x/y.js"]);
    scene.write(&["__pycache__/a.pyc", "web/b.pyc", "node_modules/x/z.js", "app.pid"]);
    // Read with a write-ahead log; and a page that somebody mended by hand.
    scene.write(&["data/geo.db-shm"]);
    fs::write(scene.at("data/geo.db-wal"), "").unwrap();
    fs::write(scene.at("static/app.css"), "another").unwrap();
    fs::create_dir(scene.at("instance")).unwrap();
    assert_eq!(scene.data(), [""; 0]);
    scene.write(&["data/geo.db-wal"]);
    assert_eq!(scene.data(), ["data/geo.db"]);
    assert_eq!(scene.found().data[0].bytes, 17);
}

#[test]
fn a_folder_is_named_as_a_whole_where_no_code_is_in_it() {
    let scene = Scene::new(&[
        "app.py",
        "media/.gitkeep",
        "seeds/cities.csv",
        "web/models.py",
        "static/logo.css",
        "notes.json",
    ]);
    scene.write(&[
        "shop.db",
        "instance/shop.db",
        "uploads.d/2026/a.py",
        "media/2026/b.jpg",
        "seeds/new.csv",
        "web/cache.db",
        "static/made.png",
    ]);
    fs::write(scene.at("notes.json"), "longer").unwrap();
    let expected = [
        "instance",
        "media",
        "notes.json",
        "seeds",
        "shop.db",
        "static/made.png",
        "uploads.d/",
        "web/cache.db",
    ];
    assert_eq!(scene.places(), expected);
}

#[test]
fn what_is_shared_by_its_name_is_moved_as_it_is_named() {
    let mut scene = Scene::new(&["var/a.py"]);
    scene.config.shared = vec!["./var/".into(), "data".into()];
    scene.write(&["var/lib/a.db", "data/b.db"]);
    assert_eq!(scene.places(), ["data", "var"]);
    scene.config.scratch = vec!["var/*/".into(), "*.db".into()];
    assert_eq!(scene.data(), [""; 0]);
}

#[test]
fn links_into_shared_are_where_data_belongs_and_others_were_made() {
    let scene = Scene::new(&["static/a.css"]);
    symlink(scene.host.layout.shared().join("instance"), scene.at("instance")).unwrap();
    symlink("/var/tmp", scene.at("tmp")).unwrap();
    assert_eq!(scene.data(), ["tmp"]);
    assert_eq!(scene.found().linked, [Path::new("instance")]);
}

#[test]
fn what_took_the_place_of_a_link_in_a_static_folder_is_no_data() {
    let scene = Scene::new(&["static/v1/a.bin"]);
    symlink("v1", scene.at("static/latest")).unwrap();
    seal::seal(&scene.host.layout, &scene.id).unwrap();
    fs::remove_file(scene.at("static/latest")).unwrap();
    fs::create_dir(scene.at("static/latest")).unwrap();
    fs::hard_link(scene.at("static/v1/a.bin"), scene.at("static/latest/a.bin")).unwrap();
    assert_eq!(scene.data(), [""; 0]);
    scene.write(&["static/latest/new.bin"]);
    assert_eq!(scene.data(), ["static/latest/new.bin"]);
}

#[test]
fn a_mount_point_is_written_with_digits_where_it_has_spaces() {
    assert_eq!(plain(br"/srv/a\040b\134c"), Path::new(r"/srv/a b\c"));
    assert_eq!(plain(br"/srv/\0"), Path::new(r"/srv/\0"));
}
