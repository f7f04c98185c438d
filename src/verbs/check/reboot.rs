//! Whether the site comes back by itself when the machine starts again.

use std::path::Path;

use engine::adopted;
use engine::app::App;
use model::color::Color;
use model::config::KeepWarm;
use nix::unistd::User;
use state::releases;
use sys::init_units::{self, Unit};

use super::finding::Report;

pub(super) fn look(report: &mut Report, app: &App, etc: &Path) {
    pm2(report, app, etc);
    nginx(report, etc);
    dump(report, app);
}

fn pm2(report: &mut Report, app: &App, etc: &Path) {
    let all = init_units::units(etc);
    let (user, home) = (&app.entry.owner, &app.entry.pm2_home);
    let own = |unit: &&Unit| unit.user == *user;
    let brings_ours = |unit: &&Unit| own(unit) && home_of(unit).as_deref() == Some(home.as_path());
    let Some(unit) = all.iter().find(brings_ours) else {
        let found = match all.iter().find(own) {
            Some(other) => format!(
                "`{}` brings back the PM2 in {}, and this app's is in {}",
                other.name(),
                home_of(other).unwrap_or_default().display(),
                home.display()
            ),
            None => {
                format!("nothing starts PM2 for `{user}` when the machine starts: the site would stay down")
            }
        };
        report.warn("boot", found, &startup(app));
        return;
    };
    let name = unit.name();
    if !unit.enabled {
        let found = format!(
            "`{}` is there and is not started when the machine starts",
            unit.file.display()
        );
        report.warn("boot", found, &format!("systemctl enable {name}"));
    } else if let Some(gone) = unit.program.as_ref().filter(|program| !program.is_file()) {
        let found = format!(
            "`{name}` starts `{}`, which is not there any more",
            gone.display()
        );
        report.warn("boot", found, &startup(app));
    } else if !unit.after_network {
        let found = format!("`{name}` does not wait for the network, and the app may need it to start");
        report.warn(
            "boot",
            found,
            "`After=network-online.target` under `[Unit]`, then `systemctl daemon-reload`",
        );
    } else {
        report.fine(
            "boot",
            format!("`{name}` starts PM2 for `{user}`, after the network"),
        );
    }
}

/// Without a word about it PM2 uses the folder in the user's home.
fn home_of(unit: &Unit) -> Option<std::path::PathBuf> {
    let usual = || Some(User::from_name(&unit.user).ok()??.dir.join(".pm2"));
    unit.home.clone().or_else(usual)
}

/// PM2 makes a unit of its own with the folder above `.pm2` as the home.
fn startup(app: &App) -> String {
    let bin = app.entry.pm2_bin.display();
    let folder = app
        .entry
        .pm2_bin
        .parent()
        .unwrap_or(Path::new("/usr/bin"))
        .display();
    let home = &app.entry.pm2_home;
    let line = format!(
        "sudo env PATH=$PATH:{folder} {bin} startup -u {}",
        app.entry.owner
    );
    match home.file_name().is_some_and(|name| name == ".pm2") {
        true => format!("{line} --hp {}", home.parent().unwrap_or(home).display()),
        false => format!(
            "{line}; then `Environment=PM2_HOME={}` in the unit",
            home.display()
        ),
    }
}

fn nginx(report: &mut Report, etc: &Path) {
    match init_units::is_enabled(etc, "nginx") {
        Some(true) => report.fine("boot", "NGINX is started when the machine starts"),
        Some(false) => report.warn(
            "boot",
            "NGINX is not started when the machine starts",
            "systemctl enable nginx",
        ),
        None => {}
    }
}

/// PM2 brings back what its dump names.
fn dump(report: &mut Report, app: &App) {
    let held = |color: Color| releases::slot(&app.layout, color).is_some();
    let Ok(route) = app.link.read() else { return };
    if !held(route.color) {
        return;
    }
    let warm = app.config.keep.warm == KeepWarm::Always;
    let wanted = Color::BOTH
        .into_iter()
        .filter(|color| *color == route.color || (warm && held(*color)));
    let dumped = match app.pm2.dump() {
        Ok(dumped) => dumped,
        Err(error) => {
            report.warn("boot", error.to_string(), &save(app));
            return;
        }
    };
    let missing: Vec<String> = wanted
        .map(|color| adopted::process_name(app, color))
        .filter(|name| {
            !dumped
                .iter()
                .any(|entry| entry.name == *name && entry.status != "stopped")
        })
        .collect();
    if missing.is_empty() {
        report.fine("boot", "PM2's dump names what runs");
    } else {
        let found = format!(
            "PM2's dump lacks {}: a restart of the machine would not bring it back",
            missing.join(" and ")
        );
        report.warn("boot", found, &save(app));
    }
}

fn save(app: &App) -> String {
    format!(
        "PM2_HOME={} {} save, as `{}`",
        app.entry.pm2_home.display(),
        app.entry.pm2_bin.display(),
        app.entry.owner
    )
}
