//! Where everything lies on a host that more than one room knows of.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::color::{Color, Route};
use crate::config::duration::Span;
use crate::config::{Config, SwitchStrategy, Timeouts};
use crate::release::ReleaseId;

/// A registry entry, one file per app: enough to find an app by its name without any
/// other configuration, written by `bg setup` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The format of this file.
    pub format: u32,
    /// The app.
    pub app: String,
    /// The app's root folder.
    pub root: PathBuf,
    /// The user that deploys and runs it.
    pub owner: String,
    /// `PM2_HOME`.
    pub pm2_home: PathBuf,
    /// PM2, as an absolute path.
    pub pm2_bin: PathBuf,
    /// PM2 names are `<process_name>-blue` and `<process_name>-green`.
    pub process_name: String,
    /// The way that is in force, never `auto`.
    pub switch: SwitchStrategy,
    /// Why that way was chosen.
    pub switch_reason: String,
    /// The NGINX program, as an absolute path.
    pub nginx_bin: PathBuf,
    /// NGINX's main configuration file.
    pub nginx_conf: PathBuf,
    /// NGINX's pid file.
    pub nginx_pid: PathBuf,
    /// `nginx.include`, where the hook lies.
    #[serde(default = "usual_include")]
    pub nginx_include: PathBuf,
    /// The site's file.
    #[serde(default)]
    pub nginx_site: Option<PathBuf>,
    /// The folder of the live link.
    pub link_folder: PathBuf,
    /// How long NGINX may take for a reload.
    #[serde(default = "usual_reload")]
    pub reload_timeout: Span,
}

fn usual_include() -> PathBuf {
    "conf.d".into()
}

fn usual_reload() -> Span {
    Timeouts::default().reload
}

impl Entry {
    /// The format this version writes; it reads the ones before it.
    pub const FORMAT: u32 = 2;
}

/// The files of one app below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The names that may stand in a root before an app is set up in it.
    pub const NAMES: [&str; 13] = [
        "assets",
        "backups",
        "bg.toml",
        "repo.git",
        "releases",
        "manifests",
        "venvs",
        "envs",
        "slots",
        "shared",
        "state",
        "bin",
        "logs",
    ];

    /// The layout of an app whose root is `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Layout {
        Layout { root: root.into() }
    }

    /// The root itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The configuration as last applied.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("bg.toml")
    }
    /// The bare mirror.
    #[must_use]
    pub fn mirror(&self) -> PathBuf {
        self.root.join("repo.git")
    }
    /// All checkouts.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }
    /// One checkout.
    #[must_use]
    pub fn release(&self, id: &ReleaseId) -> PathBuf {
        self.releases().join(id)
    }
    /// The snapshots of all releases; beside the checkouts, so that no repository can
    /// bring its own.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.root.join("manifests")
    }
    /// The snapshot of one release.
    #[must_use]
    pub fn manifest(&self, id: &ReleaseId) -> PathBuf {
        self.manifests().join(format!("{id}.json"))
    }
    /// All Python environments.
    #[must_use]
    pub fn venvs(&self) -> PathBuf {
        self.root.join("venvs")
    }
    /// Copies of the environment file by content, 0600 in a 0700 folder.
    #[must_use]
    pub fn envs(&self) -> PathBuf {
        self.root.join("envs")
    }
    /// Files named by their content, of all releases that are kept, below their URL's path.
    #[must_use]
    pub fn assets(&self) -> PathBuf {
        self.root.join("assets")
    }
    /// The folder of the two slot links.
    #[must_use]
    pub fn slots(&self) -> PathBuf {
        self.root.join("slots")
    }
    /// The link to the release that a color runs.
    #[must_use]
    pub fn slot(&self, color: Color) -> PathBuf {
        self.slots().join(color.name())
    }
    /// Files linked into every release.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }
    /// Backups of the database, unless bg.toml names another folder.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }
    /// While this exists, a migration is under way, or was cut short.
    #[must_use]
    pub fn migration(&self) -> PathBuf {
        self.state().join("migration.json")
    }
    /// Where a migration says that it is a contract.
    #[must_use]
    pub fn contract_note(&self) -> PathBuf {
        self.state().join("contract")
    }
    /// Lock, journal, runs.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }
    /// The lock.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state().join("lock")
    }
    /// The owner's copy of what the requests of a proof carry, 0600.
    #[must_use]
    pub fn secret(&self) -> PathBuf {
        self.state().join("proof-secret")
    }
    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.jsonl")
    }
    /// The release that is watched, or was last.
    #[must_use]
    pub fn bake(&self) -> PathBuf {
        self.state().join("bake.json")
    }
    /// The step that a canary stays at until somebody promotes it.
    #[must_use]
    pub fn pause(&self) -> PathBuf {
        self.state().join("canary-paused")
    }
    /// Whoever leads several hosts was here a moment ago.
    #[must_use]
    pub fn led(&self) -> PathBuf {
        self.state().join("led")
    }
    /// What became of releases' requests: a file for each.
    #[must_use]
    pub fn ledgers(&self) -> PathBuf {
        self.state().join("ledger")
    }
    /// What became of a release's requests.
    #[must_use]
    pub fn ledger(&self, release: &ReleaseId) -> PathBuf {
        self.ledgers().join(format!("{release}.json"))
    }
    /// Held by the process that watches.
    #[must_use]
    pub fn watching(&self) -> PathBuf {
        self.state().join("watching.lock")
    }
    /// How the last rehearsal of a rollback went.
    #[must_use]
    pub fn rehearsal(&self) -> PathBuf {
        self.state().join("rehearsal.json")
    }
    /// The event logs of all runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.state().join("runs")
    }
    /// What came of the requests of clients, by request_id.
    #[must_use]
    pub fn outcomes(&self) -> PathBuf {
        self.state().join("outcomes")
    }
    /// While a command has this locked, the launcher of a color waits with starting the app.
    #[must_use]
    pub fn inhibitor(&self, color: Color) -> PathBuf {
        self.state().join(format!("hold-{color}"))
    }
    /// The copy of this program that PM2 starts; never pruned.
    #[must_use]
    pub fn launcher(&self) -> PathBuf {
        self.root.join("bin").join("bluegreen")
    }
    /// Output of a color's processes.
    #[must_use]
    pub fn log(&self, color: Color) -> PathBuf {
        self.root.join("logs").join(format!("{color}.log"))
    }
}

