use crate::files::*;

fn file(path: PathBuf, text: &str) -> Rendered {
    Rendered {
        path,
        text: text.to_owned(),
    }
}

#[test]
fn what_was_written_can_be_put_back() {
    let temp = tempfile::tempdir().unwrap();
    let (old, new) = (temp.path().join("old.conf"), temp.path().join("deep/new.conf"));
    fs::write(&old, "a\nb\n").unwrap();
    fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
    let link = temp.path().join("enabled.conf");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    let wanted = [file(link.clone(), "a\nc\n"), file(new.clone(), "n\n")];

    let changes = plan(&wanted).unwrap();
    assert_eq!((changes[0].kind, changes[1].kind), (Kind::Update, Kind::Create));
    assert!(changes[0].diff.contains("-b\n+c\n"), "{}", changes[0].diff);
    let applied = apply(changes, &temp.path().join("backup")).unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "a\nc\n");
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o644);

    let again = plan(&wanted).unwrap();
    assert!(
        again
            .iter()
            .all(|change| change.kind == Kind::Same && change.diff.is_empty())
    );
    assert!(apply(again, &temp.path().join("backup")).unwrap().is_empty());

    let kept = fs::read_dir(temp.path().join("backup"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let copy = fs::read_dir(kept.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(copy.path()).unwrap(), "a\nb\n");
    applied.restore().unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "a\nb\n");
    assert!(!new.exists());
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_others_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let old = temp.path().join("old.conf");
    fs::write(&old, "a\n").unwrap();
    let changes = plan(&[
        file(old.clone(), "b\n"),
        file(temp.path().join("new.conf"), "n\n"),
        file(temp.path().join("blocked/x.conf"), "x\n"),
    ])
    .unwrap();
    fs::write(temp.path().join("blocked"), "a file where a folder should be").unwrap();
    let error = apply(changes, &temp.path().join("backup")).unwrap_err();
    assert!(
        matches!(&error, FilesError::Write { path, .. } if path.ends_with("blocked/x.conf")),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&old).unwrap(), "a\n");
    assert!(!temp.path().join("new.conf").exists());
}
