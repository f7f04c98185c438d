//! What PM2 starts in place of the app: it reads the release that the slot's link names and
//! becomes the app. The environment file is read here, from a file only its owner can
//! read, because PM2 writes everything it is given to a file that everybody can.

pub mod command_line;
pub mod install;
pub mod work;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use model::color::Color;
use model::layout::Layout;
use model::release::{Manifest, NotARelease, ReleaseId};
use serde::Deserialize;
use sys::command::Command;
use sys::dotenv::{self, DotenvError, Variables};
use sys::identity::NONCE;
use sys::restart_inhibitor;

pub use command_line::{RenderError, render_run};
pub use install::install;
pub use work::{WorkError, take_over, work};

/// Variables of ours that the app gets too.
const PASSED_ON: &[&str] = &["HOME", "USER", "LANG", "TZ"];

/// Why the app was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The slot's link is missing.
    #[error("`{}` cannot be read: nothing was deployed to {color} yet", .path.display())]
    Slot {
        /// The color.
        color: Color,
        /// The link.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The slot's link points somewhere else than at a release.
    #[error("`{}` does not point at a release: deploy to {color} again", .path.display())]
    SlotTarget {
        /// The color.
        color: Color,
        /// The link.
        path: PathBuf,
        /// Why.
        #[source]
        source: NotARelease,
    },
    /// The snapshot cannot be read.
    #[error("`{}` cannot be read: deploy again, or roll back to another release", .path.display())]
    Manifest {
        /// The snapshot.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The snapshot is not what we write.
    #[error("`{}` is damaged: deploy again, or roll back to another release", .path.display())]
    ManifestDamaged {
        /// The snapshot.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// The snapshot was written by another version.
    #[error("`{}` has format {found}, this program reads {}: run `bluegreen setup` with the newer program", .path.display(), Manifest::FORMAT)]
    ManifestFormat {
        /// The snapshot.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The release's copy of the environment file cannot be read.
    #[error("the environment file `{}` cannot be read: deploy again", .path.display())]
    EnvFile {
        /// The copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The environment file is not one.
    #[error("the environment file `{}` cannot be understood: correct it in `shared` and deploy again", .path.display())]
    EnvSyntax {
        /// The copy.
        path: PathBuf,
        /// Where.
        #[source]
        source: DotenvError,
    },
    /// The command does not render.
    #[error("the command cannot be used: correct it in `bg.toml` and deploy again")]
    Run(#[source] RenderError),
    /// The app's folder is missing.
    #[error("`{}` is not there: deploy again, or correct `source.folder` in `bg.toml`", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The command cannot be started.
    #[error("`{program}` cannot be started in `{}`: is it in the requirements, is it executable?", .folder.display())]
    Exec {
        /// The first word.
        program: String,
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Becomes the app of `color`, once no hold keeps it back. Called before any thread or
/// runtime is started; the app keeps this process's pid.
///
/// # Errors
/// Returns only when the app cannot be started.
pub fn launch(layout: &Layout, color: Color, nonce: &str) -> Result<Infallible, LaunchError> {
    restart_inhibitor::wait(&layout.inhibitor(color));
    let (id, manifest) = read_slot(layout, color)?;
    let release = layout.release(&id);
    let folder = folder(layout, &manifest);
    fs::metadata(&folder).map_err(|source| LaunchError::Folder { folder, source })?;
    let venv = layout.venvs().join(&manifest.venv);
    let port = manifest.ports.of(color);
    let words = render_run(&manifest.run, port, &venv, &release, color).map_err(LaunchError::Run)?;
    let more = vec![(NONCE.to_owned(), nonce.to_owned())];
    Err(become_words(layout, color, &manifest, &words, more))
}

/// Becomes `words` in the release of `manifest`, with the environment that its app has, but
/// for what names a start of it.
pub fn become_command(layout: &Layout, color: Color, manifest: &Manifest, words: &[String]) -> LaunchError {
    become_words(layout, color, manifest, words, Vec::new())
}

fn become_words(
    layout: &Layout,
    color: Color,
    manifest: &Manifest,
    words: &[String],
    more: Vec<(String, String)>,
) -> LaunchError {
    let Some((program, args)) = words.split_first() else {
        return LaunchError::Run(RenderError::Empty);
    };
    let mut env = match environment(layout, color, manifest) {
        Ok(env) => env,
        Err(error) => return error,
    };
    env.extend(more);
    let folder = folder(layout, manifest);
    // The program is looked up on the app's PATH, where its environment comes first.
    let found = env
        .get("PATH")
        .and_then(|path| look_up(program, path))
        .unwrap_or_else(|| program.into());
    let source = std::process::Command::new(found)
        .arg0(program)
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(&folder)
        .exec();
    LaunchError::Exec {
        program: program.clone(),
        folder,
        source,
    }
}

/// What a program of a release starts with: the release's own variables, its environment file
/// and ours.
///
/// # Errors
/// When the environment file cannot be read or understood.
pub fn environment(
    layout: &Layout,
    color: Color,
    manifest: &Manifest,
) -> Result<BTreeMap<String, String>, LaunchError> {
    let secrets = secrets(layout, manifest)?;
    let mut env = app_env(manifest, secrets, &layout.venvs().join(&manifest.venv));
    let ours = [
        ("BG_APP", manifest.config.app.clone()),
        ("BG_COLOR", color.to_string()),
        ("BG_RELEASE", manifest.id.to_string()),
        ("BG_PORT", manifest.ports.of(color).to_string()),
    ];
    env.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok(env)
}

/// A command of a release, not yet started: its folder, and the environment that its app has.
///
/// # Errors
/// When there is no word, or the environment file cannot be read or understood.
pub fn command(
    layout: &Layout,
    color: Color,
    manifest: &Manifest,
    words: &[String],
) -> Result<Command, LaunchError> {
    let (program, args) = words.split_first().ok_or(LaunchError::Run(RenderError::Empty))?;
    let command = Command::new(program).args(args).folder(folder(layout, manifest));
    let env = environment(layout, color, manifest)?;
    Ok(env
        .into_iter()
        .fold(command, |command, (name, value)| command.env(name, value)))
}

fn look_up(program: &str, path: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return None;
    }
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The folder in which the app of a release runs.
#[must_use]
pub fn folder(layout: &Layout, manifest: &Manifest) -> PathBuf {
    let release = layout.release(&manifest.id);
    manifest
        .folder
        .as_ref()
        .map_or_else(|| release.clone(), |below| release.join(below))
}

/// The release that the slot's link names, and its snapshot.
fn read_slot(layout: &Layout, color: Color) -> Result<(ReleaseId, Manifest), LaunchError> {
    let path = layout.slot(color);
    let target = fs::read_link(&path).map_err(|source| LaunchError::Slot {
        color,
        path: path.clone(),
        source,
    })?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let id: ReleaseId = name
        .parse()
        .map_err(|source| LaunchError::SlotTarget { color, path, source })?;
    let manifest = read_manifest(&layout.manifest(&id))?;
    Ok((id, manifest))
}

fn read_manifest(path: &Path) -> Result<Manifest, LaunchError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let path = path.to_owned();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(source) => return Err(LaunchError::Manifest { path, source }),
    };
    match serde_json::from_slice::<Head>(&text) {
        Ok(head) if head.format != Manifest::FORMAT => Err(LaunchError::ManifestFormat {
            path,
            found: head.format,
        }),
        _ => serde_json::from_slice(&text).map_err(|source| LaunchError::ManifestDamaged { path, source }),
    }
}

/// What the environment file of a release says.
///
/// # Errors
/// When its copy cannot be read or understood.
pub fn secrets(layout: &Layout, manifest: &Manifest) -> Result<Variables, LaunchError> {
    let Some(name) = &manifest.env_file else {
        return Ok(Variables::new());
    };
    let path = layout.envs().join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(LaunchError::EnvFile { path, source }),
    };
    dotenv::parse(&text).map_err(|source| LaunchError::EnvSyntax { path, source })
}

/// What the app starts with, but for our own variables. No `PORT`: gunicorn would bind
/// 0.0.0.0 on seeing one.
fn app_env(manifest: &Manifest, secrets: Variables, venv: &Path) -> BTreeMap<String, String> {
    let inherited = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let path = format!("{}:{inherited}", venv.join("bin").display());
    // Programs that set their title would write it over the environment that the gate reads.
    let own = [("PATH", path), ("SPT_NOENV", "1".to_owned())];
    let passed_on = PASSED_ON
        .iter()
        .filter_map(|name| std::env::var(name).ok().map(|value| (*name, value)));
    own.into_iter()
        .chain(passed_on)
        .map(|(name, value)| (name.to_owned(), value))
        .chain(manifest.env.clone())
        .chain(
            secrets
                .into_iter()
                .map(|(name, value)| (name, value.expose().to_owned())),
        )
        .collect()
}

#[cfg(test)]
mod tests;
