//! Python environments: one per set of requirements, shared by the releases that have the
//! same, never changed once it is whole.

mod key;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::command::{Command, CommandError, find_program};
use crate::model::config::{Installer, Python};
use crate::model::layout::Layout;
use crate::model::release::Manifest;

pub use key::KeyError;

/// The file that says an environment is whole. A venv cannot be moved, so it is built in
/// its place, and this comes last.
const COMPLETE: &str = ".complete";

/// How long compiling may take; it is a help, not a need.
const COMPILE: Duration = Duration::from_secs(120);

/// An environment that can be used.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its folder below `venvs`.
    pub key: String,
    /// Whether it was there.
    pub reused: bool,
    /// How long it took.
    pub took: Duration,
    /// `uv` or `pip`.
    pub installer: String,
}

/// An environment that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    /// Its key cannot be found.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The interpreter or the installer did not do its part.
    #[error("{what}")]
    Command {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: CommandError,
    },
    /// `uv` was asked for and is not there.
    #[error("`uv` is not installed, or not on PATH: `python.installer = \"pip\"` does without")]
    NoUv,
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The environment for what the app's folder requires: the one that is there, or a new one.
///
/// # Errors
/// When a requirement file is missing or something does not install.
pub async fn ensure(
    layout: &Layout,
    python: &Python,
    app_folder: &Path,
    commit: &str,
    deadline: Duration,
) -> Result<Built, VenvError> {
    let began = Instant::now();
    let uv = installer(python)?;
    let key = key::key(python, app_folder, commit).await?;
    let folder = layout.venvs().join(&key);
    let reused = folder.join(COMPLETE).is_file();
    if !reused {
        let built = build(&folder, python, app_folder, uv.as_deref(), deadline).await;
        if built.is_err() {
            // Half of it only takes up room; a later build begins anew.
            std::fs::remove_dir_all(&folder).ok();
        }
        built?;
    }
    let installer = if uv.is_some() { "uv" } else { "pip" }.to_owned();
    Ok(Built {
        key,
        reused,
        took: began.elapsed(),
        installer,
    })
}

/// The path of `uv` where that installs, nothing where pip does.
fn installer(python: &Python) -> Result<Option<PathBuf>, VenvError> {
    let uv = find_program(Path::new("uv"));
    match (python.installer, uv) {
        (Installer::Pip, _) | (Installer::Auto, None) => Ok(None),
        (Installer::Auto | Installer::Uv, Some(uv)) => Ok(Some(uv)),
        (Installer::Uv, None) => Err(VenvError::NoUv),
    }
}

async fn build(
    folder: &Path,
    python: &Python,
    app_folder: &Path,
    uv: Option<&Path>,
    deadline: Duration,
) -> Result<(), VenvError> {
    let io = |what| {
        move |source| VenvError::Io {
            what,
            path: folder.to_owned(),
            source,
        }
    };
    if folder.exists() {
        // Without the mark it is what a killed build has left.
        std::fs::remove_dir_all(folder).map_err(io("cleared"))?;
    }
    let run = |what: &'static str, command: Command| async move {
        let command = registry_settings(command).folder(app_folder).deadline(deadline);
        command
            .run()
            .await
            .map(drop)
            .map_err(|source| VenvError::Command { what, source })
    };
    let requirements = python
        .requirements
        .iter()
        .flat_map(|file| [Path::new("-r"), file]);
    let interpreter = folder.join("bin/python");
    match uv {
        Some(uv) => {
            let make = Command::new(uv)
                .args(["venv", "--quiet", "--no-project", "--python"])
                .arg(&python.version);
            run("the environment was not made", make.arg(folder)).await?;
            if !python.requirements.is_empty() {
                let install =
                    Command::new(uv).args(["pip", "install", "--quiet", "--compile-bytecode", "--python"]);
                let install = install.arg(&interpreter).args(requirements);
                run("the requirements do not install", install).await?;
            }
        }
        None => {
            let make = Command::new(&python.version).args(["-m", "venv"]).arg(folder);
            run("the environment was not made", make).await?;
            if !python.requirements.is_empty() {
                let pip = [
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--compile",
                ];
                run(
                    "the requirements do not install",
                    Command::new(&interpreter).args(pip).args(requirements),
                )
                .await?;
            }
        }
    }
    let mark = folder.join(COMPLETE);
    std::fs::write(&mark, "")
        .and_then(|()| std::fs::File::open(&mark)?.sync_all())
        .and_then(|()| std::fs::File::open(folder)?.sync_all())
        .map_err(io("finished"))
}

/// What tells pip and uv where packages come from, and through which proxy: settings of
/// the host that a build without them would not find.
fn registry_settings(mut command: Command) -> Command {
    let named = |name: &str| {
        ["PIP_", "UV_"].iter().any(|prefix| name.starts_with(prefix))
            || name.to_ascii_lowercase().ends_with("_proxy")
            || ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"].contains(&name)
    };
    for (name, value) in std::env::vars_os() {
        if name.to_str().is_some_and(named) {
            command = command.env(name, value);
        }
    }
    command
}

/// Compiles a release's own code, so that the first import does not do it. A file that
/// does not compile is the app's affair.
pub async fn compile_release(layout: &Layout, manifest: &Manifest) {
    let interpreter = layout.venvs().join(&manifest.venv).join("bin/python");
    Command::new(interpreter)
        .args(["-m", "compileall", "-q", "-j", "2"])
        .arg(layout.release(&manifest.id))
        .deadline(COMPILE)
        .finish()
        .await
        .ok();
}
