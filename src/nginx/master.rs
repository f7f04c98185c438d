//! The running NGINX: its master and the workers below it, as the kernel shows them.

use std::fs;
use std::path::{Path, PathBuf};

use sys::process::{self, Stat};

use crate::NginxError;

/// A process that was seen to be NGINX's master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its pid.
    pub pid: i32,
    /// When it was started, in the kernel's ticks: with the pid it names one process.
    started: u64,
}

/// A worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its pid.
    pub pid: i32,
    /// Whether it only finishes what it has begun, with an older configuration.
    pub shutting_down: bool,
    pub(super) started: u64,
}

/// Reads `pid_file` and looks at what it names.
///
/// # Errors
/// When there is no such file or process, or the process is something else: it is never
/// to be signalled then.
pub(super) fn find(pid_file: &Path, conf: &Path) -> Result<Master, NginxError> {
    let text = fs::read_to_string(pid_file).map_err(|source| NginxError::PidFile {
        path: pid_file.to_owned(),
        source,
    })?;
    let stale = |found: String| NginxError::NotNginx {
        path: pid_file.to_owned(),
        pid: text.trim().to_owned(),
        found,
    };
    let pid = text.trim().parse().ok().filter(|pid| *pid > 1);
    let pid: i32 = pid.ok_or_else(|| stale("no process can have this number".to_owned()))?;
    let (Some(title), Some(stat)) = (title(pid), stat(pid)) else {
        return Err(stale("no such process".to_owned()));
    };
    if !title.starts_with("nginx: master process") {
        return Err(stale(format!("that is `{title}`")));
    }
    if let Some(other) = other_conf(&title, conf) {
        return Err(stale(format!("that NGINX runs with `{}`", other.display())));
    }
    Ok(Master {
        pid,
        started: stat.started,
    })
}

impl Master {
    /// Whether it is still the same process.
    pub(super) fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started)
    }

    /// Its workers, of every generation.
    #[must_use]
    pub fn workers(self) -> Vec<Worker> {
        let pids = process::all().into_iter();
        pids.filter_map(|pid| self.worker(i32::try_from(pid).ok()?))
            .collect()
    }

    fn worker(self, pid: i32) -> Option<Worker> {
        let stat = stat(pid).filter(|stat| i32::try_from(stat.parent) == Ok(self.pid))?;
        // One that has just been forked still has its master's title, and does not serve.
        let title = title(pid)?;
        let rest = title.strip_prefix("nginx: worker process")?;
        Some(Worker {
            pid,
            shutting_down: rest.starts_with(" is shutting down"),
            started: stat.started,
        })
    }
}

fn stat(pid: i32) -> Option<Stat> {
    Stat::of(u32::try_from(pid).ok()?)
}

/// The command line, which NGINX makes its title.
fn title(pid: i32) -> Option<String> {
    process::cmdline(u32::try_from(pid).ok()?)
}

/// The configuration a master was started with, when it is known not to be `conf`: a
/// stale pid file may name the master of another NGINX.
fn other_conf(title: &str, conf: &Path) -> Option<PathBuf> {
    let mut words = title.split(' ').skip_while(|word| *word != "-c");
    let named = PathBuf::from(words.nth(1)?);
    let same = match (fs::canonicalize(&named), fs::canonicalize(conf)) {
        (Ok(named), Ok(conf)) => named == conf,
        // Relative to a folder we do not know, or with a space in it: not known to differ.
        _ => true,
    };
    (!same).then_some(named)
}
