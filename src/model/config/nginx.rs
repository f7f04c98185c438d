//! `[nginx]`: where visitors come in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use super::duration::Span;
use super::hashed::Hashed;

/// The site: names, listeners, certificate, static files, and how traffic is moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nginx {
    /// The program.
    #[serde(default = "defaults::nginx_bin")]
    pub bin: PathBuf,
    /// The main configuration file; our files go into `bg/<app>/` beside it.
    #[serde(default = "defaults::nginx_conf")]
    pub conf: PathBuf,
    /// The folder, relative to the main file's, whose `*.conf` it includes inside `http`.
    #[serde(default = "defaults::nginx_include")]
    pub include: PathBuf,
    /// The site's file, relative to the main file's folder. Default: `<include>/<app>.conf`.
    /// A file that `bg` did not write is never changed.
    #[serde(default)]
    pub site: Option<PathBuf>,
    /// The site's names; the first one is what probes send as Host.
    pub server_names: Vec<String>,
    /// Whether a server of ours refuses whoever asks for another name, on each of the site's
    /// listeners on which nobody else's site answers for those.
    #[serde(default)]
    pub refuse_unknown_names: bool,
    /// Whether listeners without `ssl` only send visitors to the one that has it.
    #[serde(default)]
    pub redirect_to_https: bool,
    /// Whether the encrypted listeners speak HTTP/2, in whichever words this NGINX has for it.
    #[serde(default)]
    pub http2: bool,
    /// What the site listens on, as in NGINX's `listen`: `80`, `127.0.0.1:8080`, `443 ssl`.
    #[serde(default = "defaults::listen")]
    pub listen: Vec<String>,
    /// Paths that are proxied to the app; a switch is proven on each.
    #[serde(default = "defaults::paths")]
    pub paths: Vec<String>,
    /// Folders served by NGINX from the release that is live.
    #[serde(default, rename = "static")]
    pub static_files: Vec<StaticFiles>,
    /// The certificate for `ssl` listeners.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// How the site's own front wants to be asked by whoever proves a switch.
    #[serde(default, skip_serializing_if = "Probe::is_default")]
    pub probe: Probe,
    /// How traffic moves.
    #[serde(default)]
    pub switch: SwitchStrategy,
    /// A folder with templates that win over the built-in ones of the same name; absolute,
    /// or relative to `root`.
    #[serde(default)]
    pub templates: Option<PathBuf>,
    /// `client_max_body_size` of a site that `bg` writes.
    #[serde(default = "defaults::body_size")]
    pub max_body_size: String,
    /// `proxy_read_timeout` and `proxy_send_timeout`.
    #[serde(default = "defaults::proxy_timeout")]
    pub proxy_timeout: Span,
    /// Folder of the live link. Default: `/var/lib/bluegreen/<app>`.
    #[serde(default)]
    pub link_folder: Option<PathBuf>,
    /// An HTML file shown while `bg maintenance on` is in force, relative to `<root>/shared`.
    #[serde(default)]
    pub maintenance_page: Option<PathBuf>,
    /// A free port, on which NGINX listens for itself alone, on 127.0.0.1 to 127.0.0.3: `bg preview`
    /// needs it. Used by the `live` strategy only. Default: no previews.
    #[serde(default)]
    pub loopback_port: Option<u16>,
}

/// A folder of the release that NGINX serves itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticFiles {
    /// The URL prefix, as `/static/`.
    pub url: String,
    /// The folder in the repository, relative, never its root.
    pub folder: PathBuf,
    /// Whether names carry a hash of their content: `true` for hexadecimal ones, else the form
    /// of the names. Such files of every kept release are found whichever one is live.
    #[serde(default, skip_serializing_if = "Hashed::is_no")]
    pub hashed: Hashed,
}

/// A certificate on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The full chain, leaf first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// How the site's own front wants to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Headers of every request that `bg` sends through NGINX, besides those of the first
    /// `[[health]]`: a password, or what a balancer in front would have written.
    pub headers: BTreeMap<String, String>,
}

impl Probe {
    fn is_default(&self) -> bool {
        *self == Probe::default()
    }
}

/// How traffic moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SwitchStrategy {
    /// Decided by `bg setup`, then kept.
    #[default]
    Auto,
    /// NGINX looks through the link at each request.
    Live,
    /// NGINX reads the link when its configuration is loaded.
    Reload,
}
