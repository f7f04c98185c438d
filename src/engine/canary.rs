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

use crate::app::App;
use crate::{preview, traffic};

/// Makes the target of `share` beside the color that is live, and its twin with the maintenance
/// page, and the links that will point there.
///
/// # Errors
/// When a file cannot be made: nothing points there yet.
pub fn lay_out(app: &App, from: Route, share: Share) -> Result<(), Failure> {
    let first = first_label(app, from.color);
    for maintenance in [false, true] {
        let route = Route {
            maintenance,
            share: Some(share),
            ..from
        };
        let folder = app.nginx_files.target(route);
        let mut names = marks(route, share, first);
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
