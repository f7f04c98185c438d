//! Whether the app's logs are ever cut.

use std::fs;
use std::path::Path;

use engine::app::App;
use model::color::Color;
use nix::unistd::{Group, User};
use sys::command::find_program;
use sys::log_rotation::{self, MODULE};

use super::finding::Report;

pub(super) async fn look(report: &mut Report, app: &App, etc: &Path) {
    let log = app.layout.log(Color::Blue);
    match log_rotation::of(etc, &log) {
        Some(rotation) if rotation.goes_on => {
            report.fine("log rotation", format!("`{}` cuts them", rotation.file.display()));
        }
        Some(rotation) => report.warn(
            "log rotation",
            format!(
                "`{}` puts the logs aside and PM2 goes on writing to the old ones",
                rotation.file.display()
            ),
            "`copytruncate` in that block, or `pm2 reloadLogs` in its `postrotate`",
        ),
        None if has_module(app).await => report.fine("log rotation", format!("PM2's `{MODULE}` cuts them")),
        None => nothing(report, app, etc, &log),
    }
}

/// The command line of a module cannot be asked for less than the whole list.
async fn has_module(app: &App) -> bool {
    let kept = app
        .pm2
        .list()
        .await
        .map(|daemon| daemon.entries())
        .unwrap_or_default();
    kept.iter().any(|entry| entry.module && entry.name == MODULE)
}

fn nothing(report: &mut Report, app: &App, etc: &Path, log: &Path) {
    let folder = log.parent().unwrap_or(log);
    let size: u64 = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|about| about.len())
        .sum();
    let found = format!(
        "nothing cuts the logs in {}, now {} MB",
        folder.display(),
        size >> 20
    );
    let owner = User::from_name(&app.entry.owner).ok().flatten();
    let group = owner.and_then(|owner| Group::from_gid(owner.gid).ok().flatten());
    let group = group.map_or_else(|| app.entry.owner.clone(), |group| group.name);
    let file = etc.join("logrotate.d").join(format!("bluegreen-{}", app.name()));
    let install = match find_program(Path::new("logrotate")) {
        Some(_) => String::new(),
        None => "apt install logrotate; then ".to_owned(),
    };
    report.warn(
        "log rotation",
        found,
        &format!(
            "{install}write {}:\n{}",
            file.display(),
            log_rotation::proposal(&app.entry, &group)
        ),
    );
}
