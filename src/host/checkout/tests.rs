use super::*;
use crate::host::git::tests::Origin;
use std::os::unix::fs::{PermissionsExt, symlink};

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
    async fn export(&self, folder: Option<&Path>) -> Result<Exported, CheckoutError> {
        let sha = self.origin.commit("Change").await;
        let git = self.origin.mirrored().await;
        export(&git, &sha, folder, &self.release(), MINUTE).await
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
    place.export(Some(Path::new("docs"))).await.unwrap();
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
    let error = place.export(Some(Path::new("wbe"))).await.unwrap_err();
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
    let other = Origin::new(place.temp.path().join("library")).await;
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
    let error = export(&git, missing, None, &place.release(), MINUTE)
        .await
        .unwrap_err();
    assert!(matches!(error, CheckoutError::Git { .. }), "{error}");
    assert_eq!(place.left(), Vec::<String>::new());
}
