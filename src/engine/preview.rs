//! Previews as they are kept: a file each in the folder where NGINX looks for their names. One that
//! is over leaves a file that NGINX does not look for, for as long as a browser may still have its
//! cookie: until then whoever comes with it is told so, and never gets a color.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use model::color::{Color, Route};
use model::event::{Event, Note, Sink};
use model::preview::{COOKIE_LIFE, Preview, PreviewKey, Terms, Token};
use state::releases;
use sys::store::FileError;
use sys::{fault, store};

use crate::app::App;
use crate::marks::{self, make_empty, remove};

/// In front of the token of one that is over.
const OVER: &str = ".over-";

/// Others may look for a name and not list them.
const FOLDER_MODE: u32 = 0o711;

/// Who opened it, and what it shows: for its owner alone.
const MODE: u32 = 0o600;

/// For clocks that do not agree, and requests under way.
const MARGIN: Duration = Duration::from_secs(300);

/// The longest that is read of one.
const LONGEST: u64 = 4096;

/// A key that nobody has had before, of the kernel's randomness.
///
/// # Errors
/// When that cannot be had.
pub fn fresh_key() -> io::Result<PreviewKey> {
    let mut bytes = [0; 256];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    PreviewKey::of(bytes).ok_or_else(|| io::Error::other("too few random bytes"))
}

/// Every one that NGINX shows, blue's first, the shortest first.
#[must_use]
pub fn shown(app: &App) -> Vec<Preview> {
    let mut all: Vec<Preview> = tokens(app)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|token| {
            Some(Preview {
                color: token.color,
                terms: terms(app, &token)?,
            })
        })
        .collect();
    all.sort_by_key(|preview| (preview.color, preview.terms.until));
    all
}

/// Has NGINX show `token`'s color to whoever has it.
///
/// # Errors
/// When a file cannot be written: then NGINX does not.
pub fn open(app: &App, token: &Token, terms: &Terms) -> Result<(), FileError> {
    let folder = app.nginx_files.previews();
    store::make_all(&folder).map_err(FileError::at("create the folder", &folder))?;
    fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))
        .map_err(FileError::at("set the mode of", &folder))?;
    let text = serde_json::to_vec(terms).unwrap_or_default();
    let opened = store::write_whole(&folder.join(token.to_string()), &text, MODE)
        .map_err(|error| FileError {
            path: folder,
            ..error
        })
        .and_then(|()| {
            let mut marks = special(app);
            marks.try_for_each(|(_, mark)| make_empty(&mark))
        });
    if opened.is_err() {
        withdraw(app, token)?;
    }
    opened
}

/// Has previewers get the maintenance page as everybody does, or not.
///
/// # Errors
/// When a mark can be neither made nor removed.
pub fn close(app: &App, closed: bool) -> Result<(), FileError> {
    let plain = Route::ALL.into_iter().filter(|route| route.maintenance);
    // In a canary the page stands in front of a target of its own.
    let step = app.link.read().ok().filter(|route| route.share.is_some());
    let step = step.map(|route| Route {
        maintenance: true,
        ..route
    });
    plain
        .chain(step)
        .map(|route| app.nginx_files.closed(route))
        .try_for_each(|mark| match closed {
            true => make_empty(&mark),
            false => remove(&mark),
        })
}

/// Whether previewers get the maintenance page as everybody does.
#[must_use]
pub fn is_closed(app: &App, route: Route) -> bool {
    route.maintenance && app.nginx_files.closed(route).exists()
}

/// Ends those that `over` names: NGINX tells their bearers at once. Returns them.
///
/// # Errors
/// The first that cannot be ended.
pub fn end(app: &App, over: &dyn Fn(&Token, Option<&Terms>) -> bool) -> Result<Ended, FileError> {
    let ended = rename(app, over)?;
    forget(app)?;
    Ok(ended)
}

/// Those that were ended, with what was kept of them.
type Ended = Vec<(Token, Option<Terms>)>;

/// The part of [`end`] by which nobody gets the color any more. It needs no lock.
fn rename(app: &App, over: &dyn Fn(&Token, Option<&Terms>) -> bool) -> Result<Ended, FileError> {
    let folder = app.nginx_files.previews();
    // A message names the folder: the file's name opens the preview.
    let failed = || FileError::at("end a preview in", &folder);
    let mut ended = Vec::new();
    for token in tokens(app)? {
        let terms = terms(app, &token);
        if !over(&token, terms.as_ref()) {
            continue;
        }
        let (from, to) = (
            folder.join(token.to_string()),
            folder.join(format!("{OVER}{token}")),
        );
        // Set first: one that keeps the time at which it was made would be forgotten at once.
        let forgotten = SystemTime::now() + cookies_live(app);
        File::open(&from)
            .and_then(|file| file.set_times(FileTimes::new().set_modified(forgotten)))
            .ok();
        fault::at("end the preview", &from, || fs::rename(&from, &to)).map_err(failed())?;
        ended.push((token, terms));
    }
    Ok(ended)
}

