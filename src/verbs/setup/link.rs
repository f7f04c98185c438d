//! The link and what it can point at: made before NGINX is told of them.

use std::path::PathBuf;

use engine::app::App;
use model::color::{Color, Route};
use model::failure::Failure;
use nginx::files::{self, Rendered};
use state::releases;
use sys::{path_security, store};

use super::facts::HostFacts;
use super::owner;

/// Makes what is missing of the link folder, and writes `targets` where they differ. While
/// NGINX parses what lies there it is `kept` from the app's owner.
///
/// # Errors
/// When the folder cannot be laid out.
pub fn lay_out(app: &App, facts: &HostFacts, targets: &[Rendered], kept: bool) -> Result<(), Failure> {
    owner::own_link_folder(app, facts, kept)?;
    {
        let _rights = match kept {
            true => None,
            false => Some(owner::rights(facts)?),
        };
        fill(app, targets, kept)?;
    }
    if kept && facts.is_roots() {
        parsed_is_roots(app)?;
    }
    owner::own_answers(app, facts)?;
    let _rights = owner::rights(facts)?;
    answers(app)
}

fn failed(app: &App) -> Failure {
    let folder = app.nginx_files.link_folder();
    Failure::failed(format!("`{}` cannot be laid out", folder.display()))
}

fn fill(app: &App, targets: &[Rendered], kept: bool) -> Result<(), Failure> {
    for route in Route::ALL {
        store::make_all(&app.nginx_files.target(route)).map_err(|error| failed(app).because(error))?;
    }
    // Compared only now that nobody else can come between.
    files::plan(targets)
        .and_then(|changes| files::apply(changes, &backups(app, kept)))
        .map_err(|error| failed(app).because(error))?;
    app.link
        .lay_out(Route::to(first(app)))
        .map_err(|error| failed(app).because(error))?;
    Ok(())
}

/// A slot that is full before there is a link holds what is live already; else the first
/// deploy goes to blue.
fn first(app: &App) -> Color {
    match Color::BOTH.map(|color| releases::slot(&app.layout, color)) {
        [Some(_), None] => Color::Blue,
        _ => Color::Green,
    }
}

/// Beside the rendered files, or with the owner's own things where the owner writes.
fn backups(app: &App, kept: bool) -> PathBuf {
    match kept {
        true => app.nginx_files.folder(),
        false => app.layout.state(),
    }
    .join("backup")
}

/// Looked at once more from the end: what NGINX is about to parse.
fn parsed_is_roots(app: &App) -> Result<(), Failure> {
    let settings = Route::ALL.map(|route| app.nginx_files.setting(route));
    settings
        .iter()
        .try_for_each(|setting| path_security::roots_alone(setting).map(drop))
        .map_err(|error| failed(app).because(error))
}

fn answers(app: &App) -> Result<(), Failure> {
    let missing = |color: &Color| !app.nginx_files.answer(*color).exists();
    for color in Color::BOTH.into_iter().filter(missing) {
        let release = releases::slot(&app.layout, color);
        releases::write_answer(&app.nginx_files, app.name(), color, release.as_ref())
            .map_err(|error| failed(app).because(error))?;
    }
    Ok(())
}

/// Takes away what earlier versions answered with, once NGINX no longer reads it.
///
/// # Errors
/// When the system refuses to act as the owner.
pub fn forget_former_answers(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    let _rights = owner::rights(facts)?;
    for color in Color::BOTH {
        std::fs::remove_file(app.nginx_files.former_answer(color)).ok();
    }
    Ok(())
}
