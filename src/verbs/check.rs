//! `bg check`: everything that can be known to stand in the way before it does, each with
//! the fix.

mod app;
mod before;
mod clock;
mod closed;
mod daemon;
mod finding;
mod limits;
mod logs;
mod machine;
mod names;
mod owners;
mod reboot;
mod site;
mod tls;
mod twice;
mod visitors;

use std::os::unix::fs::MetadataExt;

use engine::app::{App, read_config};
use jiff::Timestamp;
use model::config::{Config, difference};
use model::failure::{Failure, Kind};
use model::layout::Entry;
use nix::unistd::Uid;
use state::registry::{Registry, RegistryError};
use sys::system_paths::SystemFolders;
use sys::user;

use super::setup;
use super::setup::facts::{self, HostFacts};
pub use before::{Depth, before_deploy};
use finding::against;
pub use finding::{Checked, Finding, Level, Report};

impl Report {
    /// Adds what only a client sees who reached `host` over SSH and has `now` on its own clock.
    pub fn seen_from_afar(&mut self, host: &str, now: Timestamp) {
        clock::from_afar(self, host, now);
    }
}

/// Looks over the host and the site of `config`. Changes nothing.
///
/// # Errors
/// Only when not even the host can be looked at.
pub async fn check(config: &Config) -> Result<Report, Failure> {
    let mut report = Report::default();
    let registry = Registry::of_this_user();
    let found = registry.find(&config.app);
    if let Err(RegistryError::Untrusted(error)) = &found {
        owners::untrusted(&mut report, error);
    }
    let known = found.ok();
    if let Some(entry) = &known {
        owners::look(&mut report, entry, config, &registry).await;
    }
    match facts::look(config).await {
        Ok((facts, unseen)) => {
            unshown(&mut report, &facts, unseen);
            let free = setup::names::are_free(config, &facts);
            if let Err(failure) = facts::stands_against(config, &facts, &registry).and(free) {
                against(&mut report, "set-up", &failure);
            }
            on(&mut report, config, &facts, known).await?;
        }
        Err(failure) => against(&mut report, "set-up", &failure),
    }
    report.at = Some(Timestamp::now());
    Ok(report)
}

async fn on(
    report: &mut Report,
    config: &Config,
    facts: &HostFacts,
    known: Option<Entry>,
) -> Result<(), Failure> {
    let set_up = known.is_some();
    let entry = known.unwrap_or_else(|| facts.entry.clone());
    let app = App::with(entry, config.clone())
        .map_err(|error| Failure::new(Kind::Config, "the configuration cannot be used").because(error))?;
    let certificates = tls::read(&app, facts);
    // What is looked at from here on starts programs that the app's owner can change.
    if Uid::effective().is_root() && facts.owner.uid != Uid::effective() {
        user::become_user(&facts.owner).map_err(|error| {
            Failure::failed(format!("cannot become `{}`", facts.owner.name)).because(error)
        })?;
    }
    let applied = read_config(&app.layout.config()).ok().filter(|_| set_up);
    // Left out, it is whoever setup found that it is for.
    let owned = |config: Config| Config {
        owner: config.owner.or_else(|| Some(app.entry.owner.clone())),
        ..config
    };
    let changed = applied.and_then(|applied| {
        let changes = difference::difference(&owned(applied), &owned(app.config.clone()));
        difference::needs_setup(&changes)
    });
    if let Some(changed) = changed {
        report.warn(
            "set-up",
            changed,
            "`bg setup` applies them; a deploy is refused until then",
        );
    } else if set_up {
        let found = format!("{} is set up in {}", app.name(), app.layout.root().display());
        report.fine("set-up", found);
    } else {
        let found = format!("{} is not set up on this host", app.name());
        report.warn("set-up", found, "`bg setup` does that");
    }
    let etc = SystemFolders::of_this_user().etc;
    if set_up {
        closed::look(report, &app, facts);
    }
    site::look(report, &app, facts, set_up).await;
    if set_up {
        visitors::look(report, &app, facts).await;
    }
    tls::look(report, &certificates).await;
    names::look(report, &app).await;
    machine::look(report, &app).await;
    app::settings(report, &app);
    app::addresses(report, &app);
    twice::look(report, &app);
    app::data(report, &app);
    app::data_to_come(report, &app).await;
    limits::look(report, &app, facts);
    reboot::look(report, &app, &etc);
    logs::look(report, &app, &etc).await;
    clock::look(report);
    Ok(())
}

/// What NGINX does not show to this user, root has to look at; what it does not show to its
/// own user is broken.
fn unshown(report: &mut Report, facts: &HostFacts, unseen: Option<Failure>) {
    let Some(failure) = unseen else { return };
    let owner = std::fs::metadata(&facts.entry.nginx_conf).map(|about| about.uid());
    let is_ours = owner.is_ok_and(|uid| uid == Uid::effective().as_raw());
    if Uid::effective().is_root() || is_ours {
        return against(report, "nginx configuration", &failure);
    }
    let found = "`nginx -T` needs root here, so its files were read as they are";
    report.fine(
        "nginx configuration",
        format!("{found}; `sudo bg check` looks at certificates and keys too"),
    );
}
