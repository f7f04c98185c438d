//! `bg.toml`: the types, their defaults, and nothing else. Reading and explaining
//! what is wrong with a file lives in [`crate::config::read`].

pub mod backup;
mod bake;
mod canary;
mod defaults;
pub mod difference;
pub mod duration;
mod explain;
pub mod fleet;
mod gate;
pub mod hashed;
pub mod hooks;
#[cfg(test)]
mod hostile_tests;
mod keep;
mod migrate;
mod mistake;
pub mod nginx;
pub mod notify;
mod one_host;
mod python;
pub mod read;
mod rules;
pub mod run_command;
pub mod schema;
mod span;
pub mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::path::plain;
pub use backup::Backup;
pub use bake::{Act, Bake};
pub use canary::{Canary, CanaryStep};
use duration::Span;
pub use fleet::Fleet;
pub use gate::{Gate, HealthCheck, JsonCheck, Preflight};
pub use hooks::Hooks;
pub use keep::{Drain, Keep, KeepWarm, OpenConnections};
pub use migrate::Migrate;
pub use nginx::{Nginx, Probe, StaticFiles, SwitchStrategy, Tls};
pub use notify::Notify;
pub use python::{Installer, Python};
pub use rules::{is_app_name, source_address};
pub use worker::Worker;

/// Stands where `bg init` found nothing; a file with it is refused by line.
pub const OPEN: &str = "?";

/// One app on one host, as written in `bg.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The app's name: lower-case letters, digits and dashes; names everything on the host.
    pub app: String,
    /// Absolute folder that holds releases, environments and state. Never inside a folder
    /// that NGINX serves, nor inside a git work tree.
    pub root: PathBuf,
    /// The user that deploys and runs the app. Default: who runs `bg setup` (through sudo: who called it).
    #[serde(default)]
    pub owner: Option<String>,
    /// Servers that are reached over SSH, as `deploy@web1.example.com`. Default: this one.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where the code comes from.
    #[serde(default)]
    pub source: Source,
    /// How the app is started.
    pub process: Process,
    /// Background processes, handed over when traffic has moved.
    #[serde(default, rename = "worker")]
    pub workers: Vec<Worker>,
    /// The app's environment.
    #[serde(default)]
    pub env: Env,
    /// Files and folders linked from `<root>/shared` into every release, relative paths.
    #[serde(default)]
    pub shared: Vec<PathBuf>,
    /// What the app writes into its release and may go with it, as globs: no deploy is refused
    /// for it. A pattern without `/` counts at every depth, one that fits a folder for all in it.
    #[serde(default)]
    pub scratch: Vec<String>,
    /// The Python environment.
    #[serde(default)]
    pub python: Python,
    /// HTTP checks of the gate, all of which must pass. Default: `GET /` answering 200.
    #[serde(default = "HealthCheck::usual")]
    pub health: Vec<HealthCheck>,
    /// The gate in front of traffic.
    #[serde(default)]
    pub gate: Gate,
    /// The site: names, listeners, certificate, static files, and how traffic is moved.
    pub nginx: Nginx,
    /// A share of the visitors first.
    #[serde(default)]
    pub canary: Canary,
    /// How a release is watched.
    #[serde(default)]
    pub bake: Bake,
    /// What is kept for a rollback.
    #[serde(default)]
    pub keep: Keep,
    /// How the old process of a slot is let go before its slot is used again.
    #[serde(default)]
    pub drain: Drain,
    /// The prober that counts lost requests around a switch.
    #[serde(default)]
    pub evidence: Evidence,
    /// Deadlines of single steps.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// PM2.
    #[serde(default)]
    pub pm2: Pm2,
    /// Several hosts, as one.
    #[serde(default)]
    pub fleet: Fleet,
    /// Commands around a release.
    #[serde(default)]
    pub hooks: Hooks,
    /// How the database's schema follows a release. Default: not at all.
    #[serde(default)]
    pub migrate: Option<Migrate>,
    /// The backup before a migration. Default: none.
    #[serde(default)]
    pub backup: Option<Backup>,
    /// Who is told.
    #[serde(default)]
    pub notify: Notify,
}

impl Config {
    /// The mode of its file: a token may stand in it, and only its owner's group has business
    /// there besides.
    pub const MODE: u32 = 0o640;

