//! The targets of a canary: what the live link points at while a share of the visitors gets the other
//! color. Each has a file for every label whose visitors get green, so that a step is one rename;
//! `upstreams.conf.tera` gives each visitor one of a hundred labels.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use model::canary::{LABELS, marks};
use model::color::{Color, Route, Share};
use model::failure::Failure;
use sys::fault;
use sys::store::{self, FileError};

use crate::app::App;
use crate::{preview, traffic};

/// How a step is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Not at all.
    No,
    /// What becomes of requests is written down.
    Yes,
    /// And the live color answers what the other one fails.
    WithNet,
}

impl Watched {
    fn marks(self, color: Color) -> Vec<String> {
        match self {
            Watched::No => Vec::new(),
            Watched::Yes => vec!["is-watched".to_owned()],
            Watched::WithNet => vec!["is-watched".to_owned(), format!("net-{color}")],
        }
    }
}

/// Makes the target of `share` beside the color that is live, and its twin with the maintenance
/// page, and the links that will point there.
///
/// # Errors
/// When a file cannot be made: nothing points there yet.
pub fn lay_out(app: &App, from: Route, share: Share, watched: Watched) -> Result<(), Failure> {
    let first = first_label(app, from.color);
    for maintenance in [false, true] {
        let route = Route {
            maintenance,
            share: Some(share),
            ..from
        };
        let folder = app.nginx_files.target(route);
        let mut names = marks(route, share, first);
        if !maintenance {
            names.extend(watched.marks(from.color.other()));
        }
        if maintenance && preview::is_closed(app, Route { maintenance, ..from }) {
            names.push("is-closed".to_owned());
        }
        fill(&folder, &names).map_err(|error| {
            Failure::failed(format!("`{}` cannot be laid out", folder.display()))
                .because(error)
                .with_traffic(traffic::unchanged(app))
        })?;
        app.link.prepare(route).map_err(|error| {
            Failure::failed("the step cannot be made ready")
                .because(error)
                .with_traffic(traffic::unchanged(app))
        })?;
    }
    Ok(())
}

/// Forgets the targets of a canary that is over. What cannot be removed is in nobody's way.
pub fn forget(app: &App) {
    go_on(app);
    let link_folder = app.nginx_files.link_folder();
    let live = app.link.read().ok();
    let names = fs::read_dir(link_folder).into_iter().flatten().flatten();
    for entry in names {
        let route = entry.file_name().to_str().and_then(Route::from_folder);
        let past = route.filter(|route| route.share.is_some() && Some(*route) != live);
        if let Some(route) = past {
            app.link.forget(route);
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Has a canary stay at its step until somebody promotes it.
///
/// # Errors
/// When that cannot be kept.
pub fn pause(app: &App, step: Route) -> Result<(), FileError> {
    store::write_whole(&app.layout.pause(), kept(step).as_bytes(), 0o640)
}

/// Whether it stays at this one.
#[must_use]
pub fn is_paused(app: &App, step: Route) -> bool {
    store::read_plain(&app.layout.pause(), 1 << 8).is_ok_and(|bytes| bytes == kept(step).as_bytes())
}

/// Has it go on; a step that is not there any more says nothing by itself.
pub fn go_on(app: &App) {
    fs::remove_file(app.layout.pause()).ok();
}

/// A step, with the maintenance page or without.
fn kept(step: Route) -> String {
    step.without_page().folder()
}

/// At which label a canary begins: another one for each release, or the same visitors would be the
/// first each time.
fn first_label(app: &App, live: Color) -> u8 {
    let release = traffic::deployment(app, live.other()).release;
    let bytes = release.iter().flat_map(|release| release.as_str().bytes());
    let sum = bytes.fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    u8::try_from(sum % u32::from(LABELS)).unwrap_or_default()
}

/// One empty file under all of the names: it takes one inode.
fn fill(folder: &Path, marks: &[String]) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        // From an earlier canary, of another release.
        Err(_) => {
            fs::remove_dir_all(folder)?;
            fs::create_dir(folder)?;
        }
        Ok(()) => {}
    }
    let first = folder.join(".mark");
    fault::file("lay out", folder)?;
    File::create(&first)?;
    marks
        .iter()
        .try_for_each(|mark| fs::hard_link(&first, folder.join(mark)))?;
    File::open(folder)?.sync_all()
}
