use std::fs;

use crate::verbs::starter::starter;
use model::config::read::parse;
use tempfile::TempDir;

use crate::verbs::guess::*;

const APP: &str = "from flask import Flask\napp = Flask(__name__)\n";

/// A folder `name` in a folder of its own, with `files`.
fn project(name: &str, files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap().join(name);
    fs::create_dir(&folder).unwrap();
    for (file, text) in files {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    (temp, folder)
}

fn app(named: &str) -> Option<Start> {
    Some(Start::App(named.into()))
}

async fn run_git(folder: &Path, args: &[&str]) {
    Command::new("git").args(args).folder(folder).run().await.unwrap();
}

#[tokio::test]
async fn a_plain_app_in_a_clone() {
    let (_temp, folder) = project(
        "My Shop_2",
        &[
            (
                "app.py",
                "app = Flask(__name__)\n@app.get(\"/health\")\ndef health(): ...\n",
            ),
            ("requirements.txt", "flask\n"),
        ],
    );
    run_git(&folder, &["init", "-q", "-b", "trunk"]).await;
    run_git(
        &folder,
        &["remote", "add", "origin", "git@example.com:you/shop.git"],
    )
    .await;
    let found = guess(&folder).await;
    assert_eq!(
        found,
        Guess {
            app: "my-shop-2".into(),
            git: Some("git@example.com:you/shop.git".into()),
            branch: Some("trunk".into()),
            folder: None,
            start: app("app:app"),
            requirements: vec!["requirements.txt".into()],
            server_name: None,
            health: Some("/health".into()),
            shared: vec![],
            process: found.process.clone(),
            ports: found.ports,
        }
    );
}

#[tokio::test]
async fn an_app_in_a_folder_of_its_own() {
    let (_temp, folder) = project(
        "shop",
        &[
            ("frontend/index.js", ""),
            ("backend/wsgi.py", "application = create_app()\n"),
            ("backend/requirements/prod.txt", "flask\n"),
            ("backend/.venv/lib/x.py", "'/healthz'"),
            ("backend/venv/pyvenv.cfg", ""),
            ("backend/venv/x.py", "'/healthz'"),
        ],
    );
    run_git(&folder, &["init", "-q", "-b", "main"]).await;
    for start in [folder.clone(), folder.join("backend")] {
        let guess = guess(&start).await;
        assert_eq!(guess.app, "shop");
        assert_eq!(guess.git.as_deref(), folder.to_str());
        assert_eq!(guess.folder.as_deref(), Some(Path::new("backend")));
        assert_eq!(guess.start, app("wsgi:application"));
        assert_eq!(guess.requirements, [Path::new("requirements/prod.txt")]);
        assert_eq!(guess.health, None);
    }
}

#[tokio::test]
async fn an_app_below_its_requirements_starts_beside_them() {
    let (_temp, folder) = project("shop", &[("requirements.txt", "flask\n"), ("src/app.py", APP)]);
    let guess = guess(&folder).await;
    assert_eq!(guess.folder, None);
    assert_eq!(guess.start, app("src.app:app"));
    // Whatever it says there is said for that folder.
    let flaskenv = ("src/.flaskenv", "FLASK_APP=app\n");
    let files = [("requirements.txt", "flask\n"), ("src/app.py", APP), flaskenv];
    let (_temp, folder) = project("shop", &files);
    let guess = super::guess(&folder).await;
    assert_eq!((guess.folder, guess.start), (None, app("src.app:app")));
}

#[tokio::test]
async fn an_app_in_a_folder_starts_there_when_nothing_speaks_against_it() {
    let (_temp, folder) = project("shop", &[("web/app.py", APP)]);
    let guess = guess(&folder).await;
    assert_eq!(guess.folder.as_deref(), Some(Path::new("web")));
    assert_eq!(guess.start, app("app:app"));
}

#[tokio::test]
async fn a_package_with_a_factory() {
    let (_temp, folder) = project(
        "shop",
        &[("flaskr/__init__.py", "def create_app(config=None):\n    pass\n")],
    );
    assert_eq!(guess(&folder).await.start, app("flaskr:create_app()"));
}

#[tokio::test]
async fn an_installed_package_is_loaded_by_its_name_wherever_it_lies() {
    let project_file = ("pyproject.toml", "[build-system]\nrequires = []\n");
    let (_temp, folder) = project("shop", &[project_file, ("src/shop/__init__.py", APP)]);
    let guess = guess(&folder).await;
    assert_eq!(guess.folder, None);
    assert_eq!(guess.start, app("shop:app"));
    assert_eq!(guess.requirements, [Path::new("pyproject.toml")]);
}

#[tokio::test]
async fn what_the_project_says_goes_before_what_its_modules_look_like() {
    let files = [("requirements.txt", ""), ("app.py", APP), ("shop.py", APP)];
    let flaskenv = (".flaskenv", "FLASK_APP=shop\n");
    let (_temp, folder) = project("shop", &[&files[..], &[flaskenv]].concat());
    assert_eq!(guess(&folder).await.start, app("shop:app"));
    let procfile = ("Procfile", "web: gunicorn -w 3 app:app\n");
    let (_temp, folder) = project("shop", &[&files[..], &[flaskenv, procfile]].concat());
    let words = ["gunicorn", "-w", "3", "app:app"].map(str::to_owned).to_vec();
    assert_eq!(guess(&folder).await.start, Some(Start::Command(words)));
}

#[tokio::test]
async fn what_is_not_found_is_left_open() {
    let (_temp, folder) = project("2026 -- \"Été\"", &[("tool.py", "# try '/ping'\n")]);
    let guess = guess(&folder).await;
    assert_eq!((&guess.git, &guess.branch, &guess.start), (&None, &None, &None));
    assert_eq!((&guess.server_name, &guess.health), (&None, &None));
    assert!(guess.requirements.is_empty());
    let text = starter(&guess).unwrap();
    let error = parse(&text, Path::new("bg.toml")).unwrap_err();
    let open: Vec<&str> = error
        .mistakes()
        .iter()
        .map(|mistake| mistake.what.as_str())
        .collect();
    assert_eq!(
        open,
        [
            "`source.git` is not filled in yet",
            "`process.run` is not filled in yet",
            "`python.requirements[0]` is not filled in yet",
            "`nginx.server_names[0]` is not filled in yet",
        ],
        "{error}\n{text}"
    );
}

#[test]
fn a_folder_gives_a_valid_name() {
    for (folder, app) in [
        ("/srv/shop", "shop"),
        ("/srv/Shop.API", "shop-api"),
        ("/srv/--x--", "x"),
        ("/", "app"),
        ("/srv/2026", "app"),
        (
            "/srv/a-very-long-name-of-a-project-on-disk",
            "a-very-long-name-of-a-project-o",
        ),
    ] {
        assert_eq!(app_name(Path::new(folder)), app);
    }
}
