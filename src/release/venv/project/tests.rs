use std::collections::BTreeMap;
use std::fs;

use sys::command::Command;

use crate::venv::VenvError;
use crate::venv::project::*;
use crate::venv::tests::{App, python_says};

/// Files that are said to be there.
struct Said(BTreeMap<PathBuf, String>);

/// Files by name, each with its text.
type Named<'a> = &'a [(&'a str, &'a str)];

impl Said {
    fn new(files: Named<'_>) -> Said {
        let files = files
            .iter()
            .map(|(name, text)| (PathBuf::from(name), (*text).to_owned()));
        Said(files.collect())
    }
}

impl Files for Said {
    fn has(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn pyproject(&self, path: &Path) -> Option<String> {
        self.0.get(path).cloned()
    }
}

const PLAIN: &str = "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['flask>=3', 'gunicorn']\n";
const PACKAGE: &str = "[build-system]\nrequires = ['flit_core<4']\nbuild-backend = 'flit_core.buildapi'\n";
const STYLE: &str = "[tool.ruff]\nline-length = 100\n";

#[test]
fn what_a_folder_has_is_proposed() {
    let table: &[(Named<'_>, Option<&str>)] = &[
        (
            &[("requirements.txt", ""), ("pyproject.toml", PLAIN)],
            Some("requirements.txt"),
        ),
        (
            &[("requirements/prod.txt", ""), ("pyproject.toml", STYLE)],
            Some("requirements/prod.txt"),
        ),
        (
            &[("pyproject.toml", PLAIN), ("uv.lock", "")],
            Some("pyproject.toml"),
        ),
        (&[("pyproject.toml", PLAIN)], Some("pyproject.toml")),
        (&[("pyproject.toml", PACKAGE)], Some("pyproject.toml")),
        (
            &[("pyproject.toml", "[tool.poetry]\n"), ("poetry.lock", "")],
            Some("pyproject.toml"),
        ),
        (&[("Pipfile", ""), ("Pipfile.lock", "")], Some("Pipfile.lock")),
        (&[("Pipfile", ""), ("pyproject.toml", STYLE)], Some("Pipfile")),
        (&[("pyproject.toml", STYLE)], None),
        (&[("pyproject.toml", "this is not TOML")], None),
        (&[], None),
    ];
    for (files, expected) in table {
        let found = proposed(&Said::new(files));
        assert_eq!(found.as_deref(), expected.map(Path::new), "{files:?}");
    }
}

#[test]
fn only_the_usual_list_gives_way_to_what_there_is() {
    let files = Said::new(&[("pyproject.toml", PLAIN)]);
    assert_eq!(required(&Python::default(), &files), [Path::new(PYPROJECT)]);
    let named = Python {
        requirements: vec!["deploy.txt".into()],
        ..Python::default()
    };
    assert_eq!(required(&named, &files), [Path::new("deploy.txt")]);
    let none = Said::new(&[]);
    assert_eq!(
        required(&Python::default(), &none),
        [Path::new("requirements.txt")]
    );
}

#[test]
fn a_project_is_installed_as_its_files_say_or_the_way_to_a_list_is_named() {
    let uv = Tool::Uv("/bin/uv".into());
    let look = |file: &str, files: Named<'_>, wanted, tool: &Tool| {
        of(Path::new(file), &Said::new(files), wanted, tool)
    };
    let locked = [("api/pyproject.toml", PLAIN), ("api/uv.lock", "")];
    for file in ["api/pyproject.toml", "api/uv.lock"] {
        let found = look(file, &locked, Installer::Auto, &uv).unwrap();
        assert_eq!(found, Some(Project::Locked("api".into())));
    }
    let found = look(
        "pyproject.toml",
        &[("pyproject.toml", PLAIN)],
        Installer::Pip,
        &Tool::Pip,
    )
    .unwrap();
    let dependencies = vec!["flask>=3".to_owned(), "gunicorn".to_owned()];
    assert_eq!(found, Some(Project::Dependencies("".into(), dependencies)));
    let found = look(
        "pyproject.toml",
        &[("pyproject.toml", PACKAGE)],
        Installer::Auto,
        &uv,
    )
    .unwrap();
    assert_eq!(found, Some(Project::Package("".into())));
    let found = look(
        "pins.txt",
        &[("pyproject.toml", PLAIN), ("poetry.lock", "")],
        Installer::Auto,
        &uv,
    );
    assert_eq!(found.unwrap(), None);

    let poetry = [("pyproject.toml", "[tool.poetry]\n"), ("poetry.lock", "")];
    type Refused<'a> = (&'a str, Named<'a>, Installer, &'a str, &'a str);
    let refused: [Refused<'_>; 7] = [
        (
            "api/uv.lock",
            &locked,
            Installer::Pip,
            "`api/uv.lock` is read by uv, and `python.installer` is \"pip\" here",
            "uv export --frozen",
        ),
        (
            "api/uv.lock",
            &locked,
            Installer::Auto,
            "`api/uv.lock` is read by uv, which is not installed here",
            "uv export --frozen",
        ),
        (
            "pyproject.toml",
            &poetry,
            Installer::Auto,
            "`poetry.lock` is read by Poetry alone",
            "poetry export -o requirements.txt`",
        ),
        (
            "poetry.lock",
            &poetry,
            Installer::Auto,
            "`poetry.lock` is read by Poetry alone",
            "poetry export",
        ),
        (
            "Pipfile.lock",
            &[("Pipfile.lock", "")],
            Installer::Auto,
            "`Pipfile.lock` is read by Pipenv alone",
            "`pipenv requirements > requirements.txt`",
        ),
        (
            "Pipfile",
            &[("Pipfile", "")],
            Installer::Auto,
            "`Pipfile` is read by Pipenv alone",
            "`pipenv lock && ",
        ),
        (
            "pyproject.toml",
            &[("pyproject.toml", STYLE)],
            Installer::Auto,
            "`pyproject.toml` has neither `dependencies` in `[project]` nor a `[build-system]`",
            "python.requirements",
        ),
    ];
    for (file, files, wanted, text, way_on) in refused {
        let error = look(file, files, wanted, &Tool::Pip).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(
            error.hint().unwrap().contains(way_on),
            "{error:?}: {:?}",
            error.hint()
        );
    }
}

#[test]
fn a_lock_says_how_far_an_environment_serves_other_releases() {
    let locked = Project::Locked("".into());
    let lock = |source: &str| {
        format!(
            "[[package]]\nname = 'a'\nsource = {{ registry = 'x' }}\n[[package]]\nname = 'b'\nsource = {{ {source} }}\n"
        )
    };
    for (source, reach) in [
        ("virtual = '.'", Reach::Text),
        ("git = 'https://example.org/b.git'", Reach::Text),
        ("directory = 'libs/b'", Reach::Commit),
        ("path = 'wheels/b.whl'", Reach::Commit),
        ("editable = '.'", Reach::Release),
    ] {
        assert_eq!(locked.reach(Some(&lock(source))), reach, "{source}");
    }
    let local = Project::Dependencies("".into(), vec!["flask".into(), "b @ file:///srv/b".into()]);
    assert_eq!(local.reach(None), Reach::Commit);
    assert_eq!(Project::Package("".into()).reach(None), Reach::Release);
}

/// A build backend that needs no other package: it has the folder `src` imported in place.
const BACKEND: &str = "
import zipfile
def get_requires_for_build_editable(config_settings=None):
    return []
def build_editable(folder, config_settings=None, metadata_directory=None):
    import os
    name, info = 'shop-1.0-py3-none-any.whl', 'shop-1.0.dist-info'
    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:
        wheel.writestr('shop.pth', os.path.abspath('src'))
        wheel.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\\nName: shop\\nVersion: 1.0\\nRequires-Dist: stock\\n')
        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr(f'{info}/RECORD', '')
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return build_editable(folder)
";

impl App {
    /// With a `pyproject.toml` alone, whose packages lie on this host.
    fn project(&self, text: &str) {
        let wheels = self.folder.join("wheels");
        let uv = format!(
            "[tool.uv]\nno-index = true\nfind-links = [{:?}]\n",
            wheels.display()
        );
        fs::write(self.folder.join(PYPROJECT), format!("{text}\n{uv}")).unwrap();
        fs::remove_file(self.folder.join("requirements.txt")).ok();
    }
}

const COUNT: &str = "import stock; print(stock.COUNT)";

#[tokio::test]
async fn a_lock_is_followed_and_a_new_one_makes_a_new_environment() {
    let Ok(Tool::Uv(uv)) = Tool::choose(Installer::Auto) else {
        eprintln!("not tried: there is no uv here");
        return;
    };
    let app = App::new().await;
    let lock = async |version: &str| {
        app.project(&format!(
            "[project]\nname = 'shop'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['stock=={version}']"
        ));
        let lock = Command::new(&uv)
            .args(["lock", "--quiet", "--offline"])
            .folder(&app.folder);
        lock.run().await.unwrap();
    };
    lock("1.0").await;
    let first = app.ensure(Installer::Auto).await.unwrap();
    assert_eq!(python_says(&first.path, COUNT).await, "1");
    assert!(app.ensure(Installer::Auto).await.unwrap().reused);
    lock("2.0").await;
    let second = app.ensure(Installer::Auto).await.unwrap();
    assert_ne!(first.path, second.path);
    assert_eq!(python_says(&first.path, COUNT).await, "1");
    assert_eq!(python_says(&second.path, COUNT).await, "2");
    let error = app.ensure(Installer::Pip).await.unwrap_err();
    assert!(
        matches!(error, VenvError::Project(ProjectError::NotPips { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_project_without_a_lock_gets_what_it_depends_on() {
    let app = App::new().await;
    let wheels = app
        .folder
        .join("wheels")
        .display()
        .to_string()
        .replace(' ', "%20");
    let stock = format!("stock @ file://{wheels}/stock-1.0-py3-none-any.whl");
    app.project(&format!(
        "[project]\nname = 'shop'\nversion = '1'\ndependencies = [{stock:?}]"
    ));
    for installer in [Installer::Pip, Installer::Auto] {
        let built = app.ensure(installer).await.unwrap();
        assert_eq!(python_says(&built.path, COUNT).await, "1", "{installer:?}");
    }
}

#[tokio::test]
async fn a_package_stays_where_its_release_is() {
    let app = App::new().await;
    app.project("[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n[project]\nname = 'shop'\nversion = '1.0'\ndependencies = ['stock']");
    fs::write(app.folder.join("backend.py"), BACKEND).unwrap();
    fs::create_dir_all(app.folder.join("src/shop")).unwrap();
    fs::write(app.folder.join("src/shop/__init__.py"), "").unwrap();
    // Both find packages there, and where `pyproject.toml` names more, uv does too.
    fs::write(app.folder.join("more.txt"), "--no-index\n--find-links ./wheels\n").unwrap();
    for installer in [Installer::Pip, Installer::Auto] {
        let python = Python {
            requirements: vec!["pyproject.toml".into(), "more.txt".into()],
            installer,
            ..Python::default()
        };
        let built = app.ensure_with(&python).await.unwrap();
        let place = python_says(&built.path, "import shop, stock; print(shop.__file__)").await;
        assert_eq!(
            Path::new(&place),
            app.folder.join("src/shop/__init__.py"),
            "{installer:?}"
        );
    }
}
