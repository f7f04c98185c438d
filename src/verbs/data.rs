//! Data that the app wrote into its own release: the next release would start without it, and
//! it would go with its own. Found before a deploy, moved into `shared`, and never deleted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::app::App;
use engine::caller::Caller;
use engine::{adopted, run, traffic};
use model::color::Color;
use model::event::{Event, Sink, Warning};
use model::failure::{Deployment, Failure};
use model::release::ReleaseId;
use model::written::{Kind, LeftBehind, WrittenData};
use release::relocate::relocate;
use release::seal::{self, Entry};
use release::written::places::{self, SharedCandidate};
use release::written::{self, Found};
use serde::{Deserialize, Serialize};
use state::releases;

use crate::text::notices;

mod shown;

/// The data of the live release, as `bg data` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataFound {
    /// The app.
    pub app: String,
    /// What is live.
    pub live: Deployment,
    /// What it wrote into its own folder, by where it belongs.
    pub places: Vec<DataPlace>,
    /// The line of bg.toml that the next release needs, where bg.toml has another.
    pub shared: Option<String>,
    /// Older releases that are kept for what was written into them.
    pub older: Vec<String>,
    /// Where data is moved to.
    pub folder: PathBuf,
    /// Whether it was moved.
    pub moved: bool,
}

/// A file or folder with data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataPlace {
    /// Relative to the release.
    pub path: PathBuf,
    /// How many files were written.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Whether a SQLite database is among them.
    pub database: bool,
    /// Whether it is a file system of its own, which cannot be moved.
    pub mounted: bool,
}

impl From<&SharedCandidate> for DataPlace {
    fn from(place: &SharedCandidate) -> DataPlace {
        let has = |kind: Kind| place.written.iter().any(|one| one.kind == kind);
        DataPlace {
            path: place.path.clone(),
            files: place.written.len(),
            bytes: place.bytes(),
            database: has(Kind::Database),
            mounted: has(Kind::Mount),
        }
    }
}

/// What the live release holds.
struct Live {
    deployment: Deployment,
    found: Found,
    places: Vec<SharedCandidate>,
}

impl Live {
    fn of(app: &App, color: Color) -> Option<Live> {
        let deployment = traffic::deployment(app, color);
        let release = deployment.release.clone()?;
        if adopted::in_slot(app, color).is_some() {
            return None;
        }
        let found = written::written(&app.layout, &app.config, &release);
        let places = places::of(&found, &app.config);
        Some(Live {
            deployment,
            found,
            places,
        })
    }

    /// What was moved into `shared` while it was live, and is not named there: the links are
    /// not those that its build has made.
    fn unnamed(&self, app: &App) -> Vec<PathBuf> {
        let linked = self.found.linked.iter();
        let moved = linked.filter(|path| self.found.built.get(*path) != Some(&Entry::Link));
        moved
            .filter(|path| app.config.shares(path).is_none())
            .cloned()
            .collect()
    }

    /// `shared` with all that is missing in it; `None` where nothing is.
    fn line(&self, app: &App) -> Option<String> {
        let missing = self
            .places
            .iter()
            .filter(|place| app.config.shares(&place.path).is_none());
        let missing: Vec<String> = missing
            .map(SharedCandidate::name)
            .chain(self.unnamed(app).iter().map(|path| path.display().to_string()))
            .collect();
        if missing.is_empty() {
            return None;
        }
        let named = app.config.shared.iter().map(|path| path.display().to_string());
        let all = named.chain(missing).map(toml::Value::from).collect();
        Some(format!("shared = {}", toml::Value::Array(all)))
    }

    /// All that lies in its own folder; `None` where nothing does.
    fn written(&self) -> Option<WrittenData> {
        let all = self.places.iter().flat_map(|place| &place.written);
        WrittenData::of(all.cloned().collect())
    }

    /// What the next release would start without; `None` where that is nothing.
    fn left_behind(&self, app: &App) -> Option<LeftBehind> {
        let live = self.deployment.clone();
        if let Some(data) = self.written() {
            return Some(LeftBehind::Release { live, data });
        }
        let paths = self.unnamed(app);
        (!paths.is_empty()).then(|| LeftBehind::Shared {
            live,
            folder: app.layout.shared(),
            paths,
        })
    }
}

/// A release that would start without the data which the live one wrote is not made: it would
/// pass every check, empty.
///
/// # Errors
/// Names the files, the line for bg.toml, and the command that moves them.
pub fn is_not_left_behind(app: &App, live: Color, leave: bool, sink: &dyn Sink) -> Result<(), Failure> {
    if !leave {
        return left_behind(app, live).map_or(Ok(()), Err);
    }
    let left = Live::of(app, live).and_then(|live| live.left_behind(app));
    if let Some(left) = left {
        sink.emit(Event::Warned(Warning::DataLeftBehind(left)));
    }
    Ok(())
}

