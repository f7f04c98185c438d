//! A release that is watched, as NGINX sees it: marks in the target of its color. With them a
//! visitor's request goes by a server of NGINX's own, which writes down what becomes of it and, with
//! the net, asks the other color where this one fails. The color that visitors get is the same with
//! them and without, so they are no part of the route.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use model::bake::{Bake, Verdict};
use model::color::{Color, Route};
use nix::fcntl::{FallocateFlags, fallocate};
use sys::command::Command;
use sys::lock;
use sys::store::{self, FileError};

use crate::app::App;
use crate::{marks, preview};

/// What the process that watches is called, as the holder of a lock.
pub const PROCESS: &str = "watch-release";

/// For how long whoever leads several hosts is taken to be there: they look each second, and where one of
/// the others does not answer, each half a minute.
const LED: Duration = Duration::from_secs(60);

/// The most that is kept of one.
const LONGEST: u64 = 1 << 16;

/// Has the visitors of `color` watched from when the link points there.
///
/// # Errors
/// When a mark cannot be made.
pub fn lay_out(app: &App, color: Color, net: bool) -> Result<(), FileError> {
    let files = &app.nginx_files;
    let route = Route::to(color);
    match net {
        true => marks::make_empty(&files.netted(route, color))?,
        false => marks::remove(&files.netted(route, color))?,
    }
    begin_anew(app)?;
    marks::make_empty(&files.watched(route))?;
    // The last one: NGINX looks at nothing else before.
    marks::make_empty(&files.special(route))
}

/// Empties what NGINX has written down: that is of earlier bakes. NGINX goes on at the end, which is
/// the beginning then.
///
/// # Errors
/// When it cannot be emptied.
pub fn begin_anew(app: &App) -> Result<(), FileError> {
    let facts = app.nginx_files.facts();
    let cut = File::options()
        .write(true)
        .open(&facts)
        .and_then(|file| file.set_len(0));
    cut.map_err(FileError::at("empty", &facts))
}

/// Watches the visitors of `route` no longer.
///
/// # Errors
/// When a mark cannot be removed.
pub fn end(app: &App, route: Route) -> Result<(), FileError> {
    unmark(app, route)?;
    preview::forget(app)
}

/// One that was not laid out to its end has some of them.
fn unmark(app: &App, route: Route) -> Result<(), FileError> {
    for color in Color::BOTH {
        marks::remove(&app.nginx_files.netted(route, color))?;
    }
    marks::remove(&app.nginx_files.watched(route))
}

