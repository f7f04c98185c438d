//! `bg init`: an annotated starter bg.toml for the app in a folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::verbs::starter::{self, Guess, Start};
use model::config::Config;
use model::failure::{Failure, Kind};
use model::password::without_password;
use serde::{Deserialize, Serialize};
use sys::store;

use super::{adopt, guess};
use crate::text::Show;

/// What was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The file.
    pub path: PathBuf,
    /// What was guessed and should be looked at.
    pub guessed: Vec<String>,
    /// The keys for which nothing was found, marked in the file.
    #[serde(default)]
    pub open: Vec<String>,
}

impl Show for Started {
    fn show(&self) -> String {
        let mut text = format!("wrote {}\n", self.path.display());
        for guess in &self.guessed {
            writeln!(text, "  guessed {guess}").ok();
        }
        if !self.open.is_empty() {
            writeln!(text, "  left open, marked `?`: {}", self.open.join(", ")).ok();
        }
        text + "look it over, then `bg check` and `bg setup`\n"
    }
}

/// Writes `bg.toml` into `folder`.
///
/// # Errors
/// When there is one already and `force` is not given.
pub async fn init(folder: &Path, force: bool) -> Result<Started, Failure> {
    let path = folder.join("bg.toml");
    if path.exists() && !force {
        return Err(Failure::new(Kind::Usage, "this folder has a bg.toml already")
            .hint("`bg init --force` replaces it"));
    }
    let mut guess = guess::guess(folder).await;
    if let Some(Start::Command(words)) = guess.start {
        guess.start = started(words, folder);
    }
    let text = starter::starter(&guess)
        .map_err(|error| Failure::failed("the starter cannot be written").because(error))?;
    store::write_whole(&path, text.as_bytes(), Config::MODE)
        .map_err(|error| Failure::failed(format!("`{}` cannot be written", path.display())).because(error))?;
    Ok(Started {
        path,
        guessed: guessed(&guess),
        open: guess.open().into_iter().map(str::to_owned).collect(),
    })
}

/// A command of the project's own, with the port that it is to be given.
fn started(words: Vec<String>, folder: &Path) -> Option<Start> {
    let next = adopt::next_of(words, folder);
    let runs = ["-m gunicorn ", "-m flask "]
        .iter()
        .any(|program| next.run.contains(program));
    (runs && !next.run.contains('$')).then_some(Start::Run(next.run, next.workers))
}

fn guessed(guess: &Guess) -> Vec<String> {
    let git = guess.git.as_ref().map(|git| {
        let branch = guess.branch.as_deref().unwrap_or("main");
        format!("source.git = {}, branch {branch}", without_password(git))
    });
    let app = guess.start.as_ref().map(|start| match start {
        Start::App(app) => format!("the WSGI app = {app}"),
        Start::Run(run, _) => format!("process.run = {run}"),
        Start::Command(words) => format!("process.run = {}", words.join(" ")),
    });
    let named = |key: &str, paths: &[PathBuf]| {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        (!paths.is_empty()).then(|| format!("{key} = {}", paths.join(", ")))
    };
    let health = match &guess.health {
        Some(path) => format!("a health check = {path}"),
        None => "a health check = /, as none was found".to_owned(),
    };
    let ports = guess.ports;
    [
        Some(format!("app = {}", guess.app)),
        git,
        app,
        Some(format!(
            "process.ports = {} and {}, which are free",
            ports.blue, ports.green
        )),
        named("python.requirements", &guess.requirements),
        named("shared", &guess.shared),
        Some(health),
        guess
            .server_name
            .as_ref()
            .map(|name| format!("nginx.server_names = {name}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