    /// Whether `path`, from the release on, may go with it.
    #[must_use]
    pub fn is_scratch(&self, path: &Path) -> bool {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..glob::MatchOptions::new()
        };
        let fits = |text: &String| {
            let text = text.trim_end_matches('/');
            let anywhere = match text.contains('/') {
                true => text.to_owned(),
                false => format!("**/{text}"),
            };
            let pattern = glob::Pattern::new(&anywhere);
            pattern.is_ok_and(|pattern| {
                let mut above = path.ancestors();
                above.any(|part| pattern.matches_path_with(part, options))
            })
        };
        self.scratch.iter().any(fits)
    }

    /// The entry of `shared` that `path` is, or lies in.
    #[must_use]
    pub fn shares(&self, path: &Path) -> Option<PathBuf> {
        let path = plain(path);
        let mut all = self.shared.iter().map(|shared| plain(shared));
        all.find(|shared| !shared.as_os_str().is_empty() && path.starts_with(shared))
    }
}

/// Where the code comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A git URL or an absolute path to a repository. Not needed where every deploy brings its
    /// files with `--from`.
    #[serde(default)]
    pub git: Option<String>,
    /// The branch that `bg deploy` without a ref releases.
    #[serde(default = "defaults::branch")]
    pub branch: String,
    /// The folder of the repository where the app lives; its root without this.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Fetch the repository's submodules too, each at the commit that it is recorded with.
    #[serde(default)]
    pub submodules: bool,
}

impl Default for Source {
    fn default() -> Self {
        Source {
            git: None,
            branch: defaults::branch(),
            folder: None,
            submodules: false,
        }
    }
}

/// How the app is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// PM2 names are `<name>-blue` and `<name>-green`.
    #[serde(default = "Process::usual_name")]
    pub name: String,
    /// The command, split into words first and then rendered: `{{ port }}`, `{{ venv }}`,
    /// `{{ release }}`, `{{ color }}`. No shell.
    pub run: String,
    /// The port of each color, on 127.0.0.1.
    pub ports: Ports,
    /// How long a process may take to end after SIGTERM before it is killed.
    #[serde(default = "defaults::stop_timeout")]
    pub stop_timeout: Span,
    /// How many worker processes `run` starts: the gate probes three times as often, so
    /// that each has answered.
    #[serde(default = "defaults::workers")]
    pub workers: u32,
    /// How much memory a color needs to start, in MB: a deploy without so much is refused.
    /// Default: as much as the live color uses. 0: that is not looked at.
    #[serde(default)]
    pub memory_mb: Option<u64>,
}

impl Process {
    /// What it is called in PM2 unless bg.toml says otherwise.
    pub const NAME: &str = "flask";

    fn usual_name() -> String {
        Process::NAME.into()
    }
}

/// A port per color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Blue's port.
    pub blue: u16,
    /// Green's port.
    pub green: u16,
}

impl Ports {
    /// The port of `color`.
    #[must_use]
    pub fn of(self, color: Color) -> u16 {
        match color {
            Color::Blue => self.blue,
            Color::Green => self.green,
        }
    }
}

/// The app's environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Env {
    /// A file of `NAME=value` lines, relative to `<root>/shared`, mode 0600. Its values never
    /// pass through PM2, never appear in output.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Variables that are no secrets; the file wins over them.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// The prober around a switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// How long it goes on after the swap.
    pub window: Span,
    /// The path it asks for. Default: the first of `nginx.paths`.
    pub path: Option<String>,
}

impl Default for Evidence {
    fn default() -> Self {
        Evidence {
            window: Span::seconds(1),
            path: None,
        }
    }
}

/// Deadlines of single steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// `git fetch`.
    pub fetch: Span,
    /// Building a Python environment.
    pub build: Span,
    /// `nginx -t`, a reload and its effect.
    pub reload: Span,
    /// The proof after the swap.
    pub proof: Span,
    /// `gate.smoke`.
    pub smoke: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            fetch: Span::seconds(120),
            build: Span::seconds(900),
            reload: Span::seconds(15),
            proof: Span::seconds(5),
            smoke: Span::seconds(60),
        }
    }
}

/// PM2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pm2 {
    /// The program: a name on PATH or an absolute path.
    pub bin: PathBuf,
    /// `PM2_HOME`. Default: `~/.pm2` of the owner.
    pub home: Option<PathBuf>,
}

impl Default for Pm2 {
    fn default() -> Self {
        Pm2 {
            bin: "pm2".into(),
            home: None,
        }
    }
}