/// NGINX's files of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxLayout {
    conf: PathBuf,
    include: PathBuf,
    site: PathBuf,
    app: String,
    link_folder: PathBuf,
}

impl NginxLayout {
    /// Where `config` wants them.
    #[must_use]
    pub fn new(config: &Config) -> NginxLayout {
        let nginx = &config.nginx;
        NginxLayout {
            conf: nginx.conf.clone(),
            include: nginx.include.clone(),
            site: nginx
                .site
                .clone()
                .unwrap_or_else(|| nginx.include.join(format!("{}.conf", config.app))),
            app: config.app.clone(),
            link_folder: nginx
                .link_folder
                .clone()
                .unwrap_or_else(|| Path::new("/var/lib/bluegreen").join(&config.app)),
        }
    }

    /// Where they would be, for an app whose name is not known yet.
    #[must_use]
    pub fn stand_in(conf: &Path) -> NginxLayout {
        NginxLayout {
            conf: conf.to_owned(),
            include: "conf.d".into(),
            site: PathBuf::new(),
            app: "app".to_owned(),
            link_folder: PathBuf::new(),
        }
    }

    /// Where a registry entry says that they are.
    #[must_use]
    pub fn of(entry: &Entry) -> NginxLayout {
        let include = entry.nginx_include.clone();
        let site = entry.nginx_site.clone();
        NginxLayout {
            conf: entry.nginx_conf.clone(),
            site: site.unwrap_or_else(|| include.join(format!("{}.conf", entry.app))),
            include,
            app: entry.app.clone(),
            link_folder: entry.link_folder.clone(),
        }
    }

    /// The names that may stand in a folder before it becomes a link's.
    pub const NAMES: [&str; 12] = [
        "live",
        ".next-blue",
        ".next-green",
        ".next-maintenance-blue",
        ".next-maintenance-green",
        "blue",
        "green",
        "maintenance-blue",
        "maintenance-green",
        "maintenance.html",
        "answers",
        "preview",
    ];

