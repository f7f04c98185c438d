use crate::relocate::*;

struct Place {
    _temp: tempfile::TempDir,
    top: PathBuf,
    shared: PathBuf,
}

impl Place {
    fn new() -> Place {
        let temp = tempfile::tempdir().unwrap();
        let (top, shared) = (temp.path().join("site"), temp.path().join("shared"));
        fs::create_dir_all(top.join("instance")).unwrap();
        fs::create_dir(&shared).unwrap();
        Place {
            _temp: temp,
            top,
            shared,
        }
    }

    fn relocate(&self, name: &str) -> Result<(), SwitchError> {
        relocate(&self.top.join(name), &self.shared.join(name))
    }
}

#[test]
fn what_moves_is_found_by_its_old_name_at_any_time_and_comes_back() {
    let place = Place::new();
    let (top, shared) = (&place.top, &place.shared);
    fs::write(top.join("instance/app.db"), "rows").unwrap();
    fs::write(top.join(".env"), "A=1").unwrap();
    let paths = [PathBuf::from("instance"), PathBuf::from(".env")];
    let open = fs::File::open(top.join("instance/app.db")).unwrap();
    // A folder that a deploy has made, and nobody has used.
    fs::create_dir(shared.join("instance")).unwrap();
    for _ in 0..2 {
        place.relocate("instance").unwrap();
        place.relocate(".env").unwrap();
    }
    assert_eq!(
        fs::read_link(top.join("instance")).unwrap(),
        shared.join("instance")
    );
    assert_eq!(fs::read_to_string(top.join("instance/app.db")).unwrap(), "rows");
    let (held, now) = (
        open.metadata().unwrap(),
        fs::metadata(shared.join("instance/app.db")).unwrap(),
    );
    assert_eq!(held.ino(), now.ino());
    bring_back(top, shared, &paths).unwrap();
    assert!(!top.join("instance").is_symlink() && top.join("instance/app.db").exists());
    assert!(fs::read_dir(shared).unwrap().next().is_none());
}

#[test]
fn a_taken_name_is_refused_and_nothing_is_touched() {
    let place = Place::new();
    fs::write(place.top.join("b"), "x").unwrap();
    fs::write(place.shared.join("b"), "other").unwrap();
    fs::create_dir(place.shared.join("instance")).unwrap();
    fs::write(place.shared.join("instance/app.db"), "other").unwrap();
    for name in ["b", "instance"] {
        let error = place.relocate(name).unwrap_err();
        assert!(matches!(error, SwitchError::Taken(_)), "{error}");
        assert!(!place.top.join(name).is_symlink());
    }
    assert_eq!(fs::read_to_string(place.shared.join("b")).unwrap(), "other");
}

/// A database of one page, with or without a write-ahead log, as far as its header tells.
fn database(path: &Path, version: u8) {
    let mut page = vec![0; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[18] = version;
    fs::write(path, page).unwrap();
}

#[test]
fn a_database_moves_with_both_names_of_its_log_the_same_file() {
    let place = Place::new();
    let (old, new) = (place.top.join("app.db"), place.shared.join("app.db"));
    database(&old, 2);
    place.relocate("app.db").unwrap();
    assert!(old.is_symlink() && new.is_file());
    for end in ["-wal", "-shm"] {
        let [old, new] = [&old, &new].map(|path| fs::metadata(beside(path, end)).unwrap().ino());
        assert_eq!(old, new, "{end}");
    }
}

#[test]
fn a_database_moves_in_no_transaction_of_somebody_elses() {
    let place = Place::new();
    let path = place.top.join("app.db");
    database(&path, 1);
    let writing = Held::take(&path).unwrap().unwrap();
    let error = place.relocate("app.db").unwrap_err();
    assert!(matches!(error, SwitchError::InUse(_)), "{error}");
    assert!(!path.is_symlink());
    drop(writing);
    place.relocate("app.db").unwrap();
    assert!(path.is_symlink());
}
