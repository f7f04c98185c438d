//! gunicorn's settings, and those among them that lose requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::run_command;

/// gunicorn closes an idle connection after this many seconds unless told otherwise.
const KEEP_ALIVE: u64 = 2;

/// Seconds that workers get to finish what they do unless told otherwise.
const GRACEFUL: u64 = 30;

/// Connections that may wait to be taken unless told otherwise.
const BACKLOG: u64 = 2048;

/// Our settings by name, gunicorn's short and long options for each.
const OPTIONS: [(&str, Option<&str>, &str); 13] = [
    ("worker_class", Some("-k"), "--worker-class"),
    ("threads", None, "--threads"),
    ("workers", Some("-w"), "--workers"),
    ("keepalive", None, "--keep-alive"),
    ("graceful_timeout", None, "--graceful-timeout"),
    ("max_requests", None, "--max-requests"),
    ("max_requests_jitter", None, "--max-requests-jitter"),
    ("backlog", None, "--backlog"),
    ("config", Some("-c"), "--config"),
    ("chdir", None, "--chdir"),
    ("errorlog", None, "--error-logfile"),
    ("errorlog", None, "--log-file"),
    ("accesslog", None, "--access-logfile"),
];

/// How gunicorn is started: a command, what `GUNICORN_CMD_ARGS` adds, and a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gunicorn {
    said: BTreeMap<&'static str, String>,
    reload: bool,
    /// What a settings file sets, as far as it is a number, a name or a plain text in quotes; an
    /// empty text stands for what only Python can tell.
    file: BTreeMap<String, String>,
}

/// What is around it.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// When NGINX lets an idle connection to the app go.
    pub upstream_idle: Duration,
    /// When `bg` kills what has not ended.
    pub stop_timeout: Duration,
    /// `process.workers`.
    pub workers: u32,
}

/// A setting that loses requests, or keeps `bg` from seeing that it does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Danger {
    /// It closes connections that NGINX still sends requests on.
    #[error(
        "gunicorn closes idle connections after {app} s and NGINX keeps them for {nginx} s: a request sent at that moment gets 502"
    )]
    ShortKeepAlive {
        /// gunicorn's seconds.
        app: u64,
        /// NGINX's.
        nginx: u64,
    },
    /// The option is read and ignored.
    #[error(
        "`--keep-alive` has no effect: workers of the class `sync` close each connection after one answer"
    )]
    NoKeepAlive,
    /// It is killed before it gives its requests up.
    #[error(
        "gunicorn gives requests {graceful} s to end, and `process.stop_timeout` kills it after {stop} s"
    )]
    Killed {
        /// gunicorn's seconds.
        graceful: u64,
        /// Ours.
        stop: u64,
    },
    /// It starts itself anew whenever a file changes.
    #[error("`--reload` is for development: it restarts workers whenever a file changes")]
    Reload,
    /// All workers end in the same moment.
    #[error(
        "`--max-requests {each}` without `--max-requests-jitter` restarts all workers at the same moment"
    )]
    NoJitter {
        /// Requests of a worker.
        each: u64,
    },
    /// The gate does not reach every worker.
    #[error(
        "gunicorn starts {started} workers and `process.workers` is {said}: the gate may not reach all of them"
    )]
    Workers {
        /// As gunicorn is told.
        started: u64,
        /// As `bg.toml` says.
        said: u32,
    },
}

impl Danger {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Danger::ShortKeepAlive { nginx, .. } => {
                format!("`--keep-alive {}` in `process.run`", (nginx + 15).max(75))
            }
            Danger::NoKeepAlive => {
                "`--worker-class gthread --threads 4`, or leave `--keep-alive` out".to_owned()
            }
            Danger::Killed { graceful, stop } => format!(
                "`--graceful-timeout {}`, or `process.stop_timeout = \"{}s\"`",
                stop.saturating_sub(2).max(1),
                graceful + 2
            ),
            Danger::Reload => "remove `--reload`: `bg deploy` brings new code".to_owned(),
            Danger::NoJitter { each } => format!("`--max-requests-jitter {}`", (each / 10).max(1)),
            Danger::Workers { started, .. } => format!("`process.workers = {started}`"),
        }
    }
}

impl Gunicorn {
    /// Reads `process.run` with the value of `GUNICORN_CMD_ARGS`, which the command wins over;
    /// `None` for another server.
    #[must_use]
    pub fn of(command: &str, variable: Option<&str>) -> Option<Gunicorn> {
        Gunicorn::of_words(&run_command::words(command).ok()?, variable)
    }

    /// The same for a command that is split into words.
    #[must_use]
    pub fn of_words(words: &[String], variable: Option<&str>) -> Option<Gunicorn> {
        let at = words
            .iter()
            .position(|word| word.rsplit('/').next() == Some("gunicorn"))?;
        let mut found = Gunicorn::default();
        found.take(&shlex::split(variable.unwrap_or_default()).unwrap_or_default());
        found.take(words.get(at + 1..).unwrap_or_default());
        Some(found)
    }

