//! `bg remove`: takes an app off the host, in the opposite order of setup.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::app::App;
use crate::host::lock::{Holder, Lock};
use crate::host::nginx::render::site_mark;
use crate::host::registry::Registry;
use crate::model::color::Color;
use crate::model::event::{Event, Sink};
use crate::model::failure::{Failure, Kind};

use super::{cutover, save, slot, traffic};

/// What is taken away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// Every step.
    pub steps: Vec<String>,
    /// Whether they were done.
    pub done: bool,
}

/// Shows the steps, or takes them.
///
/// # Errors
/// When the site is its owner's and still includes our files; nothing is changed then.
pub async fn remove(app: &App, yes: bool, purge: bool, sink: &dyn Sink) -> Result<Removed, Failure> {
    let files = nginx_files(app)?;
    let mut steps: Vec<String> = Color::BOTH
        .map(|color| format!("stop {}", app.process(color)))
        .to_vec();
    steps.extend(files.iter().map(|path| format!("delete {}", path.display())));
    steps.push(format!("delete {}", app.entry.link_folder.display()));
    steps.push("take the app out of the registry".to_owned());
    if purge {
        steps.push(format!("delete {}", app.layout.root().display()));
    } else {
        steps.push(format!("keep {}", app.layout.root().display()));
    }
    if !yes {
        return Ok(Removed { steps, done: false });
    }
    let _lock = Lock::take(&app.layout.lock(), &Holder::this("remove")).map_err(|error| {
        Failure::new(Kind::Locked, "another command goes on")
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })?;
    take_from_nginx(app, &files).await?;
    for color in Color::BOTH {
        slot::discard(app, color).await?;
    }
    save::save(app).await.ok();
    delete(&app.entry.link_folder)?;
    delete(&Registry::of_this_user().path(app.name()))?;
    if purge {
        delete(app.layout.root())?;
    }
    sink.emit(Event::Noted {
        text: format!("{} is off this host", app.name()),
    });
    Ok(Removed { steps, done: true })
}

fn nginx_files(app: &App) -> Result<Vec<PathBuf>, Failure> {
    let files = &app.nginx_files;
    let site = std::fs::read_to_string(files.site()).unwrap_or_default();
    let mut mine = vec![files.hook(), files.folder()];
    if site.starts_with(&site_mark(app.name())) {
        mine.insert(0, files.site());
    } else if site.contains(&*files.folder().to_string_lossy())
        || site.contains(&format!("bg/{}/", app.name()))
    {
        return Err(Failure::new(
            Kind::Config,
            format!("`{}` still includes this app's files", files.site().display()),
        )
        .hint("take those includes out first: NGINX would not start without the files they name")
        .with_traffic(traffic::unchanged(app)));
    }
    Ok(mine)
}

/// Moves our files aside, tests, reloads; brings them back when NGINX minds.
async fn take_from_nginx(app: &App, files: &[PathBuf]) -> Result<(), Failure> {
    let aside = |path: &PathBuf| {
        path.with_file_name(format!(
            ".{}.removed",
            path.file_name().unwrap_or_default().to_string_lossy()
        ))
    };
    let mut moved = Vec::new();
    for path in files.iter().filter(|path| path.exists()) {
        std::fs::rename(path, aside(path)).map_err(|error| {
            Failure::failed(format!("`{}` cannot be deleted", path.display()))
                .because(error)
                .hint("`bg remove` needs the same rights as `bg setup`")
        })?;
        moved.push(path);
    }
    let gone = match app.nginx.test(app.config.timeouts.reload.0).await {
        Ok(()) => cutover::reload_now(app).await,
        Err(error) => Err(cutover::Unproven::Reload(error)),
    };
    if let Err(error) = gone {
        for path in moved.iter().rev() {
            std::fs::rename(aside(path), path).ok();
        }
        return Err(
            Failure::failed("NGINX does not do without this app's files; they were put back")
                .because(error)
                .with_traffic(traffic::unchanged(app)),
        );
    }
    moved.iter().try_for_each(|path| delete(&aside(path)))
}

fn delete(path: &std::path::Path) -> Result<(), Failure> {
    let done = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("`{}` cannot be deleted", path.display())).because(error))
        }
        _ => Ok(()),
    }
}