    /// The main configuration file.
    #[must_use]
    pub fn conf(&self) -> &Path {
        &self.conf
    }
    /// The main file's folder.
    #[must_use]
    pub fn conf_dir(&self) -> &Path {
        self.conf.parent().unwrap_or(Path::new("/"))
    }
    /// The folder of our rendered files.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.conf_dir().join("bg").join(&self.app)
    }
    /// Upstreams and maps, included inside `http`.
    #[must_use]
    pub fn upstreams(&self) -> PathBuf {
        self.folder().join("upstreams.conf")
    }
    /// The route, included inside `server`.
    #[must_use]
    pub fn route(&self) -> PathBuf {
        self.folder().join("route.conf")
    }
    /// Proxying, included inside each proxied `location`.
    #[must_use]
    pub fn proxy(&self) -> PathBuf {
        self.folder().join("proxy.conf")
    }
    /// Nothing but the way to the color's upstream, included where a `location` keeps all of
    /// its own settings.
    #[must_use]
    pub fn pass(&self) -> PathBuf {
        self.folder().join("pass.conf")
    }
    /// What the requests of a proof carry, for NGINX's master alone.
    #[must_use]
    pub fn secret(&self) -> PathBuf {
        self.folder().join("secret.conf")
    }
    /// What is known of a site that was taken over, and its files as they were.
    #[must_use]
    pub fn adoption(&self) -> PathBuf {
        self.folder().join("adoption")
    }
    /// The one line that pulls `upstreams.conf` into `http`.
    #[must_use]
    pub fn hook(&self) -> PathBuf {
        self.conf_dir()
            .join(&self.include)
            .join(format!("bg-{}.conf", self.app))
    }
    /// The site's file.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.conf_dir().join(&self.site)
    }
    /// The folder of the live link.
    #[must_use]
    pub fn link_folder(&self) -> &Path {
        &self.link_folder
    }
    /// THE symlink.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        self.link_folder.join("live")
    }
    /// What a route's link points at.
    #[must_use]
    pub fn target(&self, route: Route) -> PathBuf {
        self.link_folder.join(route.folder())
    }
    /// While it is in a route's target, NGINX looks at what a request carries.
    #[must_use]
    pub fn special(&self, route: Route) -> PathBuf {
        self.target(route).join("is-special")
    }
    /// While it is in a route's target, requests that go by NGINX's own servers are written down.
    #[must_use]
    pub fn watched(&self, route: Route) -> PathBuf {
        self.target(route).join("is-watched")
    }
    /// While it is in a route's target, the other color answers what `color` fails.
    #[must_use]
    pub fn netted(&self, route: Route, color: Color) -> PathBuf {
        self.target(route).join(format!("net-{color}"))
    }
    /// While it is in the target of a route with the maintenance page, previewers get that too.
    #[must_use]
    pub fn closed(&self, route: Route) -> PathBuf {
        self.target(route).join("is-closed")
    }
    /// The folder of the facts, root's: a link in their place would be followed with root's rights.
    #[must_use]
    pub fn facts_folder(&self) -> PathBuf {
        self.folder().join("facts")
    }
    /// Where NGINX writes down the requests that are watched.
    #[must_use]
    pub fn facts(&self) -> PathBuf {
        self.facts_folder().join("requests")
    }
    /// The folder of the previews: a file for each, whose name is its token. NGINX's user may look
    /// for a name there and not list them.
    #[must_use]
    pub fn previews(&self) -> PathBuf {
        self.link_folder.join("preview")
    }
    /// The page that visitors get during maintenance.
    #[must_use]
    pub fn maintenance_page(&self) -> PathBuf {
        self.link_folder.join("maintenance.html")
    }
    /// The settings of a route, which NGINX parses in the reload way.
    #[must_use]
    pub fn setting(&self, route: Route) -> PathBuf {
        self.target(route).join("color.conf")
    }
    /// The folder of what NGINX answers on `/.bg/<app>/live`: served and never parsed, the
    /// owner's in both ways.
    #[must_use]
    pub fn answers(&self) -> PathBuf {
        self.link_folder.join("answers")
    }
    /// What NGINX answers for a color: its release.
    #[must_use]
    pub fn answer(&self, color: Color) -> PathBuf {
        self.answers().join(format!("{color}.json"))
    }
    /// Where earlier versions kept it.
    #[must_use]
    pub fn former_answer(&self, color: Color) -> PathBuf {
        self.link_folder.join(color.name()).join("answer.json")
    }
    /// Held by whoever has this NGINX read its configuration.
    #[must_use]
    pub fn reload_lock(&self) -> PathBuf {
        self.conf_dir().join("bg").join("reload.lock")
    }
}
