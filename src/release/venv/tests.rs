use std::error::Error;
use std::fs;

use testkit::releases::Place;

use crate::venv::requirements::Requirements;
use crate::venv::*;

/// Far above the 4 s that pip's environment takes, for machines that do much else.
const AMPLE: Duration = Duration::from_secs(300);

/// Writes a wheel of one module by hand: nothing is built and no index is asked.
const WHEEL: &str = "
import sys, zipfile
folder, name, version, code = sys.argv[1:]
info = f'{name}-{version}.dist-info'
with zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w') as wheel:
    wheel.writestr(f'{name}.py', code)
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(f'{info}/RECORD', '')
";

pub(super) struct App {
    place: Place,
    pub(super) folder: PathBuf,
}

impl App {
    /// An app with a package `stock` to install.
    pub(super) async fn new() -> App {
        let place = Place::new();
        let folder = place.temp.path().join("my release");
        fs::create_dir_all(folder.join("wheels")).unwrap();
        let app = App { place, folder };
        app.wheel("1.0", "COUNT = 1").await;
        app.wheel("2.0", "COUNT = 2").await;
        app
    }

    async fn wheel(&self, version: &str, code: &str) {
        let wheel = Command::new("python3").args(["-I", "-c", WHEEL]);
        let wheel = wheel
            .arg(self.folder.join("wheels"))
            .args(["stock", version, code]);
        wheel.run().await.unwrap();
    }

    fn requires(&self, requirement: &str) {
        let text = format!("--no-index\n--find-links ./wheels\n{requirement}\n");
        fs::write(self.folder.join("requirements.txt"), text).unwrap();
    }

    pub(super) async fn ensure(&self, installer: Installer) -> Result<Built, VenvError> {
        let python = Python {
            installer,
            ..Python::default()
        };
        self.ensure_with(&python).await
    }

    pub(super) async fn ensure_with(&self, python: &Python) -> Result<Built, VenvError> {
        let interpreter = Interpreter::ask(&python.version).await?;
        let layout = &self.place.layout;
        ensure(layout, &interpreter, python, &self.folder, "3f6f782", AMPLE).await
    }

    fn left(&self) -> Vec<String> {
        store::names(&self.place.layout.venvs()).unwrap()
    }
}

pub(super) async fn python_says(venv: &Path, code: &str) -> String {
    let command = Command::new(installer::python(venv)).args(["-I", "-c", code]);
    command.run().await.unwrap().stdout.trim().to_owned()
}

#[tokio::test]
async fn an_environment_is_built_once_compiled_and_used_again() {
    let app = App::new().await;
    app.requires("stock==1.0");
    for installer in [Installer::Pip, Installer::Auto] {
        let built = app.ensure(installer).await.unwrap();
        assert!(!built.reused, "{installer:?}");
        let compiled = "import importlib.util, os; \
            print(os.path.exists(importlib.util.find_spec('stock').cached))";
        assert_eq!(python_says(&built.path, compiled).await, "True");
        assert_eq!(
            python_says(&built.path, "import stock; print(stock.COUNT)").await,
            "1"
        );
        let about = fs::read_to_string(built.path.join(COMPLETE)).unwrap();
        let again = app.ensure(installer).await.unwrap();
        assert!(again.reused && again.key == built.key);
        assert_eq!(fs::read_to_string(built.path.join(COMPLETE)).unwrap(), about);
    }
}

#[tokio::test]
async fn other_requirements_get_another_environment() {
    let app = App::new().await;
    app.requires("stock==1.0");
    let old = app.ensure(Installer::Auto).await.unwrap();
    app.requires("stock==2.0");
    let new = app.ensure(Installer::Auto).await.unwrap();
    assert_ne!(old.path, new.path);
    let count = "import stock; print(stock.COUNT)";
    assert_eq!(python_says(&old.path, count).await, "1");
    assert_eq!(python_says(&new.path, count).await, "2");
}

#[tokio::test]
async fn what_a_killed_build_left_is_built_anew() {
    let app = App::new().await;
    app.requires("stock==1.0");
    let built = app.ensure(Installer::Auto).await.unwrap();
    fs::remove_file(built.path.join(COMPLETE)).unwrap();
    fs::remove_file(installer::python(&built.path)).unwrap();
    fs::write(built.path.join("leftover"), "").unwrap();
    let again = app.ensure(Installer::Auto).await.unwrap();
    assert!(!again.reused);
    assert_eq!(again.key, built.key);
    assert!(!again.path.join("leftover").exists());
    assert_eq!(
        python_says(&again.path, "import stock; print(stock.COUNT)").await,
        "1"
    );
    assert_eq!(app.left(), [again.key]);
}

