use std::os::unix::fs::{PermissionsExt, symlink};

use crate::path_security::*;

fn me() -> Keeper {
    Keeper::user(Uid::effective())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_folder_on_the_way_counts() {
    let temp = tempfile::tempdir().unwrap();
    let inner = temp.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let file = inner.join("file");
    fs::write(&file, "").unwrap();
    mode(&file, 0o644);
    assert_eq!(alone(&file, me()).unwrap(), file.canonicalize().unwrap());
    let outer = temp.path().join("a");
    for (place, bad, good) in [
        (&file, 0o646, 0o644),
        (&inner, 0o777, 0o755),
        (&outer, 0o757, 0o755),
    ] {
        mode(place, bad);
        assert_eq!(alone(&file, me()).unwrap_err().place(), place, "{bad:o}");
        mode(place, good);
    }
    // What others cannot take away may lie beside what they add, and not hold it.
    mode(&outer, 0o1777);
    alone(&file, me()).unwrap();
    assert!(alone(&outer, me()).is_err());
}

#[test]
fn a_link_is_followed_and_what_it_passes_counts() {
    let temp = tempfile::tempdir().unwrap();
    let (open, safe) = (temp.path().join("open"), temp.path().join("safe"));
    for folder in [&open, &safe] {
        fs::create_dir(folder).unwrap();
        mode(folder, 0o755);
        fs::write(folder.join("file"), "").unwrap();
    }
    let link = safe.join("link");
    symlink("../open/file", &link).unwrap();
    let real = open.join("file").canonicalize().unwrap();
    assert_eq!(alone(&link, me()).unwrap(), real);
    mode(&open, 0o777);
    assert_eq!(alone(&link, me()).unwrap_err().place(), real.parent().unwrap());
    symlink("round", safe.join("round")).unwrap();
    assert!(matches!(
        alone(&safe.join("round"), me()),
        Err(Untrusted::Endless(_))
    ));
    assert!(alone(&safe.join("none"), me()).unwrap_err().is_missing());
}

/// What the second of two users could put there is neither root's word nor the first one's.
#[test]
fn a_path_has_one_author_or_none_that_could_be_named() {
    if !Uid::effective().is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    mode(temp.path(), 0o755);
    let (folder, file) = (temp.path().join("folder"), temp.path().join("folder/file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    let link = temp.path().join("link");
    symlink(&file, &link).unwrap();
    let own = |path: &Path, uid: u32| std::os::unix::fs::lchown(path, Some(uid), Some(0)).unwrap();
    let table = [
        // folder, file, link: who is the author through the link
        (0, 0, 0, Some(None)),
        (65534, 65534, 0, Some(Some(65534))),
        (0, 65534, 0, Some(Some(65534))),
        (65534, 0, 0, Some(Some(65534))),
        (0, 0, 65534, Some(Some(65534))),
        (33, 65534, 0, None),
        (65534, 65534, 33, None),
    ];
    for (of_folder, of_file, of_link, expected) in table {
        own(&folder, of_folder);
        own(&file, of_file);
        own(&link, of_link);
        let found = author(&link).ok().map(|uid| uid.map(Uid::as_raw));
        assert_eq!(found, expected, "{of_folder} {of_file} {of_link}");
    }
    assert_eq!(table.len(), 7);
    own(&link, 0);
    own(&folder, 65534);
    own(&file, 65534);
    mode(&folder, 0o777);
    assert!(author(&link).is_err(), "everybody can replace the file");
    mode(&folder, 0o755);
    mode(&file, 0o664);
    nix::unistd::chown(&file, None, Some(Gid::from_raw(100))).unwrap();
    assert!(author(&link).is_err(), "a group of others can write it");
}

/// The kernel leads them into another process's view, whatever their text says.
#[test]
fn links_of_the_kernels_lead_to_nothing_that_could_be_relied_upon() {
    let links = [
        "self/cwd",
        "self/root/usr",
        "thread-self/cwd",
        "self/exe",
        "1/root",
    ];
    for link in links {
        let path = Path::new("/proc").join(link);
        for looked in [
            alone(&path, me()).map(drop),
            roots_alone(&path).map(drop),
            roots_to_make(&path),
        ] {
            assert!(looked.is_err(), "{link}");
        }
    }
    let temp = tempfile::tempdir().unwrap();
    mode(temp.path(), 0o755);
    symlink("/proc/self/root/usr", temp.path().join("usr")).unwrap();
    let error = alone(&temp.path().join("usr/bin"), me()).unwrap_err();
    assert!(matches!(error, Untrusted::Magic(_)), "{error}");
}

#[test]
fn what_is_missing_is_made_where_only_root_can_make_a_name() {
    if !Uid::effective().is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    mode(temp.path(), 0o755);
    let missing = temp.path().join("templates/route.conf.tera");
    roots_to_make(&missing).unwrap();
    mode(temp.path(), 0o1777);
    assert_eq!(roots_to_make(&missing).unwrap_err().place(), temp.path());
    mode(temp.path(), 0o755);
    nix::unistd::chown(temp.path(), Some(Uid::from_raw(65534)), None).unwrap();
    assert!(roots_to_make(&missing).is_err());
}

#[test]
fn what_is_not_roots_is_not_roots_alone() {
    let temp = tempfile::tempdir().unwrap();
    let mine = temp.path().join("mine");
    fs::create_dir(&mine).unwrap();
    if !Uid::effective().is_root() {
        assert!(matches!(roots_alone(&mine), Err(Untrusted::Foreign { .. })));
        return;
    }
    roots_alone(&mine).unwrap();
    nix::unistd::chown(&mine, Some(Uid::from_raw(65534)), None).unwrap();
    let error = roots_alone(&mine).unwrap_err();
    assert!(matches!(error, Untrusted::Foreign { .. }), "{error}");
    fs::write(mine.join("file"), "").unwrap();
    assert_eq!(roots_alone(&mine.join("file")).unwrap_err().place(), mine);
}
