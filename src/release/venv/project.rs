//! Projects that name their packages in `pyproject.toml`, with or without a lock beside it.

mod error;

use std::path::{Path, PathBuf};

use model::config::{Installer, Python};
use toml::{Table, Value};

use crate::venv::requirements::line::{Reach, reach_of};
use crate::venv::tool::Tool;
pub use error::ProjectError;

/// The file of a Python project.
pub const PYPROJECT: &str = "pyproject.toml";

/// What uv has resolved it to.
pub const UV_LOCK: &str = "uv.lock";

/// Requirement files by their usual names, the first one there wins.
const LISTS: [&str; 4] = [
    "requirements.txt",
    "requirements/prod.txt",
    "requirements/production.txt",
    "requirements/base.txt",
];

/// Files that only one tool reads, what it is called, and the command of it that writes a list
/// of requirements.
const OF_ONE_TOOL: [(&str, &str, &str); 4] = [
    (
        "poetry.lock",
        "Poetry",
        "poetry self add poetry-plugin-export && poetry export -o requirements.txt",
    ),
    ("pdm.lock", "PDM", "pdm export --prod -o requirements.txt"),
    ("Pipfile.lock", "Pipenv", "pipenv requirements > requirements.txt"),
    (
        "Pipfile",
        "Pipenv",
        "pipenv lock && pipenv requirements > requirements.txt",
    ),
];

/// How the packages of a project are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Project {
    /// As `uv.lock` in this folder says, the project with them where it is a package.
    Locked(PathBuf),
    /// As a package, with what it depends on. It stays in its folder, so that the app finds its
    /// data and templates beside its code.
    Package(PathBuf),
    /// What `[project]` in this folder depends on, and not the project itself.
    Dependencies(PathBuf, Vec<String>),
}

/// Files of an app's folder, on disk or in a commit.
pub trait Files {
    /// Whether there is such a file.
    fn has(&self, path: &Path) -> bool;
    /// What a `pyproject.toml` says.
    fn pyproject(&self, path: &Path) -> Option<String>;
}

/// The project that `file`, an entry of `python.requirements`, stands for; `None` where it is a
/// list of requirements. `wanted` is what the configuration says, `tool` what will install.
///
/// # Errors
/// When it is one that cannot be installed.
pub fn of(
    file: &Path,
    files: &dyn Files,
    wanted: Installer,
    tool: &Tool,
) -> Result<Option<Project>, ProjectError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let is = |name: &str| file.file_name().is_some_and(|found| found == name);
    let is_project = is(PYPROJECT) || is(UV_LOCK);
    let lock = folder.join(UV_LOCK);
    if is_project && files.has(&lock) {
        return match (tool, wanted) {
            (Tool::Uv(_), _) => Ok(Some(Project::Locked(folder.to_owned()))),
            (Tool::Pip, Installer::Pip) => Err(ProjectError::NotPips { lock }),
            (Tool::Pip, _) => Err(ProjectError::NoUv { lock }),
        };
    }
    let named = OF_ONE_TOOL.iter().find(|(name, ..)| is(name));
    let beside = || {
        let mut locks = OF_ONE_TOOL.iter().filter(|(name, ..)| name.ends_with(".lock"));
        locks.find(|(name, ..)| is_project && files.has(&folder.join(name)))
    };
    if let Some((name, tool, export)) = named.or_else(beside) {
        return Err(ProjectError::OfOneTool {
            file: folder.join(name),
            tool,
            export,
        });
    }
    if !is_project {
        return Ok(None);
    }
    let path = folder.join(PYPROJECT);
    let text = files.pyproject(&path).unwrap_or_default();
    let table: Table = text.parse().map_err(|source| ProjectError::Syntax {
        path: path.clone(),
        source: Box::new(source),
    })?;
    unlocked(folder, &table)
        .map(Some)
        .ok_or(ProjectError::Nothing(path))
}

fn unlocked(folder: &Path, table: &Table) -> Option<Project> {
    if table.contains_key("build-system") {
        return Some(Project::Package(folder.to_owned()));
    }
    let dependencies = table.get("project")?.get("dependencies")?.as_array()?;
    let texts = dependencies.iter().filter_map(Value::as_str).map(str::to_owned);
    Some(Project::Dependencies(folder.to_owned(), texts.collect()))
}

impl Project {
    /// The files that say what is installed.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Project::Locked(folder) => vec![folder.join(PYPROJECT), folder.join(UV_LOCK)],
            Project::Package(folder) | Project::Dependencies(folder, _) => vec![folder.join(PYPROJECT)],
        }
    }

    /// How far they say it; `lock` is the text of `uv.lock`.
    #[must_use]
    pub fn reach(&self, lock: Option<&str>) -> Reach {
        match self {
            Project::Locked(_) => lock.map_or(Reach::Release, reach_of_lock),
            Project::Package(_) => Reach::Release,
            Project::Dependencies(_, texts) => texts
                .iter()
                .map(|text| reach_of(text))
                .max()
                .unwrap_or(Reach::Text),
        }
    }
}

/// Where the packages of a lock come from. A `virtual` one is not installed at all.
fn reach_of_lock(text: &str) -> Reach {
    let Ok(lock) = text.parse::<Table>() else {
        return Reach::Release;
    };
    let packages = lock.get("package").and_then(Value::as_array);
    let sources = packages
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("source")?.as_table());
    let reach = |source: &Table| {
        let is = |key: &str| source.contains_key(key);
        match (is("editable"), is("directory") || is("path")) {
            (true, _) => Reach::Release,
            (false, true) => Reach::Commit,
            (false, false) => Reach::Text,
        }
    };
    sources.map(reach).max().unwrap_or(Reach::Text)
}

/// Whether the text of a `pyproject.toml` makes its project a package.
#[must_use]
pub fn is_package(text: &str) -> bool {
    text.parse::<Table>()
        .is_ok_and(|table| table.contains_key("build-system"))
}

/// The files that are to be read: those of `python.requirements`, or what there is where that
/// says what it says by default and there is no such file.
#[must_use]
pub fn required(python: &Python, files: &dyn Files) -> Vec<PathBuf> {
    let missing = python.requirements.iter().any(|file| !files.has(file));
    let there = (missing && python.requirements == Python::default().requirements).then(|| proposed(files));
    there
        .flatten()
        .map_or_else(|| python.requirements.clone(), |there| vec![there])
}

/// What `python.requirements` is to name for the app with these files.
#[must_use]
pub fn proposed(files: &dyn Files) -> Option<PathBuf> {
    let there = |name: &str| files.has(Path::new(name));
    let tools = OF_ONE_TOOL.map(|(name, ..)| name);
    if let Some(list) = LISTS.into_iter().find(|name| there(name)) {
        return Some(list.into());
    }
    let has_lock = there(UV_LOCK) || tools.iter().any(|name| name.ends_with(".lock") && there(name));
    let is_project = |text: String| {
        let table: Table = text.parse().unwrap_or_default();
        has_lock || table.contains_key("project") || table.contains_key("build-system")
    };
    if files.pyproject(Path::new(PYPROJECT)).is_some_and(is_project) {
        return Some(PYPROJECT.into());
    }
    tools.into_iter().find(|name| there(name)).map(PathBuf::from)
}

#[cfg(test)]
mod tests;