/// How long after its end a browser may still come with the cookie of a preview: it gets one with
/// each answer, also with one that was under way just then.
#[must_use]
pub fn cookies_live(app: &App) -> Duration {
    COOKIE_LIFE + app.config.nginx.proxy_timeout.0 + MARGIN
}

/// Ends those whose time is over, and tells when the next one's is. It needs no lock.
///
/// # Errors
/// As [`end`].
pub fn end_expired(app: &App) -> Result<Option<Timestamp>, FileError> {
    let now = Timestamp::now();
    rename(app, &|_, terms| terms.is_none_or(|terms| terms.until <= now))?;
    Ok(shown(app).iter().map(|preview| preview.terms.until).min())
}

/// Forgets one whose link nobody was given.
///
/// # Errors
/// When it cannot be removed.
pub fn withdraw(app: &App, token: &Token) -> Result<(), FileError> {
    let folder = app.nginx_files.previews();
    remove(&folder.join(token.to_string())).map_err(|error| FileError {
        path: folder,
        ..error
    })?;
    forget(app)
}

/// Forgets all of them at once, cookies or not: NGINX is about to look for none any more.
///
/// # Errors
/// When one cannot be removed.
pub fn forget_all(app: &App) -> Result<(), FileError> {
    let folder = app.nginx_files.previews();
    for name in store::names(&folder)? {
        remove(&folder.join(name)).map_err(|error| FileError {
            path: folder.clone(),
            ..error
        })?;
    }
    forget(app)?;
    match fs::remove_dir(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::at("remove", &folder)(error)),
        _ => Ok(()),
    }
}

/// Ends those of `color`, whose slot is about to change.
///
/// # Errors
/// As [`end`].
pub fn end_of(app: &App, color: Color, sink: &dyn Sink) -> Result<(), FileError> {
    let ended = end(app, &|token, _| token.color == color)?;
    tell(&ended, sink);
    Ok(())
}

/// Ends those whose time is over, and those of what is no longer there: another release in the
/// color, or traffic elsewhere than it was.
///
/// # Errors
/// As [`end`].
pub fn settle(app: &App, live: Color, sink: &dyn Sink) -> Result<(), FileError> {
    let now = Timestamp::now();
    let held = |color| releases::slot(&app.layout, color);
    let ended = end(app, &|token, terms| {
        terms.is_none_or(|terms| {
            terms.until <= now || terms.live != live || held(token.color).as_ref() != Some(&terms.release)
        })
    })?;
    tell(&ended, sink);
    Ok(())
}

fn tell(ended: &Ended, sink: &dyn Sink) {
    for (token, terms) in ended {
        sink.emit(Event::Noted(Note::PreviewOver {
            color: token.color,
            by: terms.as_ref().map(|terms| terms.by.clone()),
        }));
    }
}

/// Forgets those that were over long enough ago; after the last one NGINX looks at no cookie.
pub(crate) fn forget(app: &App) -> Result<(), FileError> {
    let folder = app.nginx_files.previews();
    let now = SystemTime::now();
    let mut left = false;
    for name in store::names(&folder)? {
        let path = folder.join(&name);
        let is_past = || {
            let changed = fs::symlink_metadata(&path).and_then(|about| about.modified());
            changed.is_ok_and(|changed| changed <= now)
        };
        match name.starts_with(OVER) && is_past() {
            true => remove(&path).map_err(|error| FileError {
                path: folder.clone(),
                ..error
            })?,
            false => left |= name.starts_with(OVER) || name.parse::<Token>().is_ok(),
        }
    }
    match left {
        true => Ok(()),
        false => special(app).try_for_each(|(color, mark)| match marks::is_watched(app, Route::to(color)) {
            true => Ok(()),
            false => remove(&mark),
        }),
    }
}

/// The marks by which NGINX looks for a token. During maintenance it does so anyway.
fn special(app: &App) -> impl Iterator<Item = (Color, PathBuf)> {
    Color::BOTH
        .into_iter()
        .map(|color| (color, app.nginx_files.special(Route::to(color))))
}

fn tokens(app: &App) -> Result<Vec<Token>, FileError> {
    let names = store::names(&app.nginx_files.previews())?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn terms(app: &App, token: &Token) -> Option<Terms> {
    let path = app.nginx_files.previews().join(token.to_string());
    let bytes = store::read_plain(&path, LONGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}