    fn take(&mut self, words: &[String]) {
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            self.reload |= word == "--reload";
            for (name, short, long) in OPTIONS {
                let glued = short
                    .and_then(|short| word.strip_prefix(short))
                    .filter(|rest| !rest.is_empty());
                let equals = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
                if let Some(value) = equals.or(glued) {
                    self.said.insert(name, value.trim_start_matches('=').to_owned());
                } else if (word == long || short.is_some_and(|short| word == short))
                    && let Some(value) = words.peek()
                {
                    self.said.insert(name, (*value).clone());
                }
            }
        }
    }

    /// The settings file, as named; gunicorn looks for `./gunicorn.conf.py` by itself.
    #[must_use]
    pub fn file(&self) -> &str {
        let named = self.said.get("config").map_or("gunicorn.conf.py", String::as_str);
        named.strip_prefix("file:").unwrap_or(named)
    }

    /// Takes in what the text of its settings file says.
    #[must_use]
    pub fn with_file(mut self, text: &str) -> Gunicorn {
        for line in text.lines() {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let name = name.trim_end();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                continue;
            }
            let value = literal(value.trim()).unwrap_or_default();
            self.file.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Connections that may wait; `None` where only Python can tell.
    #[must_use]
    pub fn backlog(&self) -> Option<u64> {
        self.number("backlog", BACKLOG)
    }

    /// How many workers it starts; `None` where only Python can tell.
    #[must_use]
    pub fn workers(&self) -> Option<u64> {
        self.number("workers", 1)
    }

    /// The file that it writes its log to, as seen from its folder; `None` where that is its
    /// standard error, or only Python can tell.
    #[must_use]
    pub fn error_log(&self) -> Option<PathBuf> {
        self.log("errorlog")
    }

    /// The same for its log of requests.
    #[must_use]
    pub fn access_log(&self) -> Option<PathBuf> {
        self.log("accesslog")
    }

    fn log(&self, name: &str) -> Option<PathBuf> {
        let file = self.text(name, "-")?;
        let folder = self.text("chdir", "")?;
        (file != "-" && file != "None").then(|| Path::new(&folder).join(file))
    }

    /// Everything that loses requests.
    #[must_use]
    pub fn dangers(&self, around: Around) -> Vec<Danger> {
        let mut found = Vec::new();
        found.extend(self.keep_alive(around.upstream_idle.as_secs()));
        let stop = around.stop_timeout.as_secs();
        if let Some(graceful) = self.number("graceful_timeout", GRACEFUL)
            && graceful > stop
        {
            found.push(Danger::Killed { graceful, stop });
        }
        if self.reload || self.file.get("reload").is_some_and(|value| value == "True") {
            found.push(Danger::Reload);
        }
        let workers = self.workers();
        let each = self.number("max_requests", 0).filter(|each| *each > 0);
        if let Some(each) = each
            && self.number("max_requests_jitter", 0) == Some(0)
            && workers != Some(1)
        {
            found.push(Danger::NoJitter { each });
        }
        if let Some(started) = workers
            && started > around.workers.into()
        {
            found.push(Danger::Workers {
                started,
                said: around.workers,
            });
        }
        found
    }

    fn keep_alive(&self, nginx: u64) -> Option<Danger> {
        if self.is_sync()? {
            return self.said.contains_key("keepalive").then_some(Danger::NoKeepAlive);
        }
        let app = self.number("keepalive", KEEP_ALIVE)?;
        (app <= nginx).then_some(Danger::ShortKeepAlive { app, nginx })
    }

    /// More than one thread makes `gthread` of `sync`.
    fn is_sync(&self) -> Option<bool> {
        let class = self.text("worker_class", "sync")?;
        let threads = self.number("threads", 1)?;
        Some(class == "sync" && threads <= 1)
    }

    fn number(&self, name: &str, usual: u64) -> Option<u64> {
        match self.text(name, "")?.as_str() {
            "" => Some(usual),
            text => text.parse().ok(),
        }
    }

    /// `None` where only Python can tell.
    fn text(&self, name: &str, usual: &str) -> Option<String> {
        let said = self.said.get(name).or_else(|| self.file.get(name));
        match said {
            None => Some(usual.to_owned()),
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text.clone()),
        }
    }
}

/// A value that Python would take as it stands, without its quotes.
fn literal(text: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        let Some(rest) = text.strip_prefix(quote) else {
            continue;
        };
        let (inside, after) = rest.split_once(quote)?;
        let after = after.trim_start();
        let ends = after.is_empty() || after.starts_with('#');
        return (ends && !inside.contains('\\')).then_some(inside);
    }
    let value = text.split('#').next().unwrap_or_default().trim();
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_plain.then_some(value)
}

#[cfg(test)]
mod tests;
