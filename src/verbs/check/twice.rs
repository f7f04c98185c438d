//! Code that does something else once two colors run it: a scheduler inside the web process,
//! and a key that each process makes up for itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use engine::app::App;
use state::envfile;
use sys::dotenv;
use sys::store::read_plain;

use super::app as settings;
use super::finding::Report;
use crate::verbs::guess;

/// Longer than what people write by hand.
const LONGEST: u64 = 256 << 10;

/// What begins a scheduler in the process that it is written in.
const SCHEDULERS: [&str; 5] = [
    "BackgroundScheduler(",
    "AsyncIOScheduler(",
    "GeventScheduler(",
    "APScheduler(",
    "BlockingScheduler(",
];

/// What makes up another value at every start.
const RANDOM: [&str; 7] = [
    "urandom(",
    "token_hex(",
    "token_bytes(",
    "token_urlsafe(",
    "uuid4(",
    "get_random_secret_key(",
    "Fernet.generate_key(",
];

/// Looks at the code of the live release.
pub(super) fn look(report: &mut Report, app: &App) {
    let Some(folder) = settings::live_folder(app) else {
        return;
    };
    let workers = scripts_of_workers(app);
    let given = variables(app);
    for path in guess::python_files(&folder) {
        let Ok(text) = read_plain(&path, LONGEST) else {
            continue;
        };
        let file = path.strip_prefix(&folder).unwrap_or(&path);
        let text = String::from_utf8_lossy(&text);
        for (at, line) in text.lines().enumerate() {
            let place = || format!("{} line {}", file.display(), at + 1);
            match found(line) {
                Some(Found::Scheduler(name)) if !workers.contains(file) => report.warn(
                    "scheduler",
                    format!("{} starts a `{name}` in the web process: it runs in both colors, and in each of their workers", place()),
                    "what must run once belongs into a `[[worker]]` with `handover = \"singleton\"`: docs/workers.md",
                ),
                Some(Found::Key(name)) if !given.contains(name) => report.warn(
                    "secret key",
                    format!("{} makes up another `{name}` at every start: a switch logs everybody out, and so may each request that another worker answers", place()),
                    &format!("write `{name}` into the environment file once, and read it from there"),
                ),
                _ => {}
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Scheduler(&'static str),
    Key(&'static str),
}

fn found(line: &str) -> Option<Found> {
    let code = line.trim_start();
    if code.starts_with('#') || code.starts_with("class ") || code.starts_with("def ") {
        return None;
    }
    if let Some(name) = SCHEDULERS.iter().find(|name| code.contains(*name)) {
        return Some(Found::Scheduler(name.trim_end_matches('(')));
    }
    let is_random = RANDOM.iter().any(|maker| code.contains(maker));
    let (left, _) = code.split_once(['=', ':']).filter(|_| is_random)?;
    let left = left.to_ascii_uppercase();
    ["JWT_SECRET_KEY", "SECRET_KEY"]
        .into_iter()
        .find(|name| left.contains(name))
        .map(Found::Key)
}

/// The files of `[[worker]]`, which begin what they do on purpose.
fn scripts_of_workers(app: &App) -> BTreeSet<PathBuf> {
    let words = app
        .config
        .workers
        .iter()
        .flat_map(|worker| worker.run.split_whitespace());
    words.map(PathBuf::from).collect()
}

/// The names of the variables that the app is given.
fn variables(app: &App) -> BTreeSet<String> {
    let env = &app.config.env;
    let file = env
        .file
        .as_ref()
        .and_then(|file| envfile::look(&app.layout, file).ok());
    let text = file
        .and_then(|file| fs::read_to_string(file).ok())
        .unwrap_or_default();
    let from_file = dotenv::parse(&text).unwrap_or_default().into_keys();
    from_file.chain(env.set.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_colors_do_twice_is_seen_by_its_line() {
        let cases = [
            (
                "scheduler = BackgroundScheduler()",
                Some(Found::Scheduler("BackgroundScheduler")),
            ),
            (
                "    sched = APScheduler(app=app)",
                Some(Found::Scheduler("APScheduler")),
            ),
            (
                "from apscheduler.schedulers.background import BackgroundScheduler",
                None,
            ),
            ("# scheduler = BackgroundScheduler()", None),
            ("class MyScheduler(BackgroundScheduler): ...", None),
            ("app.secret_key = os.urandom(24)", Some(Found::Key("SECRET_KEY"))),
            (
                "app.config['SECRET_KEY'] = secrets.token_hex()",
                Some(Found::Key("SECRET_KEY")),
            ),
            (
                "SECRET_KEY = os.environ.get('SECRET_KEY', os.urandom(24))",
                Some(Found::Key("SECRET_KEY")),
            ),
            (
                "JWT_SECRET_KEY = uuid.uuid4().hex",
                Some(Found::Key("JWT_SECRET_KEY")),
            ),
            (
                "    SECRET_KEY: str = secrets.token_urlsafe(32)",
                Some(Found::Key("SECRET_KEY")),
            ),
            ("token = secrets.token_hex()  # not the SECRET_KEY", None),
            ("app.secret_key = os.environ['SECRET_KEY']", None),
        ];
        for (line, expected) in cases {
            assert_eq!(found(line), expected, "{line}");
        }
    }
}
