//! Python environments, shared by all releases that need the same one, and never changed once
//! they are complete: a color that runs may be using them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::host::command::{Command, CommandError};
use crate::host::envfile::key as short_hash;
use crate::host::store::{self, FileError};
use crate::host::venv::installer::Tool;
use crate::host::venv::interpreter::Interpreter;
use crate::host::venv::project::ProjectError;
use crate::host::venv::requirements::{Reach, Requirements};
use crate::model::config::{Installer, Python};
use crate::model::layout::Layout;

pub mod installer;
pub mod interpreter;
pub mod project;
pub mod requirements;
#[cfg(test)]
mod tests;

/// The file that an environment gets last. Without it, it is what a killed run left.
pub const COMPLETE: &str = ".complete";

/// An environment that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its name in `venvs`.
    pub key: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it was there already.
    pub reused: bool,
    /// What installed the packages, never `auto`.
    pub installer: Installer,
    /// How long this took.
    pub took: Duration,
}

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

/// What an environment says about itself, for people.
#[derive(Debug, Serialize)]
struct About<'a> {
    format: u32,
    interpreter: &'a Interpreter,
    installer: Installer,
    requirements: Vec<&'a Path>,
    made_at: jiff::Timestamp,
}

/// Finds or builds the environment for the app in `app_folder`, the final folder of a release
/// of `commit`. Environments are built where they will be used, for they cannot be moved, and
/// a complete one is never touched. The caller holds the app's lock.
///
/// # Errors
/// When the interpreter, a requirement file or a package is missing, or `deadline` (for the
/// whole) passes; what was begun is removed then.
pub async fn ensure(
    layout: &Layout,
    interpreter: &Interpreter,
    python: &Python,
    app_folder: &Path,
    commit: &str,
    deadline: Duration,
) -> Result<Built, VenvError> {
    let started = Instant::now();
    let tool = Tool::choose(python.installer)?;
    let requirements = requirements::read(app_folder, python, &tool)?;
    let key = key(interpreter, &tool, &requirements, app_folder, commit);
    let path = layout.venvs().join(&key);
    let reused = path.join(COMPLETE).is_file();
    if !reused {
        store::discard(&path)?;
        let build = Build {
            tool: &tool,
            interpreter,
            path: &path,
            until: started + deadline,
        };
        let built = build.run(app_folder, &requirements).await;
        if let Err(error) = built {
            store::discard(&path).ok();
            return Err(match error {
                VenvError::Create { source, .. }
                | VenvError::Install { source, .. }
                | VenvError::Compile { source, .. }
                    if matches!(source, CommandError::TimedOut { .. }) =>
                {
                    VenvError::TooSlow(deadline)
                }
                other => other,
            });
        }
    }
    Ok(Built {
        key,
        path,
        reused,
        installer: tool.installer(),
        took: started.elapsed(),
    })
}

/// Compiles the app's own modules, so that the first requests need not. What cannot be
/// compiled is left to Python.
///
/// # Errors
/// When the compiler cannot be run or misses the deadline.
pub async fn compile_release(app_folder: &Path, venv: &Path, deadline: Duration) -> Result<(), VenvError> {
    let command = installer::compile(venv, app_folder).deadline(deadline);
    compiled(command, app_folder).await
}

async fn compiled(command: Command, folder: &Path) -> Result<(), VenvError> {
    match command.run().await {
        Ok(_) | Err(CommandError::Failed { .. }) => Ok(()),
        Err(source) => Err(VenvError::Compile {
            folder: folder.to_owned(),
            source,
        }),
    }
}

/// The name of an environment: two releases have the same one only when nothing that goes
/// into it differs.
fn key(
    interpreter: &Interpreter,
    tool: &Tool,
    requirements: &Requirements,
    app_folder: &Path,
    commit: &str,
) -> String {
    let mut parts: Vec<Vec<u8>> = vec![
        interpreter.path.as_os_str().as_encoded_bytes().to_vec(),
        interpreter.version.clone().into_bytes(),
        interpreter.platform.clone().into_bytes(),
        interpreter.abi.clone().into_bytes(),
        format!("{:?}", tool.installer()).into_bytes(),
    ];
    parts.extend(requirements.files.iter().map(|(_, content)| content.clone()));
    match requirements.reach {
        Reach::Text => {}
        Reach::Commit => parts.push(commit.as_bytes().to_vec()),
        Reach::Release => parts.push(app_folder.as_os_str().as_encoded_bytes().to_vec()),
    }
    // Each part with its length in front, so that no two lists read the same.
    let text: Vec<u8> = parts
        .into_iter()
        .flat_map(|part| [part.len().to_le_bytes().to_vec(), part].concat())
        .collect();
    short_hash(&text)
}

struct Build<'a> {
    tool: &'a Tool,
    interpreter: &'a Interpreter,
    path: &'a Path,
    until: Instant,
}

impl Build<'_> {
    async fn run(&self, app_folder: &Path, wanted: &Requirements) -> Result<(), VenvError> {
        // uv locks a file in it that anybody may open.
        store::make_private(self.path)?;
        let create = self.tool.create(self.interpreter, self.path);
        self.step(create).await.map_err(|source| VenvError::Create {
            python: self.interpreter.path.clone(),
            source,
        })?;
        for install in self.tool.install(self.interpreter, self.path, app_folder, wanted) {
            self.step(install).await.map_err(|source| VenvError::Install {
                with: match self.tool {
                    Tool::Pip => "pip",
                    Tool::Uv(_) => "uv",
                },
                source,
            })?;
        }
        let packages = self.path.join("lib");
        let compile = installer::compile(self.path, &packages).deadline(self.left());
        compiled(compile, &packages).await?;
        self.complete(wanted).await
    }

    async fn step(&self, command: Command) -> Result<(), CommandError> {
        let command = installer::reaching_out(command).deadline(self.left());
        command.run().await.map(|_| ())
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    async fn complete(&self, wanted: &Requirements) -> Result<(), VenvError> {
        let about = About {
            format: 1,
            interpreter: self.interpreter,
            installer: self.tool.installer(),
            requirements: wanted.files.iter().map(|(path, _)| path.as_path()).collect(),
            made_at: jiff::Timestamp::now(),
        };
        let text = serde_json::to_vec_pretty(&about).unwrap_or_default();
        store::let_others_in(self.path, &[".lock"])?;
        // First everything else is on the disk, then the word that it is.
        store::flush_all(self.path).await?;
        store::write_whole(&self.path.join(COMPLETE), &text, 0o644)?;
        let venvs = self.path.parent().unwrap_or(self.path);
        store::flush_folder(venvs)?;
        Ok(())
    }
}