/// The bake that goes on, or was the last one.
#[must_use]
pub fn last(app: &App) -> Option<Bake> {
    let bytes = store::read_plain(&app.layout.bake(), LONGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Keeps what is known of it, unless another release is watched by now.
///
/// # Errors
/// When it cannot be written.
pub fn update(app: &App, bake: &Bake) -> Result<(), FileError> {
    match last(app).is_some_and(|last| last.since == bake.since) {
        true => keep(app, bake),
        false => Ok(()),
    }
}

/// Keeps a new one.
///
/// # Errors
/// When it cannot be written.
pub fn keep(app: &App, bake: &Bake) -> Result<(), FileError> {
    let text = serde_json::to_vec(bake).unwrap_or_default();
    store::write_whole(&app.layout.bake(), &text, 0o640)
}

/// Ends the marks of a color that is not live, and of a bake that is over; takes up one whose process
/// is gone. The caller has the lock.
///
/// # Errors
/// When a mark cannot be removed.
pub fn settle(app: &App, from: Route) -> Result<(), FileError> {
    let live = from.without_page();
    let here = of(app, live)?;
    let goes_on = here.as_ref().is_some_and(Bake::goes_on);
    match here {
        Some(_) if goes_on => {}
        // Whatever was found, its visitors are still there.
        Some(_) if live.share.is_some() => marks::remove(&app.nginx_files.watched(live))?,
        _ => unmark(app, live)?,
    }
    if live.share.is_some() {
        // Traffic may go back there without another look.
        end(app, Route::to(live.color))?;
    }
    end(app, Route::to(live.color.other()))?;
    let is_gone = || lock::current_holder(&app.layout.watching()).is_none();
    if goes_on && marks::is_watched(app, live) && is_gone() {
        start(app).ok();
    }
    Ok(())
}

/// The bake of what `live` shows; that of before, where a command died before visitors came to its own.
fn of(app: &App, live: Route) -> Result<Option<Bake>, FileError> {
    let Some(bake) = last(app) else { return Ok(None) };
    if bake.route() == live {
        return Ok(Some(bake));
    }
    let goes_on = bake.goes_on();
    let before = bake.instead_of.clone().filter(|before| before.route() == live);
    match before {
        Some(before) => {
            keep(app, &before)?;
            Ok(Some(*before))
        }
        None if goes_on => {
            let verdict = Some(Verdict::Superseded);
            keep(app, &Bake { verdict, ..bake })?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Somebody leads this host with others, and was here just now.
///
/// # Errors
/// When that cannot be written.
pub fn lead(app: &App) -> Result<(), FileError> {
    store::write_whole(&app.layout.led(), b"", 0o640)
}

/// Whether somebody does.
#[must_use]
pub fn is_led(app: &App) -> bool {
    let written = fs::metadata(app.layout.led()).and_then(|about| about.modified());
    // A clock that was set back meanwhile says nothing.
    written.is_ok_and(|written| written.elapsed().is_ok_and(|ago| ago < LED))
}

/// Has a process of its own watch, whatever becomes of this one.
///
/// # Errors
/// When it cannot be started.
pub fn start(app: &App) -> Result<(), sys::command::CommandError> {
    Command::new(app.layout.launcher())
        .args([PROCESS, "--app", app.name()])
        .unmarked()
        .detach()
}

/// What NGINX writes down, from where it was read up to.
pub struct Facts {
    file: File,
    read: u64,
    /// Up to where its place was given back.
    forgotten: u64,
    /// The beginning of a line whose end has not come.
    torn: Vec<u8>,
}

impl Facts {
    /// What is written from `read` on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn from(app: &App, read: u64) -> Result<Facts, FileError> {
        let path = app.nginx_files.facts();
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .open(&path)
            .or_else(|_| File::open(&path))
            .map_err(FileError::at("read", &path))?;
        Ok(Facts {
            file,
            read,
            forgotten: 0,
            torn: Vec::new(),
        })
    }

    /// Up to where they were read, whole lines.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read - self.torn.len() as u64
    }

    /// Hands each new line to `each`, and lets go of what has been read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, mut each: impl FnMut(&str)) -> std::io::Result<()> {
        // Much has come in a moment, and no more than this is held at once.
        let mut block = vec![0; 1 << 16];
        let length = self.file.metadata()?.len();
        // A log rotation may have cut it.
        self.read = self.read.min(length);
        while self.read < length {
            let got = self.file.read_at(&mut block, self.read)?;
            if got == 0 {
                break;
            }
            self.read += got as u64;
            self.torn.extend(block.get(..got).unwrap_or_default());
            while let Some(end) = self.torn.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.torn.drain(..=end).collect();
                each(String::from_utf8_lossy(&line).trim_end());
            }
        }
        self.forget()
    }

    /// Gives back the place of what has been read. NGINX goes on at the end.
    fn forget(&mut self) -> std::io::Result<()> {
        const ENOUGH: u64 = 1 << 20;
        if self.read - self.forgotten >= ENOUGH {
            let end = i64::try_from(self.read).unwrap_or(i64::MAX);
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            // Where the file system cannot, the file grows for as long as a bake goes on.
            fallocate(&self.file, hole, 0, end).ok();
            self.forgotten = self.read;
        }
        Ok(())
    }
}
