use std::os::unix::fs::{PermissionsExt, symlink};

use crate::checkout::*;
use crate::git::tests::Origin;

const MINUTE: Duration = Duration::from_secs(60);

struct Place {
    temp: tempfile::TempDir,
    origin: Origin,
}

impl Place {
    async fn new() -> Place {
        let temp = tempfile::tempdir().unwrap();
        let origin = Origin::new(temp.path().join("origin")).await;
        fs::create_dir(temp.path().join("all releases")).unwrap();
        Place { temp, origin }
    }

    fn releases(&self) -> PathBuf {
        self.temp.path().join("all releases")
    }

    fn release(&self) -> PathBuf {
        self.releases().join("20261123T181500Z-3f6f782")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.origin.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits what is there and exports that.
    async fn export(&self, folder: Option<&str>) -> Result<Exported, CheckoutError> {
        let source = Source {
            folder: folder.map(PathBuf::from),
            ..Source::default()
        };
        self.export_from(source).await
    }

    /// The same, with what else is wanted of it.
    async fn export_from(&self, source: Source) -> Result<Exported, CheckoutError> {
        let sha = self.origin.commit("Change").await;
        let git = self.origin.mirrored().await;
        let source = Source {
            git: Some(self.origin.url().to_owned()),
            ..source
        };
        export(&git, &sha, &source, &self.release(), MINUTE).await
    }

    fn released(&self, path: &str) -> String {
        fs::read_to_string(self.release().join(path)).unwrap()
    }

    /// Another repository, beside that of the app.
    async fn repository(&self, name: &str) -> Origin {
        Origin::new(self.temp.path().join(name)).await
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.releases()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_release_is_the_commit_and_nothing_else() {
    let place = Place::new().await;
    place.write("app.py", "app");
    place.write("docs/left out.md", "docs");
    place.write(".gitattributes", "docs export-ignore\n");
    place.write("bin/run", "#!/bin/sh\n");
    let run = place.origin.folder.join("bin/run");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../app.py", place.origin.folder.join("bin/app")).unwrap();
    fs::create_dir(place.releases().join(".20261123T181500Z-3f6f782.partial")).unwrap();
    place.export(Some("docs")).await.unwrap();
    assert_eq!(place.left(), ["20261123T181500Z-3f6f782"]);
    let release = place.release();
    assert_eq!(
        fs::read_to_string(release.join("docs/left out.md")).unwrap(),
        "docs"
    );
    assert_eq!(fs::read_to_string(release.join("bin/app")).unwrap(), "app");
    let run = fs::metadata(release.join("bin/run")).unwrap();
    assert!(run.permissions().mode() & 0o100 != 0);
    assert!(!release.join(".git").exists());
}

#[tokio::test]
async fn a_missing_app_folder_is_named_and_leaves_nothing() {
    let place = Place::new().await;
    place.write("web/app.py", "app");
    let error = place.export(Some("wbe")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("there is no folder `wbe` in commit `"), "{text}");
    assert_eq!(place.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_out_of_the_release_is_refused() {
    let place = Place::new().await;
    place.write("static/app.css", "");
    let link = place.origin.folder.join("static/users.txt");
    for target in ["/etc/passwd", "../../../shared/.env"] {
        fs::remove_file(&link).ok();
        symlink(target, &link).unwrap();
        let error = place.export(None).await.unwrap_err();
        let CheckoutError::Escapes {
            link, target: told, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (link.as_path(), told.as_path()),
            (Path::new("static/users.txt"), Path::new(target))
        );
        assert_eq!(place.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn submodules_are_reported() {
    let place = Place::new().await;
    let other = place.repository("library").await;
    other.commit("Library").await;
    place
        .origin
        .git(&["submodule", "--quiet", "add", other.url(), "libs/library"])
        .await;
    let exported = place.export(None).await.unwrap();
    assert_eq!(exported.submodules, [PathBuf::from("libs/library")]);
}

#[tokio::test]
async fn a_commit_that_is_not_there_leaves_nothing() {
    let place = Place::new().await;
    let git = place.origin.mirrored().await;
    let missing = "0123456789012345678901234567890123456789";
    let error = export(&git, missing, &Source::default(), &place.release(), MINUTE)
        .await
        .unwrap_err();
    assert!(matches!(error, CheckoutError::Git { .. }), "{error}");
    assert_eq!(place.left(), Vec::<String>::new());
}

fn with_submodules() -> Source {
    Source {
        submodules: true,
        ..Source::default()
    }
}

#[tokio::test]
async fn submodules_are_fetched_at_their_commits_as_deep_as_they_go() {
    let place = Place::new().await;
    let (library, inner) = (place.repository("library").await, place.repository("inner").await);
    fs::write(inner.folder.join("inner.py"), "inner").unwrap();
    inner.commit("Inner").await;
    fs::write(library.folder.join("lib.py"), "recorded").unwrap();
    library
        .git(&["submodule", "--quiet", "add", "../inner", "deep/inner"])
        .await;
    library.commit("Library").await;
    place
        .origin
        .git(&["submodule", "--quiet", "add", "../library", "libs/a library"])
        .await;
    place.origin.commit("With it").await;
    // No branch of the library leads to what is recorded any more.
    fs::write(library.folder.join("lib.py"), "newer").unwrap();
    library.git(&["add", "--all"]).await;
    library
        .git(&["commit", "--quiet", "--amend", "-m", "Newer"])
        .await;
    for _ in 0..2 {
        let exported = place.export_from(with_submodules()).await.unwrap();
        assert_eq!(exported.submodules, Vec::<PathBuf>::new());
        assert_eq!(place.released("libs/a library/lib.py"), "recorded");
        assert_eq!(place.released("libs/a library/deep/inner/inner.py"), "inner");
        assert!(!place.release().join("libs/a library/.git").exists());
        fs::remove_dir_all(place.release()).unwrap();
        // Once fetched, it is there.
        fs::rename(&library.folder, place.temp.path().join("gone")).ok();
    }
}

#[tokio::test]
async fn no_submodule_starts_a_program_or_comes_from_where_it_must_not() {
    let place = Place::new().await;
    let mark = place.temp.path().join("mark");
    let library = place.repository("library").await;
    let commit = library.commit("Library").await;
    let url = |text: String| {
        format!(
            "[submodule \"x\"]\n path = libs/x\n url = {text}\n update = !touch {}\n",
            mark.display()
        )
    };
    let entry = format!("160000,{commit},libs/x");
    let cases = [
        (
            url(format!("ext::touch {}", mark.display())),
            "names the transport `ext::`",
        ),
        (url("--upload-pack=touch".to_owned()), "has an address that"),
        (
            url(format!("ssh://-oProxyCommand=touch%20{}/x", mark.display())),
            "cannot be fetched",
        ),
        (
            url("../../../../../../../../../../../x".to_owned()),
            "leads nowhere",
        ),
        (url("libs/relative".to_owned()), "has an address that"),
        (
            "[submodule \"x\"]\n path = libs/x\n".to_owned(),
            "has no address in `.gitmodules`",
        ),
        (url("/no such repository".to_owned()), "cannot be fetched"),
    ];
    for (modules, text) in cases {
        place.write(".gitmodules", &modules);
        place.origin.git(&["add", ".gitmodules"]).await;
        place
            .origin
            .git(&["update-index", "--add", "--cacheinfo", &entry])
            .await;
        let sha = place.origin.git(&["write-tree"]).await;
        let sha = place.origin.git(&["commit-tree", &sha, "-m", "x"]).await;
        place.origin.git(&["update-ref", "refs/heads/main", &sha]).await;
        let git = place.origin.mirrored().await;
        let source = Source {
            git: Some(place.origin.url().to_owned()),
            ..with_submodules()
        };
        let error = export(&git, &sha, &source, &place.release(), MINUTE)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{modules}: {error}");
        assert_eq!(place.left(), Vec::<String>::new());
        assert!(!mark.exists(), "{modules}");
    }
    // A repository elsewhere names one of this host, which its owner may be alone to read.
    place.write(".gitmodules", &url(library.url().to_owned()));
    place.origin.git(&["add", ".gitmodules"]).await;
    let sha = place.origin.git(&["write-tree"]).await;
    let sha = place.origin.git(&["commit-tree", &sha, "-m", "x"]).await;
    place.origin.git(&["update-ref", "refs/heads/main", &sha]).await;
    let git = place.origin.mirrored().await;
    let from = |git: &str| Source {
        git: Some(git.to_owned()),
        ..with_submodules()
    };
    let elsewhere = from("https://git.example.com/me/shop.git");
    let error = export(&git, &sha, &elsewhere, &place.release(), MINUTE)
        .await
        .unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("transport 'file' not allowed"), "{why}");
    export(&git, &sha, &from(place.origin.url()), &place.release(), MINUTE)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_of_a_submodule_that_leads_out_of_the_release_is_refused() {
    let place = Place::new().await;
    let library = place.repository("library").await;
    symlink("../../../x", library.folder.join("out")).unwrap();
    symlink("../../app.py", library.folder.join("within")).unwrap();
    library.commit("Library").await;
    place
        .origin
        .git(&["submodule", "--quiet", "add", "../library", "libs/library"])
        .await;
    let error = place.export_from(with_submodules()).await.unwrap_err();
    let CheckoutError::Escapes { link, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(link, Path::new("libs/library/out"));
}

#[tokio::test]
async fn files_of_git_lfs_are_fetched_and_those_of_other_commits_go() {
    let place = Place::new().await;
    place.origin.git(&["lfs", "install", "--local"]).await;
    place.origin.git(&["lfs", "track", "*.bin"]).await;
    place.write("static/logo.bin", "first logo");
    place.write("kept.bin", "kept");
    place.export(None).await.unwrap();
    assert_eq!(place.released("static/logo.bin"), "first logo");
    fs::remove_dir_all(place.release()).unwrap();

    place.write("static/logo.bin", "second logo");
    place.write("tests/big.bin", "left out");
    place.write(".lfsconfig", "[lfs]\n\tfetchexclude = tests\n");
    let exported = place.export(None).await.unwrap();
    assert_eq!(place.released("static/logo.bin"), "second logo");
    assert_eq!(exported.excluded, [PathBuf::from("tests/big.bin")]);
    let objects = place.temp.path().join("mirror.git/lfs/objects");
    let kept = walk(&objects);
    assert_eq!(kept, 2, "of logo.bin and kept.bin");
    fs::remove_dir_all(place.release()).unwrap();

    // What is nowhere to be had is no release, whatever `.lfsconfig` says of it.
    place.write("lost.bin", "lost");
    place.write(".lfsconfig", "[lfs]\n\tskipdownloaderrors = true\n");
    let sha = place.origin.commit("Lost").await;
    fs::remove_dir_all(place.origin.folder.join(".git/lfs/objects")).unwrap();
    let git = place.origin.mirrored().await;
    let source = Source {
        git: Some(place.origin.url().to_owned()),
        ..Source::default()
    };
    let error = export(&git, &sha, &source, &place.release(), MINUTE)
        .await
        .unwrap_err();
    assert!(matches!(error, CheckoutError::NotFiltered { .. }), "{error}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("lost.bin"), "{why}");
    assert_eq!(place.left(), Vec::<String>::new());
}

/// How many files lie below `folder`.
fn walk(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}
