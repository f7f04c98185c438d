//! NGINX's files applied: tested, applied with a reload whose effect is seen, or put back.

use std::path::PathBuf;

use engine::app::App;
use engine::traffic;
use model::event::{Event, Note, Sink, Warning};
use model::failure::Failure;
use model::strategy::{self, ReloadCost};
use nginx::files::{self, Change, Kind, Rendered};
use nginx::switcher;

use super::facts::HostFacts;
use super::{facts_file, link, secret};

/// The link folder and NGINX's files, from one way to the other: while NGINX parses what lies
/// in the folder, by the old files or by the new ones, that is not its owner's.
///
/// # Errors
/// When NGINX does not take it; then all of it is as it was.
pub async fn change_over(
    app: &App,
    facts: &HostFacts,
    nginx: Vec<Change>,
    targets: &[Rendered],
    sink: &dyn Sink,
) -> Result<(), Failure> {
    let parsed = facts.parses_link(&app.nginx_files);
    let kept = parsed || app.reloads();
    let counts = needs_reload(app, facts, &nginx);
    link::lay_out(app, facts, targets, kept)?;
    secret::keep(app, facts)?;
    facts_file::keep(app, facts)?;
    let applied = apply(app, facts, nginx, counts, sink).await;
    let still_kept = if applied.is_ok() { app.reloads() } else { parsed };
    let handed_over = match still_kept == kept {
        true => Ok(()),
        false => link::lay_out(app, facts, targets, still_kept),
    };
    applied.and(handed_over)
}

/// Whether NGINX has to read its configuration again for what is written.
pub(super) fn needs_reload(app: &App, facts: &HostFacts, nginx: &[Change]) -> bool {
    let mut changed = nginx.iter().filter(|change| change.kind != Kind::Same);
    match secret::is_kept(app) {
        true => changed.any(|change| facts.dump.is_changed_by(change)),
        false => changed.next().is_some(),
    }
}

/// What a reload costs the sites of this host, where it costs anything.
pub(super) fn cost(facts: &HostFacts) -> Option<ReloadCost> {
    let servers = facts.dump.servers();
    let why = strategy::what_a_reload_loses(strategy::NginxFacts {
        version: facts.build.version,
        keepalive_min_timeout: servers
            .iter()
            .all(|server| server.keepalive_min_timeout.is_some()),
        http2_or_3: servers.iter().any(|server| server.http2 || server.http3),
        can_reload: true,
    })?;
    // With no site that answers there is nobody to lose a request.
    let live = !servers.is_empty() && facts.running;
    live.then_some(why)
}

/// Where old texts are kept.
pub(super) fn backups(app: &App) -> PathBuf {
    app.nginx_files.folder().join("backup")
}

/// Writes NGINX's files, tests, reloads, and sees that it took effect. Whatever fails on
/// the way puts the old files back.
async fn apply(
    app: &App,
    facts: &HostFacts,
    nginx: Vec<Change>,
    needs_reload: bool,
    sink: &dyn Sink,
) -> Result<(), Failure> {
    let changed = nginx.iter().any(|change| change.kind != Kind::Same);
    if !changed && facts.running {
        return Ok(());
    }
    let before = app.nginx.test(app.config.timeouts.reload.0).await;
    if let Err(error) = before {
        return Err(
            Failure::failed("NGINX's configuration was broken already; nothing was changed")
                .because(error)
                .hint("fix it first, until `nginx -t` passes")
                .with_traffic(traffic::unchanged(app)),
        );
    }
    let reloads = needs_reload || !facts.running;
    if let (true, Some(why)) = (reloads, cost(facts)) {
        sink.emit(Event::Warned(Warning::ReloadCosts(why)));
    }
    let applied = files::apply(nginx, &backups(app)).map_err(|error| {
        Failure::failed("NGINX's files cannot be written")
            .because(error)
            .hint(format!(
                "`bg setup` needs to write into `{}`: run it with sudo",
                app.nginx_files.conf_dir().display()
            ))
            .with_traffic(traffic::unchanged(app))
    })?;
    let tested = app.nginx.test(app.config.timeouts.reload.0).await;
    let took = match tested {
        Ok(()) if reloads => reload(app).await,
        Ok(()) => {
            sink.emit(Event::Noted(Note::NginxUnchanged));
            return Ok(());
        }
        Err(error) => Err(switcher::ReloadFailed::Reload(error)),
    };
    let Err(error) = took else {
        sink.emit(Event::Noted(Note::NginxReloaded));
        return Ok(());
    };
    let restored = applied.restore();
    let what = "NGINX rejected the new configuration; its files were put back";
    match restored {
        Ok(()) => {
            reload(app).await.ok();
            Err(Failure::failed(what)
                .because(error)
                .with_traffic(traffic::unchanged(app)))
        }
        Err(problem) => Err(Failure::unknown(what, problem.to_string()).because(error)),
    }
}

/// Whichever way traffic moves, a new configuration is read by a reload.
async fn reload(app: &App) -> Result<(), switcher::ReloadFailed> {
    switcher::Reload::of(&app.entry).reload(None).await
}
