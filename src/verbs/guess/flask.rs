//! Finds the app in Python source by the few lines that nearly all apps have. Nothing is
//! imported or run.

use std::path::{Path, PathBuf};

use sys::store;

use crate::verbs::guess::sources::{self, Source, entries};

/// Modules that often hold the app, those made for servers first.
const MODULES: [&str; 5] = ["wsgi.py", "app.py", "main.py", "run.py", "application.py"];

/// The same in a package.
const IN_PACKAGE: [&str; 4] = ["__init__.py", "wsgi.py", "app.py", "main.py"];

/// Names that a module gives its app.
const NAMES: [&str; 2] = ["app", "application"];

/// Health checks by their usual paths, the most telling first.
const HEALTH: [&str; 4] = ["/healthz", "/health", "/_health", "/ping"];

/// What gunicorn is to load in `folder`: `wsgi:app`, `shop:create_app()`. Modules first,
/// then packages by name.
pub(super) fn find_module(folder: &Path) -> Option<String> {
    let module = |file: &Path, name: &str| {
        let app = app_of(&store::read_text(file).ok()?)?;
        Some(format!("{name}:{app}"))
    };
    let plain = MODULES
        .iter()
        .find_map(|file| module(&folder.join(file), file.trim_end_matches(".py")));
    let in_package = |path: PathBuf| {
        let package = path.file_name()?.to_str()?.to_owned();
        path.join("__init__.py").is_file().then_some(())?;
        IN_PACKAGE.iter().find_map(|file| {
            let inner = file.trim_end_matches(".py");
            match inner {
                "__init__" => module(&path.join(file), &package),
                _ => module(&path.join(file), &format!("{package}.{inner}")),
            }
        })
    };
    plain.or_else(|| entries(folder).into_iter().find_map(in_package))
}

/// What gunicorn is to load of what Flask is told by `FLASK_APP` or `--app`, from `folder` on:
/// `shop`, `shop.wsgi:app`, `shop/app.py`, `shop:create_app`.
pub(super) fn named_app(folder: &Path, named: &str) -> Option<String> {
    let (module, name) = match named.split_once(':') {
        Some((module, name)) => (module, Some(name)),
        None => (named, None),
    };
    let module = module.strip_prefix("./").unwrap_or(module);
    let module = module.strip_suffix(".py").unwrap_or(module).replace('/', ".");
    let path = module.replace('.', "/");
    let files = [format!("{path}.py"), format!("{path}/__init__.py")];
    let found = files.iter().find_map(|file| {
        let places = [folder.join(file), folder.join("src").join(file)];
        places.iter().find_map(|file| store::read_text(file).ok())
    });
    let source = found?;
    let app = match name {
        // Flask calls a function, gunicorn a name with brackets.
        Some(name) if source.contains(&format!("def {name}(")) => format!("{name}()"),
        Some(name) => name.to_owned(),
        None => app_of(&source)?,
    };
    Some(format!("{module}:{app}"))
}

/// The app that a module offers: a variable, or else a factory to call.
pub(super) fn app_of(source: &str) -> Option<String> {
    let lines = || source.lines().filter(|line| !line.starts_with([' ', '\t', '#']));
    let is_made = |line: &str| -> Option<String> {
        let (name, value) = line.split_once('=')?;
        let value = value.trim_start();
        let makers = ["create_app(", "get_wsgi_application("];
        let makes = value.contains("Flask(") || makers.iter().any(|maker| value.starts_with(maker));
        let name = name.split(':').next()?.trim();
        (makes && is_name(name)).then(|| name.to_owned())
    };
    lines()
        .find_map(is_made)
        .or_else(|| lines().find_map(is_imported))
        .or_else(|| {
            lines()
                .any(|line| line.starts_with("def create_app("))
                .then(|| "create_app()".to_owned())
        })
}

