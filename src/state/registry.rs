//! The registry: one file per app that says where it lives, so that `bg rollback` works
//! on the host with no configuration at hand.

use std::path::{Path, PathBuf};

use model::config::is_app_name;
use model::layout::Entry;
use sys::command;
use sys::path_security::{self, Keeper, Untrusted};

/// Where a root installation keeps it.
const SYSTEM: &str = "/etc/bluegreen/apps";

/// The registry could not be read or written, or does not know the app.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no such app.
    #[error("no app `{app}` is set up on this host{}", there_is(.known))]
    Unknown {
        /// What was asked for.
        app: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No app was named and there is not exactly one.
    #[error("{}", if .known.is_empty() { "no app is set up on this host".to_owned() } else { format!("which app? this host has {}", .known.join(", ")) })]
    Which {
        /// What there is.
        known: Vec<String>,
    },
    /// What was asked for could be the name of a file elsewhere, and of no app.
    #[error("`{}` is not a valid app name", .0.escape_debug())]
    NoName(String),
    /// It says what is started and for whom, and somebody else can change it.
    #[error("the registry is writable by other users")]
    Untrusted(#[from] Untrusted),
    /// The file of one app is that of another.
    #[error("the registry entry `{}` is that of `{}`", .path.display(), .found.escape_debug())]
    Mixed {
        /// The file.
        path: PathBuf,
        /// The app that it names.
        found: String,
    },
    /// A file makes no sense.
    #[error("the registry entry `{}` cannot be parsed", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file of a later version.
    #[error("the registry entry `{}` was written by a newer bluegreen", .0.display())]
    Newer(PathBuf),
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn there_is(apps: &[String]) -> String {
    if apps.is_empty() {
        String::new()
    } else {
        format!(" (there is {})", apps.join(", "))
    }
}

/// The folders that are searched, first match wins.
#[derive(Clone, Debug)]
pub struct Registry {
    folders: Vec<PathBuf>,
}

impl Registry {
    /// The one in `folder`, and no other.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Registry {
        Registry {
            folders: vec![folder.into()],
        }
    }

    /// `$BG_REGISTRY` alone if it is set; else root's folder, and for an ordinary user the
    /// one in their own configuration folder before it.
    #[must_use]
    pub fn of_this_user() -> Registry {
        if let Some(folder) = std::env::var_os("BG_REGISTRY") {
            return Registry::in_folder(folder);
        }
        let mut folders = Vec::new();
        // Root's rights given up: root's registry said for whom.
        if !nix::unistd::Uid::effective().is_root() && !command::acts_for_somebody() {
            let home = command::home().map(|home| home.join(".config"));
            let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
            folders.extend(config.map(|folder| folder.join("bluegreen/apps")));
        }
        folders.push(SYSTEM.into());
        Registry { folders }
    }

    /// The apps that are set up, sorted.
    #[must_use]
    pub fn apps(&self) -> Vec<String> {
        let mut apps: Vec<String> = self
            .folders
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|file| file.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
            .collect();
        apps.sort();
        apps.dedup();
        apps
    }

    /// Every entry that can be read.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.apps().iter().filter_map(|app| self.find(app).ok()).collect()
    }

    /// The entry of `app`.
    ///
    /// # Errors
    /// When there is none or it makes no sense.
    pub fn find(&self, app: &str) -> Result<Entry, RegistryError> {
        if !is_app_name(app) {
            return Err(RegistryError::NoName(app.to_owned()));
        }
        for folder in &self.folders {
            let path = folder.join(format!("{app}.toml"));
            let me = Keeper::user(nix::unistd::Uid::effective());
            path_security::alone(&path, me)
                .map(drop)
                .or_else(Untrusted::unless_missing)?;
            match std::fs::read_to_string(&path) {
                Ok(text) => return of(app, parse(&path, &text)?, path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(RegistryError::Io {
                        what: "read",
                        path,
                        source,
                    });
                }
            }
        }
        Err(RegistryError::Unknown {
            app: app.to_owned(),
            known: self.apps(),
        })
    }

    /// The entry of the only app there is.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn only(&self) -> Result<Entry, RegistryError> {
        match self.apps().as_slice() {
            [app] => self.find(app),
            apps => Err(RegistryError::Which { known: apps.to_vec() }),
        }
    }

    /// The file of an entry that is there, or else would be written.
    #[must_use]
    pub fn path_of(&self, app: &str) -> PathBuf {
        let files = self
            .folders
            .iter()
            .map(|folder| folder.join(format!("{app}.toml")));
        files
            .into_iter()
            .find(|path| path.exists())
            .unwrap_or_else(|| self.path(app))
    }

    /// The file of an entry that is to be written.
    #[must_use]
    pub fn path(&self, app: &str) -> PathBuf {
        let folder = self.folders.first().map_or(Path::new(SYSTEM), PathBuf::as_path);
        folder.join(format!("{app}.toml"))
    }
}

fn of(app: &str, entry: Entry, path: PathBuf) -> Result<Entry, RegistryError> {
    match entry.app == app {
        true => Ok(entry),
        false => Err(RegistryError::Mixed {
            path,
            found: entry.app,
        }),
    }
}

fn parse(path: &Path, text: &str) -> Result<Entry, RegistryError> {
    let format = toml::from_str::<toml::Table>(text)
        .ok()
        .and_then(|table| table.get("format").and_then(toml::Value::as_integer));
    if format.is_some_and(|format| format > i64::from(Entry::FORMAT)) {
        return Err(RegistryError::Newer(path.to_owned()));
    }
    toml::from_str(text).map_err(|source| RegistryError::Broken {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod hostile_tests;
