//! Where a command of the operator's runs, and what it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::run::Run;
use engine::slot;
use keeper::launcher;
use model::color::Color;
use model::config::Ports;
use model::failure::Failure;
use model::release::{Manifest, ReleaseId};
use sys::dotenv::{self, Redactor, Variables};

/// Variables that name the user of a program.
const CALLERS: [&str; 2] = ["HOME", "USER"];

/// Where a command runs, and what it is told.
#[derive(Debug)]
pub struct HookEnvironment {
    pub(super) folder: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    redactor: Redactor,
}

impl HookEnvironment {
    /// The app's root, before there is a release.
    #[must_use]
    pub fn of_root(run: &Run<'_>) -> HookEnvironment {
        let app = run.app;
        let secrets = secrets(run);
        let redactor = Redactor::of_app(&app.config, std::slice::from_ref(&secrets));
        let secrets = secrets
            .into_iter()
            .map(|(name, value)| (name, value.expose().to_owned()));
        HookEnvironment {
            folder: app.layout.root().to_owned(),
            env: app.config.env.set.clone().into_iter().chain(secrets).collect(),
            redactor,
        }
        .knowing(run, run.from.color, app.config.process.ports)
    }

    /// A release's own folder, with the environment that its app has.
    ///
    /// # Errors
    /// When its copy of the environment file cannot be read.
    pub fn of_release(run: &Run<'_>, manifest: &Manifest, live: Color) -> Result<HookEnvironment, Failure> {
        let app = run.app;
        let mut env = launcher::environment(&app.layout, run.idle(), manifest).map_err(|error| {
            Failure::failed(format!(
                "the environment of {} cannot be read",
                manifest.id.short()
            ))
            .because(error)
        })?;
        // Those of whoever called us; where that was root, a program is given the owner's.
        env.retain(|name, value| {
            !CALLERS.contains(&name.as_str()) || std::env::var(name).is_ok_and(|ours| ours != *value)
        });
        let environment = HookEnvironment {
            folder: slot::app_folder(app, manifest),
            env,
            redactor: slot::redactor(app, manifest),
        };
        Ok(environment
            .knowing(run, live, manifest.ports)
            .telling("BG_RELEASE", manifest.id.as_str())
            .telling("BG_COMMIT", &manifest.commit))
    }

    /// The release worked on where there is one, else the root.
    pub(super) fn of(run: &Run<'_>, release: Option<&ReleaseId>, live: Color) -> HookEnvironment {
        release
            .and_then(|release| slot::read_manifest(run.app, release).ok())
            // An adopted process has neither a folder nor an environment of ours.
            .filter(|manifest| manifest.adopted.is_none() && slot::app_folder(run.app, manifest).is_dir())
            .and_then(|manifest| HookEnvironment::of_release(run, &manifest, live).ok())
            .unwrap_or_else(|| HookEnvironment::of_root(run))
    }

    fn knowing(self, run: &Run<'_>, live: Color, ports: Ports) -> HookEnvironment {
        let (app, color) = (run.app, run.idle());
        let port = ports.of(color);
        let before = run.live().release.map(String::from);
        self.telling("BG_APP", app.name())
            .telling("BG_ROOT", &app.layout.root().to_string_lossy())
            .telling("BG_RUN", &run.id.0)
            .telling("BG_VERB", &run.verb.to_string())
            .telling("BG_COLOR", color.name())
            .telling("BG_LIVE_COLOR", live.name())
            .telling("BG_PORT", &port.to_string())
            .telling("BG_URL", &format!("http://127.0.0.1:{port}"))
            .telling("BG_PREVIOUS_RELEASE", &before.unwrap_or_default())
    }

    /// The same, with one more variable.
    #[must_use]
    pub fn telling(mut self, name: &str, value: &str) -> HookEnvironment {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// `text` without the app's secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }
}

/// What the environment file in `shared` says now; nothing when it cannot be read, which the
/// build says better.
#[must_use]
pub fn secrets(run: &Run<'_>) -> Variables {
    let file = run.app.config.env.file.as_ref();
    file.and_then(|file| std::fs::read_to_string(run.app.layout.shared().join(file)).ok())
        .and_then(|text| dotenv::parse(&text).ok())
        .unwrap_or_default()
}
