//! One app of this host with everything that belongs to it, opened by name.

use std::io;
use std::path::Path;

use crate::host::front::Door;
use crate::host::link::Link;
use crate::host::mover::Mover;
use crate::host::nginx::{Nginx, names};
use crate::host::pm2::Pm2;
use crate::host::{store, user};
use crate::model::color::Color;
use crate::model::config::read::{ConfigError, LONGEST};
use crate::model::config::{Config, SwitchWay};
use crate::model::layout::{Entry, Layout, NginxLayout};
use crate::model::listen::{ListenError, Listener};

/// An app that is set up on this host.
#[derive(Clone, Debug)]
pub struct App {
    /// Its registry entry.
    pub entry: Entry,
    /// Its configuration as last applied.
    pub config: Config,
    /// Its files.
    pub layout: Layout,
    /// Its files under NGINX.
    pub nginx_files: NginxLayout,
    /// Its live link.
    pub link: Link,
    /// What moves the link, and NGINX behind it.
    pub mover: Mover,
    /// The NGINX in front of it.
    pub nginx: Nginx,
    /// The PM2 that keeps it.
    pub pm2: Pm2,
    /// Every listener of its site.
    pub doors: Vec<Door>,
}

/// The app cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Its configuration is not there.
    #[error("`{path}` cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of its listeners makes no sense.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl App {
    /// Opens what a registry entry names, with the configuration as last applied.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn open(entry: Entry) -> Result<App, AppError> {
        let path = Layout::new(&entry.root).config();
        let config = read_config(&path)?;
        App::with(entry, config)
    }

    /// The same with a configuration that is at hand.
    ///
    /// # Errors
    /// When a listener makes no sense.
    pub fn with(entry: Entry, config: Config) -> Result<App, AppError> {
        let layout = Layout::new(&entry.root);
        let doors = doors(&config, &layout)?;
        Ok(App {
            layout,
            nginx_files: NginxLayout::of(&entry),
            link: Link::new(&entry.link_folder),
            mover: Mover::of(&entry),
            nginx: Nginx::from(&entry),
            pm2: Pm2::new(&entry.pm2_bin, &entry.pm2_home),
            doors,
            entry,
            config,
        })
    }

    /// The app's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.entry.app
    }

    /// The PM2 name of a color's process.
    #[must_use]
    pub fn process(&self, color: Color) -> String {
        format!("{}-{color}", self.entry.process_name)
    }

    /// Whether NGINX has to read its configuration again for a route to change.
    #[must_use]
    pub fn reloads(&self) -> bool {
        self.entry.switch == SwitchWay::Reload
    }
}

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read or makes no sense.
pub fn read_config(path: &Path) -> Result<Config, AppError> {
    let text = read(path).map_err(|source| AppError::Read {
        path: path.display().to_string(),
        source,
    })?;
    Ok(crate::model::config::read::parse(&text, path)?)
}

/// Root reads what somebody else can have put there with no more rights than theirs, and
/// never waits for a pipe to be filled.
fn read(path: &Path) -> io::Result<String> {
    let _rights = user::borrow_from_author(path)?;
    let bytes = store::read_plain(path, LONGEST as u64 + 1)?;
    // Of one that is cut off somewhere it is only said that it is too long.
    if bytes.len() > LONGEST {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    io::read_to_string(bytes.as_slice())
}

fn doors(config: &Config, layout: &Layout) -> Result<Vec<Door>, AppError> {
    let host = site_host(config);
    config
        .nginx
        .listen
        .iter()
        .map(|text| text.parse::<Listener>().map_err(AppError::from))
        // One that only sends visitors elsewhere has nothing to prove.
        .filter(|listener| {
            let sends_away = |listener: &Listener| config.nginx.redirect_to_https && !listener.tls;
            !listener.as_ref().is_ok_and(sends_away)
        })
        .map(|listener| {
            let listener = listener?;
            Ok(Door {
                address: listener.address,
                tls: listener.tls,
                host: host.clone(),
                secret: Some(layout.secret()),
            })
        })
        .collect()
}

/// The name that probes send as Host: the site's first one that is a name.
#[must_use]
pub fn site_host(config: &Config) -> String {
    names::first_plain(config.nginx.server_names.iter().map(String::as_str))
        .unwrap_or_else(|| "localhost".to_owned())
}
