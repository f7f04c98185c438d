//! The Python packages of a commit, looked at before anything is made of it: whether its files
//! say what to install, and the tool that reads them is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::app::App;
use engine::traffic;
use model::config::Config;
use model::failure::Failure;
use release::git::Git;
use release::venv::VenvError;
use release::venv::installer::Tool;
use release::venv::project::{self, Files};
use release::venv::requirements::OnDisk;

use crate::verbs::guess;

/// The files in an app's folder, in a commit.
struct InCommit {
    names: BTreeSet<PathBuf>,
    pyproject: Vec<(PathBuf, String)>,
}

impl InCommit {
    /// `None` where git does not say: what reads the commit next explains that better.
    async fn of(git: &Git, sha: &str, folder: &Path, required: &[PathBuf]) -> Option<InCommit> {
        let names = git.files(sha, folder).await.ok()?;
        let mut wanted: BTreeSet<PathBuf> = [PathBuf::from(project::PYPROJECT)].into();
        wanted.extend(
            required
                .iter()
                .map(|file| file.with_file_name(project::PYPROJECT)),
        );
        let mut pyproject = Vec::new();
        for path in wanted.into_iter().filter(|path| names.contains(path)) {
            let text = git.text(sha, &folder.join(&path)).await.ok()?;
            pyproject.push((path, text));
        }
        Some(InCommit { names, pyproject })
    }
}

impl Files for InCommit {
    fn has(&self, path: &Path) -> bool {
        // What lies in a submodule is not seen from here.
        path.ancestors().any(|path| self.names.contains(path))
    }

    fn pyproject(&self, path: &Path) -> Option<String> {
        let found = self.pyproject.iter().find(|(name, _)| name == path)?;
        Some(found.1.clone())
    }
}

/// That the packages of the commit `sha` can be installed, as far as its files tell.
///
/// # Errors
/// When a file of `python.requirements` is missing or nothing here can read it; nothing has
/// been made.
pub async fn can_be_had(app: &App, sha: &str) -> Result<(), Failure> {
    let git = Git::new(app.layout.mirror());
    let (folder, required) = (home(&app.config), &app.config.python.requirements);
    let Some(files) = InCommit::of(&git, sha, folder, required).await else {
        return Ok(());
    };
    look(&app.config, &files)
        .map(drop)
        .map_err(|error| missing(app, error))
}

/// Why the packages of an app cannot be installed.
#[must_use]
pub fn missing(app: &App, error: VenvError) -> Failure {
    let hint = error.hint();
    let failure = Failure::failed("the python environment was not built")
        .because(error)
        .with_traffic(traffic::unchanged(app));
    hint.into_iter().fold(failure, Failure::hint)
}

/// The same of what would be deployed from here, as far as it lies on this host: the repository,
/// a checkout of it around the folder that we are in, or what was fetched last. Returns the files
/// that say what is installed, `None` where none of these is there.
///
/// # Errors
/// As [`can_be_had`].
pub async fn of_branch(app: &App) -> Result<Option<Vec<PathBuf>>, VenvError> {
    let (config, source) = (&app.config, &app.config.source);
    let (folder, required) = (home(config), &config.python.requirements);
    let here = source.git.as_deref().and_then(Git::at);
    let checkout = match (&here, &source.git) {
        (None, Some(url)) => guess::checkout_of(url).await,
        _ => None,
    };
    if let Some(top) = checkout {
        return look(config, &OnDisk(&top.join(folder))).map(Some);
    }
    let git = here.unwrap_or_else(|| Git::new(app.layout.mirror()));
    let Ok(commit) = git.resolve(&source.branch).await else {
        return Ok(None);
    };
    match InCommit::of(&git, &commit.sha, folder, required).await {
        Some(files) => look(config, &files).map(Some),
        None => Ok(None),
    }
}

fn home(config: &Config) -> &Path {
    config.source.folder.as_deref().unwrap_or(Path::new(""))
}

fn look(config: &Config, files: &dyn Files) -> Result<Vec<PathBuf>, VenvError> {
    let python = &config.python;
    let tool = Tool::choose(python.installer)?;
    let mut read = Vec::new();
    for file in project::required(python, files) {
        if config.shares(&home(config).join(&file)).is_some() {
            continue;
        }
        if !files.has(&file) {
            return Err(VenvError::NoRequirements {
                path: file,
                included_from: None,
                there: project::proposed(files),
            });
        }
        match project::of(&file, files, python.installer, &tool)? {
            Some(project) => read.extend(project.files()),
            None => read.push(file),
        }
    }
    Ok(read)
}
