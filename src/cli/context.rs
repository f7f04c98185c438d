//! Which app is meant: by name, by the configuration at hand, or the only one there is.

use std::path::{Path, PathBuf};

use engine::app::{App, AppError, read_config};
use model::config::{Config, difference, read};
use model::failure::{Failure, Kind};
use model::layout::{Entry, Layout};
use model::wire::{ConfigText, HostRole};
use nix::unistd::User;
use state::registry::{Registry, RegistryError};

/// What was typed about the app, and the configuration that lies at hand.
pub struct Context {
    /// `--app`.
    pub app: Option<String>,
    /// The configuration.
    pub config: ConfigSource,
    /// Which of its hosts this is, where a client says so.
    pub place: Option<HostRole>,
    /// Where this is root: who else can have written that configuration.
    pub author: Option<User>,
}

/// Where a configuration comes from.
pub enum ConfigSource {
    /// `./bg.toml`, which was there when this was typed.
    InFolder,
    /// There was no `./bg.toml`, and one that comes later is not looked at.
    Missing,
    /// `--config`.
    File(PathBuf),
    /// A client's.
    Sent(ConfigText),
    /// Nobody's: a client that has none.
    None,
}

impl ConfigSource {
    /// Looked at once: whoever could change it in between would be asked for nothing.
    #[must_use]
    pub fn in_folder() -> ConfigSource {
        match Path::new("bg.toml").exists() {
            true => ConfigSource::InFolder,
            false => ConfigSource::Missing,
        }
    }
}

impl Context {
    /// The file of the configuration at hand.
    #[must_use]
    pub fn config_path(&self) -> Option<&Path> {
        match &self.config {
            ConfigSource::InFolder if self.app.is_some() => None,
            ConfigSource::InFolder => Some(Path::new("bg.toml")),
            ConfigSource::File(path) => Some(path),
            ConfigSource::Missing | ConfigSource::Sent(_) | ConfigSource::None => None,
        }
    }

