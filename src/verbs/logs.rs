//! `bg logs` and `bg exec`: the app's own output, and a command in its environment.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use engine::app::App;
use engine::{adopted, slot, traffic};
use keeper::launcher;
use keeper::server_log::ServerLog;
use model::adopted::Adopted;
use model::color::Color;
use model::config::is_app_name;
use model::failure::{Failure, Kind};
use model::release::ReleaseId;
use serde::{Deserialize, Serialize};
use state::releases;
use sys::dotenv::{self, Redactor, Variables};
use sys::store;

use crate::text::Show;

/// How far back from the end of a log lines are looked for: 1 MiB holds some ten thousand.
const REACH: u64 = 1 << 20;

/// The color to show when none was named.
///
/// # Errors
/// When the link cannot be read.
pub fn live_color(app: &App) -> Result<Color, Failure> {
    app.link.read().map(|route| route.color).map_err(|error| {
        Failure::unknown("cannot tell which color is live", "the link cannot be read").because(error)
    })
}

/// Whose log is shown, line by line as it comes: all that is left to answer at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// A color's.
    Color(Color),
    /// A worker's.
    Worker(String),
}

impl Show for Whose {
    fn show(&self) -> String {
        String::new()
    }
}

/// Those of `worker` where it is named, of `color` where that is, else of the live one.
///
/// # Errors
/// When the link would have to be read and cannot be, and for a name that no worker can have.
pub fn whose(app: &App, color: Option<Color>, worker: Option<String>) -> Result<Whose, Failure> {
    match (worker, color) {
        (Some(worker), _) if is_app_name(&worker) => Ok(Whose::Worker(worker)),
        (Some(worker), _) => Err(Failure::new(
            Kind::Usage,
            format!("`{worker}` is not a valid worker name"),
        )),
        (None, Some(color)) => Ok(Whose::Color(color)),
        (None, None) => live_color(app).map(Whose::Color),
    }
}

impl Whose {
    fn path(&self, app: &App) -> PathBuf {
        match self {
            Whose::Color(color) => app.layout.log(*color),
            Whose::Worker(worker) => app.layout.worker_log(worker),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Color(color) => color.fmt(f),
            Whose::Worker(worker) => write!(f, "worker `{worker}`"),
        }
    }
}

/// The logs of a color or a worker, each opened near its end.
pub struct Log {
    sources: Vec<Source>,
    /// Whether it is said where lines come from: it goes without saying for the usual log alone.
    is_named: bool,
    /// Which of them the last line came from.
    shown: Option<usize>,
    redactor: Redactor,
}

/// One file.
struct Source {
    path: PathBuf,
    file: File,
    written: SystemTime,
    /// What was read of a line that has no end yet.
    begun: Vec<u8>,
}

/// Opens the log, and what gunicorn writes into one of its own, which is named, and returns the
/// last lines of each.
///
/// # Errors
/// When the color or worker never ran here.
pub fn open(app: &App, whose: &Whose, lines: usize) -> Result<(Log, String), Failure> {
    let mut sources = Vec::new();
    let mut missing = None;
    let path = whose.path(app);
    match File::open(&path).and_then(|file| Source::of(path, file)) {
        Ok(source) => sources.push(source),
        Err(error) => missing = Some(error),
    }
    if let Whose::Color(color) = whose {
        if let Some(adopted) = adopted::in_slot(app, *color) {
            return Err(of_pm2(app, *color, &adopted));
        }
        sources.extend(of_servers(app, *color));
    }
    let is_named = sources.len() > 1 || missing.is_some();
    if let Some(error) = missing.filter(|_| sources.is_empty()) {
        return Err(Failure::failed(format!("{whose} has no log"))
            .because(error)
            .hint(match whose {
                Whose::Color(_) => "the first deploy creates it",
                Whose::Worker(_) => {
                    "the first deploy with that worker creates it; `bg status` lists the workers"
                }
            })
            .with_traffic(traffic::unchanged(app)));
    }
    sources.sort_by_key(|source| source.written);
    let mut log = Log {
        sources,
        is_named,
        shown: None,
        redactor: redactor(app),
    };
    let tail = log.last(lines);
    Ok((log, tail))
}

fn of_pm2(app: &App, color: Color, adopted: &Adopted) -> Failure {
    Failure::failed(format!("{color} is an adopted process, whose log is PM2's own"))
        .hint(format!(
            "`PM2_HOME={} pm2 logs {}`",
            app.entry.pm2_home.display(),
            adopted.pm2_name
        ))
        .with_traffic(traffic::unchanged(app))
}

