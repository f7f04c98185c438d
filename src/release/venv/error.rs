//! Why a Python environment is not made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::command::CommandError;
use sys::store::FileError;

use crate::venv::project::ProjectError;

/// An environment that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    /// The interpreter is missing.
    #[error("there is no `{python}` on this host, see `python.version`")]
    NoPython {
        /// What was looked for.
        python: String,
    },
    /// The program is there, and no interpreter.
    #[error("`{python}` is no working Python 3, see `python.version`")]
    NotPython {
        /// The program.
        python: String,
        /// How it ended.
        #[source]
        source: CommandError,
    },
    /// It answers with something else than what it was asked.
    #[error("`{python}` is no working Python 3, see `python.version`")]
    OddPython {
        /// The program.
        python: String,
        /// What is wrong with the answer.
        #[source]
        source: serde_json::Error,
    },
    /// `uv` is asked for and missing.
    #[error("there is no `uv` on this host: install it, or set `python.installer` to `pip`")]
    NoUv,
    /// A requirement file is missing.
    #[error("there is no `{}`{}, see `python.requirements`", .path.display(), included(.included_from.as_deref()))]
    NoRequirements {
        /// The file.
        path: PathBuf,
        /// The file that includes it.
        included_from: Option<PathBuf>,
        /// What there is instead.
        there: Option<PathBuf>,
    },
    /// A project cannot be installed.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The empty environment cannot be made.
    #[error("cannot create a Python environment with `{}`", .python.display())]
    Create {
        /// The interpreter.
        python: PathBuf,
        /// Why; without the package `python3-venv`, Debian's Python says so here.
        #[source]
        source: CommandError,
    },
    /// The packages cannot be installed.
    #[error("the packages of `python.requirements` do not install with `{with}`")]
    Install {
        /// `pip` or `uv`.
        with: &'static str,
        /// Why, with the last lines that it printed.
        #[source]
        source: CommandError,
    },
    /// The compiler could not be run.
    #[error("cannot compile the Python files in `{}`", .folder.display())]
    Compile {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// The deadline of the whole build passed.
    #[error("the Python environment was not built within {} s, the deadline is `timeouts.build`", .0.as_secs_f64())]
    TooSlow(Duration),
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl VenvError {
    /// What to do about it, where the text does not say that.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            VenvError::Project(error) => error.hint(),
            VenvError::NoRequirements {
                included_from: None,
                there,
                ..
            } => Some(match there {
                Some(there) => format!(
                    "the app has `{0}`: set `python.requirements = [\"{0}\"]` in bg.toml",
                    there.display()
                ),
                None => "commit the file, or name another in `python.requirements`".to_owned(),
            }),
            _ => None,
        }
    }
}

fn included(from: Option<&Path>) -> String {
    from.map(|from| format!(", which `{}` includes", from.display()))
        .unwrap_or_default()
}