#[tokio::test]
async fn a_package_that_does_not_install_is_explained_and_leaves_nothing() {
    let app = App::new().await;
    app.requires("stock==1.0\nno-such-package==3");
    for installer in [Installer::Pip, Installer::Auto] {
        let error = app.ensure(installer).await.unwrap_err();
        assert!(matches!(error, VenvError::Install { .. }), "{error}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains("no-such-package"), "{source}");
        assert_eq!(app.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_missed_deadline_names_its_key_and_leaves_nothing() {
    let app = App::new().await;
    app.requires("stock==1.0");
    let python = Python::default();
    let soon = Duration::from_millis(1);
    let interpreter = Interpreter::ask(&python.version).await.unwrap();
    let layout = &app.place.layout;
    let error = ensure(layout, &interpreter, &python, &app.folder, "3f6f782", soon)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Python environment was not built within 0.001 s, the deadline is `timeouts.build`"
    );
    assert_eq!(app.left(), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_without_requirements_gets_an_empty_environment() {
    let app = App::new().await;
    let python = Python {
        requirements: Vec::new(),
        ..Python::default()
    };
    let interpreter = Interpreter::ask(&python.version).await.unwrap();
    let layout = &app.place.layout;
    let built = ensure(layout, &interpreter, &python, &app.folder, "3f6f782", AMPLE)
        .await
        .unwrap();
    assert_eq!(python_says(&built.path, "print(1)").await, "1");
}

#[tokio::test]
async fn the_apps_own_modules_are_compiled_but_for_those_that_cannot_be() {
    let app = App::new().await;
    app.requires("stock==1.0");
    let built = app.ensure(Installer::Auto).await.unwrap();
    fs::create_dir(app.folder.join("templates")).unwrap();
    fs::write(app.folder.join("templates/old.py"), "print 'two'").unwrap();
    fs::write(app.folder.join("shop.py"), "x = 1").unwrap();
    let compiled = || {
        let names = store::names(&app.folder.join("__pycache__")).unwrap();
        fs::remove_dir_all(app.folder.join("__pycache__")).unwrap();
        names.iter().any(|name| name.starts_with("shop.cpython"))
    };
    compile_release(&app.folder, &built.path, AMPLE).await.unwrap();
    assert!(compiled());
    // `bg` may be typed in a folder with a module that the compiler would take for its own.
    fs::write(app.folder.join("py_compile.py"), "raise RuntimeError").unwrap();
    let compile = installer::compile(&built.path, &app.folder).folder(&app.folder);
    compile.finish().await.unwrap();
    assert!(compiled());
    let error = compile_release(&app.folder, Path::new("/no/venv"), AMPLE)
        .await
        .unwrap_err();
    assert!(matches!(error, VenvError::Compile { .. }), "{error}");
}

#[test]
fn a_key_covers_all_that_goes_into_an_environment() {
    let interpreter = |path: &str, version: &str| Interpreter {
        path: path.into(),
        version: version.into(),
        platform: "linux-x86_64".into(),
        abi: "cpython-311".into(),
    };
    let files = |reach, contents: &[&str]| Requirements {
        files: contents
            .iter()
            .map(|text| ("r.txt".into(), text.as_bytes().to_vec()))
            .collect(),
        reach,
        lists: Vec::new(),
        projects: Vec::new(),
    };
    let (python, uv) = (
        interpreter("/usr/bin/python3", "3.11.2"),
        Tool::Uv("/bin/uv".into()),
    );
    let (here, there) = (Path::new("/releases/1"), Path::new("/releases/2"));
    let flask = files(Reach::Text, &["flask"]);
    let plain = key(&python, &Tool::Pip, &flask, here, "aaa");
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, key(&python, &Tool::Pip, &flask, there, "bbb"));
    let others = [
        key(
            &interpreter("/opt/python3", "3.11.2"),
            &Tool::Pip,
            &flask,
            here,
            "aaa",
        ),
        key(
            &interpreter("/usr/bin/python3", "3.11.9"),
            &Tool::Pip,
            &flask,
            here,
            "aaa",
        ),
        key(&python, &uv, &flask, here, "aaa"),
        key(
            &python,
            &Tool::Pip,
            &files(Reach::Text, &["fla", "sk"]),
            here,
            "aaa",
        ),
        key(
            &python,
            &Tool::Pip,
            &files(Reach::Commit, &["flask"]),
            here,
            "aaa",
        ),
        key(
            &python,
            &Tool::Pip,
            &files(Reach::Commit, &["flask"]),
            here,
            "bbb",
        ),
        key(
            &python,
            &Tool::Pip,
            &files(Reach::Release, &["flask"]),
            here,
            "aaa",
        ),
        key(
            &python,
            &Tool::Pip,
            &files(Reach::Release, &["flask"]),
            there,
            "aaa",
        ),
    ];
    let all: std::collections::BTreeSet<_> = others.into_iter().chain([plain]).collect();
    assert_eq!(all.len(), 9);
    let local = files(Reach::Commit, &["."]);
    assert_eq!(
        key(&python, &uv, &local, here, "aaa"),
        key(&python, &uv, &local, there, "aaa")
    );
}
