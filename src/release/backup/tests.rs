use std::os::unix::fs::MetadataExt;

use crate::backup::*;

struct Place {
    root: tempfile::TempDir,
    layout: Layout,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    fs::create_dir_all(layout.shared()).unwrap();
    Place { root, layout }
}

fn settings(kind: Option<Kind>) -> Backup {
    Backup {
        kind,
        database: Some("shop's".to_owned()),
        ..Backup::default()
    }
}

fn write(part: &Part, text: &str) {
    fs::write(&part.path, text).unwrap();
}

#[tokio::test]
async fn a_backup_has_its_name_only_when_it_is_whole() {
    let place = place();
    let live = "20261123T181500Z-2f61c0a".parse().unwrap();
    let settings = settings(Some(Kind::Mysql));
    let begun = || begin(&settings, &place.layout, "shop", Some(&live)).unwrap();
    let cases = [("", "0 bytes"), ("CREATE TABLE x;\n", "`-- Dump completed`")];
    for (text, expected) in cases {
        let part = begun();
        write(&part, text);
        let error = keep(&settings, "shop", &part).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        discard(&part);
        assert_eq!(
            store::names(&place.layout.backups()).unwrap(),
            Vec::<String>::new()
        );
    }
    let part = begun();
    write(&part, "CREATE TABLE x;\n-- Dump completed on 2026-11-26\n");
    let (file, bytes) = keep(&settings, "shop", &part).await.unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("shop-2") && name.ends_with("-of-2f61c0a.sql"),
        "{name}"
    );
    let about = fs::metadata(&file).unwrap();
    assert_eq!((about.len(), about.mode() & 0o777), (bytes, 0o600));
    let folder = fs::metadata(place.layout.backups()).unwrap();
    assert_eq!(folder.mode() & 0o777, 0o700);
}

#[tokio::test]
async fn what_is_no_database_and_what_is_too_small_is_refused() {
    let place = place();
    let mut settings = settings(Some(Kind::Sqlite));
    let part = begin(&settings, &place.layout, "shop", None).unwrap();
    write(&part, "SQL, but no database");
    let error = keep(&settings, "shop", &part).await.unwrap_err();
    assert!(matches!(error, BackupError::NotWhole(_)), "{error}");
    settings.kind = None;
    settings.min_bytes = 100;
    let error = keep(&settings, "shop", &part).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the backup has 20 bytes, and at least 100 are expected"
    );
}

#[tokio::test]
async fn the_last_ones_stay_and_nobody_elses_is_touched() {
    let place = place();
    let folder = place.layout.backups();
    fs::create_dir_all(&folder).unwrap();
    let old = |name: &str| fs::write(folder.join(name), "x").unwrap();
    let others = ["shop-2-20200101T000000Z-of-aaaaaaa.sql", "shop-notes.txt"];
    others.iter().for_each(|name| old(name));
    for year in 2020..2026 {
        old(&format!("shop-{year}0101T000000Z-of-aaaaaaa.sql"));
    }
    old(".shop-20200101T000000Z-of-aaaaaaa.sql.part");
    let settings = Backup {
        keep: 2,
        ..settings(None)
    };
    let part = begin(&settings, &place.layout, "shop", None).unwrap();
    write(&part, "all of it");
    let (file, _) = keep(&settings, "shop", &part).await.unwrap();
    let left = store::names(&folder).unwrap();
    let newest = file.file_name().unwrap().to_str().unwrap();
    let expected = [
        others[0],
        "shop-20250101T000000Z-of-aaaaaaa.sql",
        newest,
        others[1],
    ];
    assert_eq!(left, expected);
}

#[test]
fn the_login_is_in_a_closed_file_and_nowhere_else() {
    let place = place();
    let login = place.layout.shared().join("backup.cnf");
    let settings = Backup {
        options_file: Some("backup.cnf".into()),
        ..settings(None)
    };
    let part = begin(&settings, &place.layout, "shop", None).unwrap();
    let made = |kind| command(&settings, kind, &place.layout, Path::new("python3"), &part);
    assert!(matches!(made(Kind::Mysql), Err(BackupError::NoOptions(_))));
    fs::write(&login, "[client]\npassword=hunter2\n").unwrap();
    fs::set_permissions(&login, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        made(Kind::Mysql),
        Err(BackupError::Open { mode: 0o640, .. })
    ));
    fs::set_permissions(&login, Permissions::from_mode(0o600)).unwrap();
    let words = |kind| shlex::split(&made(kind).unwrap().to_string()).unwrap();
    let mysql = words(Kind::Mysql);
    let first = [
        "mysqldump".to_owned(),
        format!("--defaults-extra-file={}", login.display()),
    ];
    assert!(mysql.starts_with(&first), "{mysql:?}");
    assert!(
        mysql.ends_with(&["--".to_owned(), "shop's".to_owned()]),
        "{mysql:?}"
    );
    let postgres = words(Kind::Postgres);
    assert_eq!(
        postgres.last().unwrap(),
        r"--dbname=service='shop\'s' dbname='shop\'s'"
    );
    drop(place.root);
}
