//! One app of this host with everything that belongs to it, opened by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use keeper::pm2::Pm2;
use model::color::Color;
use model::config::read::{ConfigError, LONGEST};
use model::config::{Config, SwitchStrategy};
use model::layout::{Entry, Layout, NginxLayout};
use model::listen::{ListenError, Listener};
use nginx::dump::Dump;
use nginx::switcher::Switcher;
use nginx::{Nginx, names};
use site::endpoint::{Endpoint, Manner, Pace};
use sys::link::Link;
use sys::{store, user};

/// Headers by which a proxy tells an app who asked: NGINX writes them for each request.
const NGINXS: [&str; 4] = ["x-forwarded-", "x-real-ip", "forwarded", "via"];

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
    pub switcher: Switcher,
    /// The NGINX in front of it.
    pub nginx: Nginx,
    /// The PM2 that keeps it.
    pub pm2: Pm2,
    /// Every listener of its site.
    pub endpoints: Vec<Endpoint>,
    /// Looked up once, where it is needed.
    pace: Arc<OnceLock<Option<Pace>>>,
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
        let endpoints = endpoints(&config, &layout)?;
        Ok(App {
            layout,
            nginx_files: NginxLayout::of(&entry),
            link: Link::new(&entry.link_folder),
            switcher: Switcher::of(&entry),
            nginx: Nginx::from(&entry),
            pm2: Pm2::new(&entry.pm2_bin, &entry.pm2_home),
            endpoints,
            pace: Arc::default(),
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

    /// How often NGINX lets itself be asked for what a switch is proven on, by its files as far
    /// as they can be read; everything that asks in this run shares that.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        let look = || {
            let dump = Dump::read(self.nginx_files.conf()).ok()?;
            let of = |endpoint: &Endpoint, path: &String| dump.limit(endpoint.address, &endpoint.host, path);
            let paths = || self.config.nginx.paths.iter().chain(&self.config.evidence.path);
            let limits = self
                .endpoints
                .iter()
                .flat_map(|endpoint| paths().filter_map(|path| of(endpoint, path)));
            let limit = limits.max_by_key(|limit| (limit.every, Reverse(limit.burst)))?;
            Some(Pace::below(limit.every, limit.burst))
        };
        self.pace.get_or_init(look).clone()
    }

    /// Its listeners, to be asked at that pace.
    #[must_use]
    pub fn paced_doors(&self) -> Vec<Endpoint> {
        let endpoints = self.endpoints.iter().cloned();
        endpoints
            .map(|endpoint| Endpoint {
                pace: self.pace(),
                ..endpoint
            })
            .collect()
    }

    /// Whether NGINX has to read its configuration again for a route to change.
    #[must_use]
    pub fn reloads(&self) -> bool {
        self.entry.switch == SwitchStrategy::Reload
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
    Ok(model::config::read::parse(&text, path)?)
}

/// Root reads what somebody else can have put there with no more rights than theirs, and
/// never waits for a pipe to be filled.
fn read(path: &Path) -> io::Result<String> {
    let _rights = user::as_author(path)?;
    let bytes = store::read_plain(path, LONGEST as u64 + 1)?;
    // Of one that is cut off somewhere it is only said that it is too long.
    if bytes.len() > LONGEST {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    io::read_to_string(bytes.as_slice())
}

fn endpoints(config: &Config, layout: &Layout) -> Result<Vec<Endpoint>, AppError> {
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
            Ok(Endpoint {
                address: listener.address,
                tls: listener.tls,
                host: host.clone(),
                secret: Some(layout.secret()),
                manner: manner(config, &listener),
                pace: None,
            })
        })
        .collect()
}

/// How the site's front wants to be asked where it listens: with the headers of the first
/// `[[health]]`, but for those by which that one stands in for NGINX, and those of
/// `nginx.probe`, which win.
#[must_use]
pub fn manner(config: &Config, listener: &Listener) -> Manner {
    let is_nginxs = |name: &str| {
        let name = name.to_ascii_lowercase();
        NGINXS.iter().any(|own| name.starts_with(own))
    };
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in config.health.first().into_iter().flat_map(|check| &check.headers) {
        let mut ours = config.nginx.probe.headers.keys();
        if !is_nginxs(name) && !ours.any(|own| own.eq_ignore_ascii_case(name)) {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.extend(config.nginx.probe.headers.clone());
    Manner {
        proxy_protocol: listener.proxy_protocol,
        headers,
    }
}

/// The name that probes send as Host: the site's first one that is a name, or one made up that
/// fits its first pattern.
#[must_use]
pub fn site_host(config: &Config) -> String {
    names::asked_for(config.nginx.server_names.iter().map(String::as_str))
        .unwrap_or_else(|| "localhost".to_owned())
}
