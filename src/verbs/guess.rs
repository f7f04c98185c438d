//! Looks round a project for what `bg init` can write down already.

mod data;
mod flask;
mod neighbours;
mod said;
mod sources;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::verbs::starter::{Guess, Start};
use model::config::Process;
use release::venv::project::{self, Files};
use release::venv::requirements::OnDisk;
use sys::command::Command;

pub use data::by_sources as data;
use neighbours::Neighbours;
pub use sources::python_files;

/// Folders of a project that often hold the app, the project itself first.
const FOLDERS: [&str; 6] = ["", "backend", "server", "api", "web", "src"];

/// Enough for a local look at a repository, even on a slow disk.
const GIT_DEADLINE: Duration = Duration::from_secs(5);

/// Guesses the app that lies in or around `folder`, and a name and ports that no other app of
/// this host has. What cannot be found is left open.
pub async fn guess(folder: &Path) -> Guess {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let repository = git(&folder, &["rev-parse", "--show-toplevel"]).await;
    let top = repository.as_ref().map_or_else(|| folder.clone(), PathBuf::from);
    let origin = git(&folder, &["remote", "get-url", "origin"]).await;
    let origin = origin.filter(|url| url.starts_with('/') || url.contains(':'));
    let source = origin.or(repository);
    let (home, start) = find_start(&folder);
    let inside = home
        .strip_prefix(&top)
        .ok()
        .filter(|inside| !inside.as_os_str().is_empty());
    let others = Neighbours::of_this_host(source.as_deref());
    let app = others.free_name(app_name(&top));
    Guess {
        process: (!others.leave_process(Process::NAME)).then(|| app.clone()),
        ports: others.free_ports(),
        app,
        branch: match source {
            Some(_) => git(&folder, &["symbolic-ref", "--short", "HEAD"]).await,
            None => None,
        },
        git: source,
        folder: inside.map(Path::to_owned),
        start,
        requirements: requirements(&home),
        server_name: flask::server_name(&home),
        health: flask::health_path(&home),
        shared: data::proposed(&top, &home),
    }
}

/// The variable that a module's source calls its app, or a factory to call.
#[must_use]
pub fn app_in(source: &str) -> Option<String> {
    flask::app_of(source)
}

/// A health check's path that a route in the sources below `folder` answers.
#[must_use]
pub fn health_path(folder: &Path) -> Option<String> {
    flask::health_path(folder)
}

/// The folder to start the app in, and how: what the project says itself goes before what its
/// modules look like.
fn find_start(project: &Path) -> (PathBuf, Option<Start>) {
    let places = || {
        FOLDERS
            .iter()
            .map(|name| project.join(name))
            .filter(|folder| folder.is_dir())
    };
    let said = places().find_map(|folder| Some((said::start(&folder)?, folder)));
    match said {
        // Below its requirements, an app is not started where it says so.
        Some((start, folder)) if folder == project || !requirements(&folder).is_empty() => {
            (folder, Some(start))
        }
        _ => {
            let (folder, module) = find_app(project);
            (folder, module.map(Start::App))
        }
    }
}

/// The folder to start the app in, and what gunicorn is to load there.
fn find_app(project: &Path) -> (PathBuf, Option<String>) {
    for name in FOLDERS {
        let folder = match name {
            "" => project.to_owned(),
            name => project.join(name),
        };
        let Some(module) = flask::find_module(&folder) else {
            continue;
        };
        // What is installed is found wherever it lies.
        if name == "src"
            && OnDisk(project)
                .pyproject(Path::new(project::PYPROJECT))
                .is_some_and(|text| project::is_package(&text))
        {
            return (project.to_owned(), Some(module));
        }
        if name.is_empty() || !requirements(&folder).is_empty() || requirements(project).is_empty() {
            return (folder, Some(module));
        }
        // Requirements are beside the folder, so the project is where the app starts.
        return (project.to_owned(), Some(format!("{name}.{module}")));
    }
    (project.to_owned(), None)
}

/// The file in `folder` that names the app's packages, relative to it.
#[must_use]
pub fn requirements(folder: &Path) -> Vec<PathBuf> {
    project::proposed(&OnDisk(folder)).into_iter().collect()
}

/// The work tree around the folder that we are in, where it is a clone of `url`.
pub async fn checkout_of(url: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let origin = git(&here, &["remote", "get-url", "origin"]).await?;
    let top = git(&here, &["rev-parse", "--show-toplevel"]).await?;
    (origin == url).then(|| PathBuf::from(top))
}

/// The folder's name as the name of an app.
#[must_use]
pub fn app_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut app = String::new();
    for c in name.to_lowercase().chars().map(|c| match c {
        'a'..='z' | '0'..='9' => c,
        _ => '-',
    }) {
        let is_first = app.is_empty() && !c.is_ascii_lowercase();
        let is_second_dash = c == '-' && app.ends_with('-');
        if !is_first && !is_second_dash && app.len() < 31 {
            app.push(c);
        }
    }
    let app = app.trim_end_matches('-');
    if app.is_empty() { "app".into() } else { app.into() }
}

/// The one line that git answers; none when it has no answer or is not there.
async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(args)
        .folder(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .deadline(GIT_DEADLINE)
        .run()
        .await
        .ok()?;
    let line = output.stdout.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