/// What gunicorn wrote into files, for the release in the slot, and for the last one that was made
/// for it, which may have been refused.
fn of_servers(app: &App, color: Color) -> Vec<Source> {
    let read = |id: &ReleaseId| releases::read(&app.layout, id).ok();
    let held = releases::slot(&app.layout, color).and_then(|id| read(&id));
    let made = releases::ids(&app.layout).unwrap_or_default();
    let last = made
        .iter()
        .rev()
        .filter_map(read)
        .find(|manifest| manifest.made_for == Some(color));
    let logs: BTreeMap<PathBuf, ServerLog> = held
        .iter()
        .chain(&last)
        .filter_map(|manifest| ServerLog::of_errors(&app.layout, color, manifest))
        .map(|log| (log.path.clone(), log))
        .collect();
    let open = |log: ServerLog| {
        let file = log.open().ok().flatten()?;
        Source::of(log.path, file).ok()
    };
    logs.into_values().filter_map(open).collect()
}

impl Source {
    fn of(path: PathBuf, file: File) -> io::Result<Source> {
        let written = file.metadata()?.modified()?;
        Ok(Source {
            path,
            file,
            written,
            begun: Vec::new(),
        })
    }

    /// Whole lines that were written since the last look.
    fn more(&mut self, redactor: &Redactor) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        self.file.read_to_end(&mut bytes).ok();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.begun = bytes.split_off(whole);
        redactor.redact(&String::from_utf8_lossy(&bytes))
    }

    /// The last lines that are there now.
    fn last(&mut self, lines: usize, redactor: &Redactor) -> io::Result<String> {
        let from = self.file.metadata()?.len().saturating_sub(REACH);
        self.file.seek(SeekFrom::Start(from))?;
        let text = self.more(redactor);
        let kept: Vec<&str> = text.lines().collect();
        // Half a line may hold half a secret, which nobody would know as one.
        let skipped = kept.len().saturating_sub(lines).max(usize::from(from > 0));
        Ok(kept
            .iter()
            .skip(skipped)
            .map(|line| format!("{line}\n"))
            .collect())
    }

    /// A last line without an end.
    fn rest(&mut self, redactor: &Redactor) -> String {
        redactor.redact(&String::from_utf8_lossy(&std::mem::take(&mut self.begun)))
    }
}

/// Every environment file that is kept: a log has the lines of more releases than the one
/// that is in the slot, if there is one.
fn redactor(app: &App) -> Redactor {
    let folder = app.layout.envs();
    let names = store::names(&folder).unwrap_or_default();
    let files: Vec<Variables> = names
        .iter()
        .filter_map(|name| std::fs::read_to_string(folder.join(name)).ok())
        .filter_map(|text| dotenv::parse(&text).ok())
        .collect();
    Redactor::of_app(&app.config, &files)
}

impl Log {
    /// The lines that were written since the last look, secrets taken out.
    pub fn more(&mut self) -> String {
        self.each(Source::more)
    }

    /// A last line without an end, when nobody waits for the rest of it.
    pub fn rest(&mut self) -> String {
        self.each(Source::rest)
    }

    fn last(&mut self, lines: usize) -> String {
        self.each(|source, redactor| source.last(lines, redactor).unwrap_or_default())
    }

    /// What each source gives, behind its name where the one before was another.
    fn each(&mut self, give: impl Fn(&mut Source, &Redactor) -> String) -> String {
        let mut text = String::new();
        for (at, source) in self.sources.iter_mut().enumerate() {
            let given = give(source, &self.redactor);
            if given.is_empty() {
                continue;
            }
            if self.is_named && self.shown.replace(at) != Some(at) {
                text.push_str(&format!("==> {} <==\n", source.path.display()));
            }
            text.push_str(&given);
        }
        text
    }

    /// Waits a little and reads what came: a log that is appended to shows no event that
    /// could be waited for without another crate.
    pub async fn wait(&mut self) -> String {
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.more()
    }
}

/// Becomes `command` in the release of `color`, with its environment; `ready` is called when
/// nothing stands in the way any more that could be foreseen.
///
/// # Errors
/// When the slot is empty or the command cannot be started.
pub fn exec(app: &App, color: Color, command: &[String], ready: impl FnOnce()) -> Failure {
    let Some(release) = releases::slot(&app.layout, color) else {
        return Failure::failed(format!("{color} is empty"))
            .hint("`bg deploy` puts a release there")
            .with_traffic(traffic::unchanged(app));
    };
    let manifest = match slot::read_manifest(app, &release) {
        Ok(manifest) => manifest,
        Err(failure) => return failure,
    };
    if let Err(failure) = adopted::can_be_started(app, &manifest) {
        return failure;
    }
    ready();
    let error = launcher::become_command(&app.layout, color, &manifest, command);
    Failure::failed(format!("`{}` was not run on {color}", command.join(" ")))
        .because(error)
        .with_traffic(traffic::unchanged(app))
}
