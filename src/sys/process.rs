//! Processes as the kernel shows them in `/proc`: who they are, what they belong to, and how
//! they are ended. A process is known by its pid and the moment it began, so that a pid the
//! kernel has given away again is never signalled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::command::RUN_MARK;
use crate::fault;

mod stat;

pub use stat::Stat;

/// How often a wait looks.
const POLL: Duration = Duration::from_millis(10);

/// How often a wait looks that has to read every process's variables: about 5 ms of work
/// with 200 processes.
const SCAN: Duration = Duration::from_millis(50);

/// How long a killed process may take to be gone: it may be deep in a disk write.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// One process, not just its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub started: u64,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was none any more.
    Gone,
    /// By itself and all it had started, after SIGTERM.
    Terminated,
    /// Something of it had to be killed.
    Killed,
}

impl Process {
    /// The process that has `pid` now, `None` when there is none or it has ended.
    #[must_use]
    pub fn of(pid: u32) -> Option<Process> {
        let stat = Stat::of(pid).filter(Stat::is_alive)?;
        Some(Process {
            pid,
            started: stat.started,
        })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        Process::of(self.pid) == Some(*self)
    }

    /// Sends `signal`; a process that is gone is no error.
    ///
    /// # Errors
    /// When it belongs to another user.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        let Some(pid) = i32::try_from(self.pid).ok().filter(|pid| *pid > 1) else {
            return Err(Errno::EINVAL);
        };
        if !self.alive() {
            return Ok(());
        }
        fault::file("signal", Path::new(signal.as_str())).map_err(|_| Errno::EPERM)?;
        match kill(Pid::from_raw(pid), signal) {
            Err(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }
}

/// The name that the kernel gave to this boot; empty where it does not tell.
#[must_use]
pub fn boot() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    name.trim().to_owned()
}

/// Every pid there is.
#[must_use]
pub fn all() -> Vec<u32> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// `pid` and everything that descends from it, parents first. A child whose own parent has
/// ended is not found: the kernel gives it to another one.
#[must_use]
pub fn tree(pid: u32) -> Vec<u32> {
    trees(&[pid])
}

/// The same of several processes, each of all these once.
#[must_use]
pub fn trees(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for child in all() {
        if let Some(stat) = Stat::of(child) {
            children.entry(stat.parent).or_default().push(child);
        }
    }
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut ahead: VecDeque<u32> = roots.iter().copied().collect();
    while let Some(pid) = ahead.pop_front() {
        if seen.insert(pid) {
            found.push(pid);
            ahead.extend(children.remove(&pid).unwrap_or_default());
        }
    }
    found
}

/// The folder a process is in, links resolved; `None` when it is gone or another user's.
#[must_use]
pub fn cwd(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The words a process was started with, joined by spaces; `None` when it is gone or a part
/// of the kernel.
#[must_use]
pub fn cmdline(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    Some(words.join(" ").trim_end().to_owned()).filter(|line| !line.is_empty())
}

/// The variables a process was started with; `None` when it is gone, another user's, or has
/// written over them, as programs do that give themselves a title.
#[must_use]
pub fn env(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ"))
        .ok()
        .filter(|bytes| bytes.contains(&b'='))
}

/// Whether a process was started with the variable `name` set to `value`.
#[must_use]
pub fn env_has(pid: u32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    env(pid).is_some_and(|env| env.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes()))
}

/// Whose process it is, as a user id; `None` when it is gone.
#[must_use]
pub fn owner(pid: u32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|meta| meta.uid())
}

/// What `run` has started and what is still there, of this user, wherever in the process tree
/// it is by now.
#[must_use]
pub fn marked(run: &str) -> Vec<Process> {
    with_variable(RUN_MARK, run)
}

/// The other processes of this user that were started with the variable `name` set to `value`.
#[must_use]
pub fn with_variable(name: &str, value: &str) -> Vec<Process> {
    let (own, user) = (std::process::id(), nix::unistd::geteuid().as_raw());
    all()
        .into_iter()
        .filter(|pid| *pid != own && owner(*pid) == Some(user) && env_has(*pid, name, value))
        .filter_map(Process::of)
        .collect()
}

/// Ends a process and everything it has started: SIGTERM to itself, so that it ends its own
/// workers as it likes; what outlives it gets SIGTERM too; after `grace` all of it is killed.
///
/// Returns when all is gone, `grace` and 5 s later at the latest.
///
/// # Errors
/// When it belongs to another user.
pub async fn end(process: Process, grace: Duration) -> Result<Ended, Errno> {
    end_by(process, Signal::SIGTERM, grace).await
}

/// The same with another signal to the process itself.
///
/// # Errors
/// As [`end`].
pub async fn end_by(process: Process, signal: Signal, grace: Duration) -> Result<Ended, Errno> {
    if !process.alive() {
        return Ok(Ended::Gone);
    }
    let deadline = Instant::now() + grace;
    let mut family = processes(&tree(process.pid));
    process.signal(signal)?;
    if gone_by(&[process], deadline).await {
        signal_all(&family, Signal::SIGTERM);
    } else {
        family.extend(processes(&tree(process.pid)));
    }
    finish(family, deadline).await
}

/// Ends what a dead run has left behind, as [`end`] does, and returns how many there were.
/// What they start meanwhile is found too.
pub async fn end_marked(run: &str, grace: Duration) -> usize {
    let deadline = Instant::now() + grace;
    let mut ended: Vec<Process> = Vec::new();
    loop {
        let left = marked(run);
        let fresh: Vec<Process> = left.iter().filter(|one| !ended.contains(one)).copied().collect();
        let late = Instant::now() >= deadline;
        if left.is_empty() || Instant::now() >= deadline + KILLED_WITHIN {
            return ended.len();
        }
        signal_all(&fresh, Signal::SIGTERM);
        ended.extend(fresh);
        if late {
            signal_all(&left, Signal::SIGKILL);
        }
        tokio::time::sleep(SCAN).await;
    }
}

async fn finish(family: Vec<Process>, deadline: Instant) -> Result<Ended, Errno> {
    if gone_by(&family, deadline).await {
        return Ok(Ended::Terminated);
    }
    signal_all(&family, Signal::SIGKILL);
    gone_by(&family, Instant::now() + KILLED_WITHIN).await;
    Ok(Ended::Killed)
}

fn processes(pids: &[u32]) -> Vec<Process> {
    pids.iter().filter_map(|pid| Process::of(*pid)).collect()
}

/// A child of another user cannot be signalled and is left to its owner.
fn signal_all(processes: &[Process], signal: Signal) {
    for process in processes {
        process.signal(signal).ok();
    }
}

/// Waits for the end of all of `processes`, until `deadline`.
pub async fn gone_by(processes: &[Process], deadline: Instant) -> bool {
    loop {
        if !processes.iter().any(Process::alive) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests;
