//! Python environments, shared by all releases that need the same one, and never changed once
//! they are complete: a color that runs may be using them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::config::{Installer, Python};
use model::layout::Layout;
use serde::Serialize;
use state::envfile::key as short_hash;
use sys::command::{Command, CommandError};
use sys::store;

use crate::venv::installer::Tool;
use crate::venv::interpreter::Interpreter;
use crate::venv::requirements::{Reach, Requirements};

mod error;
pub mod installer;
pub mod interpreter;
pub mod project;
pub mod requirements;
#[cfg(test)]
mod tests;
mod tool;

pub use error::VenvError;

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
