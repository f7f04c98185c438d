//! Looks round a project for what `bg init` can write down already.

mod flask;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::command::Command;
use crate::host::venv::project;
use crate::host::venv::requirements::OnDisk;
use crate::model::config::starter::Guess;

/// Folders of a project that often hold the app, the project itself first.
const FOLDERS: [&str; 6] = ["", "backend", "server", "api", "web", "src"];

/// Enough for a local look at a repository, even on a slow disk.
const GIT_DEADLINE: Duration = Duration::from_secs(5);

/// Guesses the app that lies in or around `folder`. What cannot be found becomes a
/// placeholder that the user replaces: `main`, `app:app`, `example.com`, `/`.
pub async fn guess(folder: &Path) -> Guess {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let top = git(&folder, &["rev-parse", "--show-toplevel"]).await;
    let top = top.map_or_else(|| folder.clone(), PathBuf::from);
    let origin = git(&folder, &["remote", "get-url", "origin"]).await;
    let branch = git(&folder, &["symbolic-ref", "--short", "HEAD"]).await;
    let (home, found) = find_app(&folder);
    let inside = home
        .strip_prefix(&top)
        .ok()
        .filter(|inside| !inside.as_os_str().is_empty());
    Guess {
        app: app_name(&top),
        git: origin
            .filter(|url| url.starts_with('/') || url.contains(':'))
            .unwrap_or_else(|| top.display().to_string()),
        branch: branch.unwrap_or_else(|| "main".into()),
        folder: inside.map(Path::to_owned),
        module: found.unwrap_or_else(|| "app:app".into()),
        requirements: requirements(&home),
        server_name: "example.com".into(),
        health: flask::health_path(&home).unwrap_or_else(|| "/".into()),
    }
}

/// The variable that a module's source calls its app, or a factory to call.
#[must_use]
pub fn app_in(source: &str) -> Option<String> {
    flask::app_of(source)
}

/// A health check's path that stands in the sources below `folder`.
#[must_use]
pub fn health_path(folder: &Path) -> Option<String> {
    flask::health_path(folder)
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
        if name.is_empty() || requirements_are_in(&folder) || !requirements_are_in(project) {
            return (folder, Some(module));
        }
        // Requirements are beside the folder, so the project is where the app starts.
        return (project.to_owned(), Some(format!("{name}.{module}")));
    }
    (project.to_owned(), None)
}

fn requirements_are_in(folder: &Path) -> bool {
    !requirements(folder).is_empty()
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::model::config::read::parse;
    use crate::model::config::starter::starter;

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
        assert_eq!(
            guess(&folder).await,
            Guess {
                app: "my-shop-2".into(),
                git: "git@example.com:you/shop.git".into(),
                branch: "trunk".into(),
                folder: None,
                module: "app:app".into(),
                requirements: vec!["requirements.txt".into()],
                server_name: "example.com".into(),
                health: "/health".into(),
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
            assert_eq!(guess.git, folder.to_str().unwrap());
            assert_eq!(guess.folder.as_deref(), Some(Path::new("backend")));
            assert_eq!(guess.module, "wsgi:application");
            assert_eq!(guess.requirements, [Path::new("requirements/prod.txt")]);
            assert_eq!(guess.health, "/");
        }
    }

    #[tokio::test]
    async fn an_app_below_its_requirements_starts_beside_them() {
        let (_temp, folder) = project("shop", &[("requirements.txt", "flask\n"), ("src/app.py", APP)]);
        let guess = guess(&folder).await;
        assert_eq!(guess.folder, None);
        assert_eq!(guess.module, "src.app:app");
    }

    #[tokio::test]
    async fn an_app_in_a_folder_starts_there_when_nothing_speaks_against_it() {
        let (_temp, folder) = project("shop", &[("web/app.py", APP)]);
        let guess = guess(&folder).await;
        assert_eq!(guess.folder.as_deref(), Some(Path::new("web")));
        assert_eq!(guess.module, "app:app");
    }

    #[tokio::test]
    async fn a_package_with_a_factory() {
        let (_temp, folder) = project(
            "shop",
            &[("flaskr/__init__.py", "def create_app(config=None):\n    pass\n")],
        );
        assert_eq!(guess(&folder).await.module, "flaskr:create_app()");
    }

    #[tokio::test]
    async fn what_is_guessed_of_nothing_is_a_valid_starter() {
        let (_temp, folder) = project("2026 -- \"Été\"", &[]);
        let guess = guess(&folder).await;
        assert_eq!(guess.git, folder.to_str().unwrap());
        assert_eq!(
            (guess.branch.as_str(), guess.module.as_str()),
            ("main", "app:app")
        );
        assert!(guess.requirements.is_empty());
        let text = starter(&guess).unwrap();
        let config = parse(&text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(config.app, "t");
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
}