    /// The folder that is worked in: that of the configuration at hand, or where this was typed.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let beside = match &self.config {
            ConfigSource::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
            _ => None,
        };
        let folder = beside.unwrap_or(Path::new("."));
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
    }

    /// The configuration at hand, with the hosts it names.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense.
    pub fn whole_config(&self) -> Result<Option<Config>, Failure> {
        let read = match (&self.config, self.config_path()) {
            (ConfigSource::Sent(sent), _) => {
                read::parse(&sent.text, Path::new(&sent.name)).map_err(AppError::from)
            }
            (_, Some(path)) => read_config(path),
            (_, None) => return Ok(None),
        };
        read.map(Some).map_err(config_failure)
    }

    /// The file at hand as a client sends it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn to_send(&self) -> Result<Option<ConfigText>, Failure> {
        if let ConfigSource::Sent(sent) = &self.config {
            return Ok(Some(sent.clone()));
        }
        let Some(path) = self.config_path() else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Kind::Config, format!("`{}` cannot be read", path.display())).because(error)
        })?;
        Ok(Some(ConfigText {
            name: path.display().to_string(),
            text,
        }))
    }

    fn config_at_hand(&self) -> Result<Option<Config>, Failure> {
        Ok(self.whole_config()?.map(|config| self.of_this_host(config)))
    }

    fn of_this_host(&self, config: Config) -> Config {
        if let Some(place) = &self.place {
            return config.of_host(&place.host, place.primary);
        }
        let entry = Registry::of_this_user().find(&config.app).ok();
        let applied = entry.and_then(|entry| read_config(&Layout::new(&entry.root).config()).ok());
        config.of_this_host(applied.as_ref())
    }

    /// The configuration at hand, or the one that was last applied.
    ///
    /// # Errors
    /// When there is neither, or one makes no sense.
    pub fn config_for_setup(&self) -> Result<Config, Failure> {
        if let Some(config) = self.config_at_hand()? {
            return self.for_its_author(config);
        }
        match self.open_as_is() {
            Ok(app) => Ok(of_its_owner(app)),
            Err(_) if self.app.is_none() => {
                Err(Failure::new(Kind::Config, "this folder has no bg.toml")
                    .hint("`bg init` writes a starter"))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Root works for whoever wrote the configuration, whatever that says.
    ///
    /// # Errors
    /// When it names somebody else as the owner.
    pub fn for_its_author(&self, mut config: Config) -> Result<Config, Failure> {
        let Some(author) = &self.author else {
            return Ok(config);
        };
        match &config.owner {
            Some(named) if *named != author.name => Err(self.of_another(author, named)),
            Some(_) => Ok(config),
            None => {
                let by_sudo = std::env::var("SUDO_USER").ok();
                if by_sudo.as_ref() != Some(&author.name) {
                    config.owner = Some(author.name.clone());
                }
                Ok(config)
            }
        }
    }

    fn of_another(&self, author: &User, named: &str) -> Failure {
        let author = &author.name;
        let whose = match self.config {
            ConfigSource::Sent(_) => format!("`{author}` is asking"),
            _ => format!("the file belongs to `{author}`"),
        };
        let way = match self.config {
            ConfigSource::Sent(_) => format!("connect as `{named}` or as root, as with `--hosts root@HOST`"),
            _ => format!("put bg.toml where only `{named}` or root can write"),
        };
        Failure::new(
            Kind::Config,
            format!("`owner` in bg.toml is `{named}`, but {whose}"),
        )
        .hint(format!(
            "leave `owner` out and the app belongs to `{author}`, or {way}"
        ))
    }

    /// Opens the app as its owner: root gives its rights up first.
    ///
    /// # Errors
    /// When it is not set up here, or belongs to somebody else.
    pub fn open(&self) -> Result<App, Failure> {
        let entry = self.entry()?;
        super::user::become_owner(&entry)?;
        App::open(entry).map_err(config_failure)
    }

    /// Opens the app with the rights that this process has, for what only setup may do.
    ///
    /// # Errors
    /// When it is not set up here.
    pub fn open_as_is(&self) -> Result<App, Failure> {
        App::open(self.entry()?).map_err(config_failure)
    }

    /// The configuration at hand where its app is off this host.
    ///
    /// # Errors
    /// When it makes no sense, or names another user's app.
    pub fn left_behind(&self) -> Result<Option<Config>, Failure> {
        let is_meant = |config: &Config| self.app.as_ref().is_none_or(|app| *app == config.app);
        match (self.registered()?, self.config_at_hand()?.filter(is_meant)) {
            (Err(RegistryError::Unknown { .. }), Some(config)) => self.for_its_author(config).map(Some),
            _ => Ok(None),
        }
    }

    /// The entry of the app that is meant.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn entry(&self) -> Result<Entry, Failure> {
        self.registered()?.map_err(|error| match error {
            RegistryError::Unknown { .. } if self.app.is_none() => {
                Failure::new(Kind::Config, error.to_string())
                    .hint("`bg setup` sets up what bg.toml describes")
            }
            error => registry_failure(error),
        })
    }

    /// What the registry has of the app that is meant.
    ///
    /// # Errors
    /// When the configuration at hand cannot be read.
    pub(super) fn registered(&self) -> Result<Result<Entry, RegistryError>, Failure> {
        let registry = Registry::of_this_user();
        let named = match &self.app {
            Some(app) => Some(app.clone()),
            None => self.whole_config()?.map(|config| config.app),
        };
        Ok(match named {
            Some(app) => registry.find(&app),
            None => registry.only(),
        })
    }

    /// The app with the configuration at hand, if that may be used without `bg setup`.
    ///
    /// # Errors
    /// As [`Context::open`]; and when the configuration changed what setup prepares.
    pub fn app_to_deploy(&self) -> Result<App, Failure> {
        let app = self.open()?;
        let Some(mut config) = self.config_at_hand()? else {
            return Ok(app);
        };
        // Left out, it is whoever setup found that it is for.
        config.owner = config.owner.or_else(|| app.config.owner.clone());
        let changes = difference::difference(&app.config, &config);
        if let Some(changed) = difference::needs_setup(&changes) {
            return Err(
                Failure::new(Kind::Config, changed).hint("`bg setup` applies them; then deploy again")
            );
        }
        App::with(app.entry, config).map_err(config_failure)
    }
}

/// The configuration as applied lies where the app's owner can write; whose the app is,
/// the registry says.
fn of_its_owner(app: App) -> Config {
    let named = app
        .config
        .owner
        .clone()
        .or_else(|| std::env::var("SUDO_USER").ok());
    let mut config = app.config;
    if named.is_some_and(|named| named != app.entry.owner) {
        config.owner = Some(app.entry.owner);
    }
    config
}

fn config_failure(error: AppError) -> Failure {
    match error {
        AppError::Config(error) => Failure::new(Kind::Config, error.to_string()),
        other => Failure::new(Kind::Config, "the configuration cannot be used").because(other),
    }
}

fn registry_failure(error: RegistryError) -> Failure {
    if matches!(error, RegistryError::NoName(_)) {
        return Failure::new(Kind::Usage, error.to_string())
            .hint("an app's name has lower-case letters, digits and dashes");
    }
    let hint = match &error {
        RegistryError::Untrusted(at) => {
            let place = at.place().display();
            let whole = format!("{error}: {at}");
            return Failure::new(Kind::Config, whole).hint(format!(
                "find out who wrote there, then `chown root {place}; chmod go-w {place}`"
            ));
        }
        RegistryError::Unknown { known, .. } | RegistryError::Which { known } if !known.is_empty() => {
            "`bg setup` sets an app up; `bg list` shows those of this host, and `--app NAME` chooses one"
        }
        RegistryError::Unknown { .. } | RegistryError::Which { .. } => "`bg init`, then `bg setup`",
        RegistryError::Newer(_) => "use the `bluegreen` that wrote it, or a later one",
        _ => "`bg setup` writes it anew",
    };
    Failure::new(Kind::Config, error.to_string()).hint(hint)
}