/// Why a release that is made now would start without data of what is live.
#[must_use]
pub fn left_behind(app: &App, live: Color) -> Option<Failure> {
    let live = Live::of(app, live)?;
    let failure = Failure::failed(notices::left_behind(&live.left_behind(app)?));
    let line = live.line(app).map(|line| format!("write `{line}` in bg.toml"));
    let moving = (!live.places.is_empty()).then(|| {
        format!(
            "`bg data move` moves it into `{}` while {} keeps running",
            app.layout.shared().display(),
            live.deployment.color
        )
    });
    let failure = line.into_iter().chain(moving).fold(failure, Failure::hint);
    let failure = failure
        .hint("`bg deploy --leave-data` goes on without it; `scratch` in bg.toml lists data that may always be lost")
        .with_traffic(traffic::unchanged(app));
    Some(failure)
}

/// Said before traffic goes elsewhere by a switch or a rollback, which nothing may hold up.
pub fn warn_of_what_stays(app: &App, live: Color, sink: &dyn Sink) {
    let Some(live) = Live::of(app, live) else { return };
    if let Some(data) = live.written() {
        sink.emit(Event::Warned(Warning::DataStaysBehind {
            live: live.deployment,
            data,
        }));
    }
}

/// Keeps a list of what the release `id` consists of, before anything in it is started.
///
/// # Errors
/// When it cannot be listed.
pub fn seal(app: &App, id: &ReleaseId) -> Result<(), Failure> {
    seal::seal(&app.layout, id).map_err(|error| {
        Failure::failed("the files of the release cannot be listed")
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })
}

/// What was written into a kept release; `None` where nothing was.
#[must_use]
pub fn held_by(app: &App, id: &ReleaseId) -> Option<WrittenData> {
    WrittenData::of(written::written(&app.layout, &app.config, id).data)
}

/// Shows what the live release wrote into its own folder.
///
/// # Errors
/// When nobody can say what is live.
pub async fn show(app: &App) -> Result<DataFound, Failure> {
    let color = traffic::observe(app).await?.color;
    let live = Live::of(app, color);
    let deployment = traffic::deployment(app, color);
    let mut older = releases::ids(&app.layout).unwrap_or_default();
    older.retain(|id| Some(id) != deployment.release.as_ref());
    Ok(DataFound {
        app: app.name().to_owned(),
        live: deployment,
        places: live
            .iter()
            .flat_map(|live| &live.places)
            .map(DataPlace::from)
            .collect(),
        shared: live.and_then(|live| live.line(app)),
        older: older
            .iter()
            .filter_map(|id| Some(format!("{id}: {}", notices::written(&held_by(app, id)?))))
            .collect(),
        folder: app.layout.shared(),
        moved: false,
    })
}

/// Moves it into `shared`, with a link in its place: the live process goes on with it.
///
/// # Errors
/// Exit 4 when another run goes on; else at the first that cannot be moved. Those before it
/// stay moved.
pub async fn move_to_shared(app: &App, caller: &Caller<'_>) -> Result<DataFound, Failure> {
    let (_lock, _) = run::open(app, "data move", Duration::ZERO, caller).await?;
    let color = traffic::observe(app).await?.color;
    if adopted::in_slot(app, color).is_some() {
        return Err(Failure::failed(format!("{color} is an adopted process"))
            .hint("`bg adopt --move-data` moves what lies in its work tree"));
    }
    let mut shown = show(app).await?;
    let Some(release) = shown.live.release.clone() else {
        return Ok(shown);
    };
    let top = app.layout.release(&release);
    for place in &shown.places {
        into_shared(&top, &app.layout.shared(), &place.path, "bg data move")
            .map_err(|failure| failure.with_traffic(traffic::unchanged(app)))?;
    }
    shown.moved = true;
    Ok(shown)
}

/// Moves `path` of `top` to the same place in `shared`; `again` is the command to repeat.
///
/// # Errors
/// When it cannot be moved; it is where it was.
pub fn into_shared(top: &Path, shared: &Path, path: &Path, again: &str) -> Result<(), Failure> {
    relocate(&top.join(path), &shared.join(path)).map_err(|error| {
        let hint = error.hint(again);
        Failure::failed(format!("`{}` was not moved into `shared`", path.display()))
            .because(error)
            .hint(hint)
    })
}
