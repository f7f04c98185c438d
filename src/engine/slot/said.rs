//! What the process of a slot said: its output, and gunicorn's log where that is a file of its
//! own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use keeper::launcher;
use keeper::server_log::ServerLog;
use model::color::Color;
use model::release::Manifest;
use sys::dotenv::Redactor;

use crate::app::App;

/// Lines of each log that a refusal shows.
const LOG_LINES: usize = 20;

/// How far back from the end of a log they are looked for.
const REACH: u64 = 64 << 10;

/// How long the logs of a slot were at one moment.
#[derive(Clone, Debug)]
pub struct Mark {
    output: u64,
    server: Option<(ServerLog, u64)>,
}

impl Mark {
    /// Now, for `manifest`.
    pub fn now(app: &App, color: Color, manifest: &Manifest) -> Mark {
        let server = ServerLog::of_errors(&app.layout, color, manifest);
        Mark {
            output: length(&app.layout.log(color)),
            server: server.map(|log| {
                let from = length(&log.path);
                (log, from)
            }),
        }
    }

    /// The last lines since then, secrets taken out.
    pub(super) fn since(&self, app: &App, color: Color, manifest: &Manifest) -> Vec<String> {
        let redactor = redactor(app, manifest);
        let mut lines = last_lines(
            &app.layout.log(color),
            self.output,
            &redactor,
            &app.process(color),
        );
        lines.extend(self.of_server(&redactor));
        lines
    }

    /// Those of the log that gunicorn writes itself; why, where it cannot be read.
    pub fn of_server(&self, redactor: &Redactor) -> Vec<String> {
        let Some((log, from)) = &self.server else {
            return Vec::new();
        };
        let text = match log.open() {
            Ok(None) => return Vec::new(),
            Ok(Some(file)) => tail(file, *from),
            Err(error) => Err(error),
        };
        let text = text.unwrap_or_else(|error| format!("(not read: {error})"));
        shown(&text, redactor, &log.name.display().to_string())
    }
}

/// The last lines that a log has after its first `from` bytes, each behind `name`.
pub fn last_lines(log: &Path, from: u64, redactor: &Redactor, name: &str) -> Vec<String> {
    let text = File::open(log).and_then(|file| tail(file, from));
    shown(&text.unwrap_or_default(), redactor, name)
}

fn tail(mut file: File, from: u64) -> io::Result<String> {
    let length = file.metadata()?.len();
    let from = if from > length { 0 } else { from };
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(REACH))))?;
    let mut bytes = Vec::new();
    file.take(REACH).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of what a process of `name` printed.
pub fn shown(text: &str, redactor: &Redactor, name: &str) -> Vec<String> {
    let text = redactor.redact(text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(LOG_LINES))
        .map(|line| format!("{name} | {line}"))
        .collect()
}

/// What takes a release's secrets out of a text.
#[must_use]
pub fn redactor(app: &App, manifest: &Manifest) -> Redactor {
    let secrets = launcher::secrets(&app.layout, manifest).unwrap_or_default();
    Redactor::of_app(&app.config, &[secrets])
}

/// How long a log is; 0 where there is none.
pub fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}
