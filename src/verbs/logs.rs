//! `bg logs` and `bg exec`: the app's own output, and a command in its environment.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use crate::host::app::App;
use crate::host::dotenv::{self, Redactor, Variables};
use crate::host::{launcher, releases, store};
use crate::model::color::Color;
use crate::model::config::is_app_name;
use crate::model::failure::{Failure, Kind};

use super::answer::Answer;
use super::{adopted, slot, traffic};

/// How far back from the end of a log lines are looked for: 1 MiB holds some ten thousand.
const REACH: u64 = 1 << 20;

/// The color to show when none was named.
///
/// # Errors
/// When the link cannot be read.
pub fn live_color(app: &App) -> Result<Color, Failure> {
    app.link.read().map(|route| route.color).map_err(|error| {
        Failure::unknown("it is not known which color is live", "the link cannot be read").because(error)
    })
}

/// Whose log is shown.
#[derive(Clone, Debug)]
pub enum Whose {
    /// A color's.
    Color(Color),
    /// A worker's.
    Worker(String),
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
            format!("`{worker}` is no name of a worker"),
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

    /// The answer when it was shown.
    #[must_use]
    pub fn shown(self) -> Answer {
        match self {
            Whose::Color(color) => Answer::Shown { color },
            Whose::Worker(worker) => Answer::ShownOf { worker },
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

/// A log, opened near its end.
pub struct Log {
    file: std::fs::File,
    /// What was read of a line that has no end yet.
    begun: Vec<u8>,
    redactor: Redactor,
}

/// Opens a log and returns its last lines.
///
/// # Errors
/// When the color or worker never ran here.
pub fn open(app: &App, whose: &Whose, lines: usize) -> Result<(Log, String), Failure> {
    let path = whose.path(app);
    if let Whose::Color(color) = whose
        && let Some(adopted) = adopted::in_slot(app, *color)
    {
        return Err(
            Failure::failed(format!("{color} is an adopted process, whose log is PM2's own"))
                .hint(format!(
                    "`PM2_HOME={} pm2 logs {}`",
                    app.entry.pm2_home.display(),
                    adopted.pm2_name
                ))
                .with_traffic(traffic::unchanged(app)),
        );
    }
    let missing = |error: std::io::Error| {
        Failure::failed(format!("{whose} has no log"))
            .because(error)
            .hint("it is written from the first deploy on")
            .with_traffic(traffic::unchanged(app))
    };
    let mut file = std::fs::File::open(&path).map_err(missing)?;
    let length = file.metadata().map_err(missing)?.len();
    let from = length.saturating_sub(REACH);
    file.seek(SeekFrom::Start(from)).map_err(missing)?;
    let mut log = Log {
        file,
        begun: Vec::new(),
        redactor: redactor(app),
    };
    let text = log.more();
    let kept: Vec<&str> = text.lines().collect();
    let tail: String = kept
        .iter()
        // Half a line may hold half a secret, which nobody would know as one.
        .skip(kept.len().saturating_sub(lines).max(usize::from(from > 0)))
        .map(|line| format!("{line}\n"))
        .collect();
    Ok((log, tail))
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
        let mut bytes = std::mem::take(&mut self.begun);
        self.file.read_to_end(&mut bytes).ok();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.begun = bytes.split_off(whole);
        self.redacted(&bytes)
    }

    /// A last line without an end, when nobody waits for the rest of it.
    pub fn rest(&mut self) -> String {
        let begun = std::mem::take(&mut self.begun);
        self.redacted(&begun)
    }

    fn redacted(&self, bytes: &[u8]) -> String {
        self.redactor.redact(&String::from_utf8_lossy(bytes))
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
    Failure::failed(format!("`{}` cannot be started in {color}", command.join(" ")))
        .because(error)
        .with_traffic(traffic::unchanged(app))
}
