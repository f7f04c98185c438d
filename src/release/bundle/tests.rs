use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use model::config::Source;

use crate::bundle::*;
use crate::git::Git;

async fn packed(folder: &Path) -> Bundle {
    pack(folder, "subject", None).await.unwrap()
}

#[tokio::test]
async fn odd_names_and_modes_arrive_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("app");
    fs::create_dir_all(folder.join("deep")).unwrap();
    let names: [&[u8]; 5] = [
        b"a \"b\"\\c",
        b"line\nend",
        b"caf\xe9",
        b"deep/-x",
        b"M 100644 inline y",
    ];
    let path = |name: &[u8]| folder.join(std::ffi::OsStr::from_bytes(name));
    for name in names {
        fs::write(path(name), name).unwrap();
    }
    fs::write(folder.join("empty"), "").unwrap();
    fs::set_permissions(path(names[0]), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("line\nend", folder.join("link")).unwrap();
    let bundle = packed(&folder).await;
    assert_eq!(bundle.files, 7);

    let copy = temp.path().join("bundle");
    std::io::copy(&mut &bundle.file, &mut File::create(&copy).unwrap()).unwrap();
    let git = Git::new(temp.path().join("repo.git"));
    git.take(&copy, &bundle.uploaded.commit).await.unwrap();
    assert!(!copy.exists());
    let into = temp.path().join("release");
    let source = Source::default();
    let export = crate::checkout::export(&git, &bundle.uploaded.commit, &source, &into, PACK_WITHIN);
    export.await.unwrap();
    for name in names {
        let file = into.join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(fs::read(file).unwrap(), name);
    }
    assert_eq!(fs::read_link(into.join("link")).unwrap(), Path::new("line\nend"));
    let mode = |name: &str| fs::metadata(into.join(name)).unwrap().permissions().mode() & 0o111;
    assert_ne!(mode("a \"b\"\\c"), 0);
    assert_eq!(mode("empty"), 0);
    // Taken once, it is there.
    git.take(&copy, &bundle.uploaded.commit).await.unwrap();
}

#[tokio::test]
async fn the_hash_is_that_of_names_modes_and_contents() {
    let temp = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(temp.path().join(name), text).unwrap();
    write("app.py", "one");
    let first = packed(temp.path()).await.uploaded.commit;
    assert_eq!(first.len(), 40);
    write("app.py", "two");
    let content = packed(temp.path()).await.uploaded.commit;
    write("app.py", "one");
    assert_eq!(packed(temp.path()).await.uploaded.commit, first);
    fs::set_permissions(temp.path().join("app.py"), fs::Permissions::from_mode(0o755)).unwrap();
    let mode = packed(temp.path()).await.uploaded.commit;
    fs::rename(temp.path().join("app.py"), temp.path().join("App.py")).unwrap();
    let name = packed(temp.path()).await.uploaded.commit;
    let all = std::collections::BTreeSet::from([&first, &content, &mode, &name]);
    assert_eq!(all.len(), 4);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let mut stream = Stream::create(&temp.path().join("stream"), u64::MAX).unwrap();
    let error = stream.file(Path::new("a"), false, 10, &b"short"[..]).unwrap_err();
    assert!(matches!(error, BundleError::Changed(_)), "{error}");
}
