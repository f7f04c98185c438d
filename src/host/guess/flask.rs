//! Finds the Flask app in Python source by the few lines that nearly all apps have. Nothing
//! is imported or run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::store;

/// Modules that often hold the app, those made for servers first.
const MODULES: [&str; 5] = ["wsgi.py", "app.py", "main.py", "run.py", "application.py"];

/// Names that a module gives its app.
const NAMES: [&str; 2] = ["app", "application"];

/// Health checks by their usual paths, the most telling first.
const HEALTH: [&str; 4] = ["/healthz", "/health", "/_health", "/ping"];

/// Files read while looking for a health check: far more than an app has that `bg init`
/// must answer for at once.
const FILES: usize = 500;

/// What gunicorn is to load in `folder`: `wsgi:app`, `shop:create_app()`. Modules first,
/// then packages by name.
pub(super) fn find_module(folder: &Path) -> Option<String> {
    let modules = MODULES
        .iter()
        .map(|file| (file.trim_end_matches(".py").to_owned(), folder.join(file)));
    let packages = entries(folder)
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path.join("__init__.py"))));
    modules.chain(packages).find_map(|(module, file)| {
        let app = app_of(&store::read_text(&file).ok()?)?;
        Some(format!("{module}:{app}"))
    })
}

/// The app that a module offers: a variable, or else a factory to call.
pub(super) fn app_of(source: &str) -> Option<String> {
    let lines = || source.lines().filter(|line| !line.starts_with([' ', '\t', '#']));
    let is_made = |line: &str| -> Option<String> {
        let (name, value) = line.split_once('=')?;
        let value = value.trim_start();
        let makes = value.contains("Flask(") || value.starts_with("create_app(");
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

/// A health check's path that stands in quotes in the Python files below `folder`.
pub(super) fn health_path(folder: &Path) -> Option<String> {
    let sources: Vec<String> = python_files(folder)
        .iter()
        .filter_map(|file| store::read_text(file).ok())
        .collect();
    HEALTH
        .iter()
        .find(|path| {
            let quoted = [format!("\"{path}\""), format!("'{path}'")];
            sources
                .iter()
                .any(|source| quoted.iter().any(|quoted| source.contains(quoted)))
        })
        .map(|path| (*path).to_owned())
}

fn python_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = !name.starts_with('.') && !name.starts_with("test") && name != "node_modules";
            let is_environment = path.join("pyvenv.cfg").exists();
            if path.is_dir() && !path.is_symlink() && is_ours && !is_environment {
                folders.push(path);
            } else if is_ours && name.ends_with(".py") && path.is_file() {
                files.push(path);
            }
            if files.len() >= FILES {
                return files;
            }
        }
    }
    files
}

/// What lies in `folder`, by name; nothing when it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_found_by_the_line_that_makes_it() {
        for (source, app) in [
            ("from flask import Flask\napp = Flask(__name__)\n", Some("app")),
            ("api: Flask = Flask(__name__)\n", Some("api")),
            ("application = flask.Flask('x')\n", Some("application")),
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
}