/// `from shop import app`, `from shop import server as application`.
fn is_imported(line: &str) -> Option<String> {
    let (_, names) = line.strip_prefix("from ")?.split_once(" import ")?;
    names
        .split(',')
        .filter_map(|name| name.split_whitespace().next_back())
        .find(|name| NAMES.contains(name))
        .map(str::to_owned)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A health check's path that a route in the Python files below `folder` answers.
pub(super) fn health_path(folder: &Path) -> Option<String> {
    let sources = sources::read(folder);
    let prefixed = sources.iter().any(|source| source.has("url_prefix"));
    let answers = |path: &&&str| sources.iter().any(|source| routes(source, path, prefixed));
    HEALTH.iter().find(answers).map(|path| (*path).to_owned())
}

/// The site's name, where the sources below `folder` have it.
pub(super) fn server_name(folder: &Path) -> Option<String> {
    let sources = sources::read(folder);
    let named = |source: &Source| {
        let mut names = source.all(r#"\bSERVER_NAME\b["'\]]*\s*[=:]\s*["']([^"':]+)["']"#);
        names.extend(source.all(r#"\bALLOWED_HOSTS\s*=\s*[\[(]\s*["']([^"':]+)["']"#));
        names.into_iter().find(|name| {
            let is_local = name.starts_with("127.") || name.ends_with(".local") || name.contains("example.");
            name.contains('.') && !name.starts_with(['.', '*']) && !is_local
        })
    };
    sources.iter().find_map(named)
}

/// Whether `source` answers `GET path`. What a blueprint answers may have a prefix.
fn routes(source: &Source, path: &str, prefixed: bool) -> bool {
    let quoted = format!("[\"']{path}[\"']");
    let routes = [
        format!(r"(?m)^\s*@(\w+)(?:\.get|\.route)\(\s*{quoted}\s*\)"),
        format!(r#"(?m)^\s*@(\w+)\.route\(\s*{quoted}[^)]*["']GET["']"#),
        format!(r"(?m)^\s*(\w+)\.add_url_rule\(\s*{quoted}"),
    ];
    let mut names = routes.iter().flat_map(|route| source.all(route));
    names.any(|name| !prefixed || source.has(&format!(r"\b{name}\b[^=\n]*=\s*(?:flask\.)?Flask\(")))
}

#[cfg(test)]
mod tests {
    use crate::verbs::guess::flask::*;

    #[test]
    fn an_app_is_found_by_the_line_that_makes_it() {
        for (source, app) in [
            ("from flask import Flask\napp = Flask(__name__)\n", Some("app")),
            ("api: Flask = Flask(__name__)\n", Some("api")),
            ("application = flask.Flask('x')\n", Some("application")),
            ("application = get_wsgi_application()\n", Some("application")),
            (
                "from shop import create_app\n\nserver = create_app('prod')\n",
                Some("server"),
            ),
            (
                "def create_app():\n    app = Flask(__name__)\n",
                Some("create_app()"),
            ),
            ("from shop import db, app\n", Some("app")),
            ("from shop import app as application\n", Some("application")),
            ("# app = Flask(__name__)\nprint('Flask(')\n", None),
            ("from flask import Flask\n", None),
        ] {
            assert_eq!(app_of(source).as_deref(), app, "{source}");
        }
    }

    #[test]
    fn only_a_route_is_a_health_check() {
        let table = [
            ("@app.get('/health')\n", true),
            ("    @app.route(\"/health\")\n", true),
            ("@app.route('/health', methods=['GET', 'HEAD'])\n", true),
            ("@bp.route('/health')\n", true),
            ("app.add_url_rule('/health', view_func=ok)\n", true),
            ("# @app.get('/health')\n", false),
            ("requests.get('/health')\n", false),
            ("PATH = '/health'\n", false),
            ("@app.route('/health', methods=['POST'])\n", false),
            (
                "bp = Blueprint('x', __name__, url_prefix='/api')\n@bp.get('/health')\n",
                false,
            ),
            (
                "app = Flask(__name__)\nbp = Blueprint('x', url_prefix='/api')\n@app.get('/health')\n",
                true,
            ),
        ];
        for (text, is_one) in table {
            let temp = tempfile::tempdir().unwrap();
            std::fs::write(temp.path().join("app.py"), text).unwrap();
            let found = health_path(temp.path());
            assert_eq!(found.as_deref(), is_one.then_some("/health"), "{text}");
        }
    }

    #[test]
    fn a_name_of_the_site_is_taken_from_the_settings() {
        for (text, name) in [
            (
                "app.config['SERVER_NAME'] = 'shop.test.org'\n",
                Some("shop.test.org"),
            ),
            ("ALLOWED_HOSTS = ['shop.test.org', 'x']\n", Some("shop.test.org")),
            ("ALLOWED_HOSTS = []\n", None),
            ("ALLOWED_HOSTS = ['.test.org']\n", None),
            ("SERVER_NAME = '127.0.0.1:5000'\n", None),
            ("SERVER_NAME = 'shop.local'\n", None),
            ("SERVER_NAME = 'shop.example.com'\n", None),
            ("# SERVER_NAME = 'shop.test.org'\n", None),
        ] {
            let temp = tempfile::tempdir().unwrap();
            std::fs::write(temp.path().join("settings.py"), text).unwrap();
            assert_eq!(server_name(temp.path()).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn what_flask_is_told_is_what_gunicorn_loads() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        for (file, text) in [
            ("shop/__init__.py", "def create_app(config=None):\n    pass\n"),
            ("shop/wsgi.py", "app = create_app()\n"),
            (
                "src/desk/__init__.py",
                "def make_app():\n    pass\napp = Flask('x')\n",
            ),
        ] {
            let file = folder.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        for (named, loads) in [
            ("shop", Some("shop:create_app()")),
            ("shop:create_app", Some("shop:create_app()")),
            ("shop:create_app('x')", Some("shop:create_app('x')")),
            ("shop.wsgi", Some("shop.wsgi:app")),
            ("./shop/wsgi.py", Some("shop.wsgi:app")),
            ("desk", Some("desk:app")),
            ("desk:make_app", Some("desk:make_app()")),
            ("nowhere", None),
        ] {
            assert_eq!(named_app(folder, named).as_deref(), loads, "{named}");
        }
    }
}
