//! NGINX: what it is, what it reads, and whether it serves what it was told.

pub mod build;
pub mod dump;
mod error;
pub mod files;
pub mod master;
pub mod names;
pub mod raw;
pub mod readers;
pub mod switcher;
pub mod syntax;
pub mod written;

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::layout::Entry;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sys::command::Command;
use sys::fault;

use build::Build;
use dump::Dump;
pub use error::NginxError;
use master::{Master, Worker};

/// How often the workers are looked at while a reload is awaited: it takes 110 to 150 ms,
/// and one look costs about 1 ms with 200 processes.
const LOOK: Duration = Duration::from_millis(10);

/// What somebody else's half-done change is given to be finished: certbot takes its links
/// away and makes them again.
const SECOND_TRY: Duration = Duration::from_millis(300);

/// One NGINX of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nginx {
    /// The program.
    pub bin: PathBuf,
    /// Its main configuration file.
    pub conf: PathBuf,
    /// Where its master writes its pid.
    pub pid_file: PathBuf,
}

/// A reload that was seen to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// From the signal to the new generation.
    pub took: Duration,
    /// The pids of the workers that were replaced; they may still finish requests.
    pub old_workers: Vec<i32>,
}

/// How long a test holds.
const FRESH: Duration = Duration::from_secs(1);

/// A configuration that NGINX would take, as it was a moment ago.
#[derive(Debug)]
pub struct Tested {
    error_log: Option<PathBuf>,
    at: Instant,
}

impl Tested {
    /// Whether the test was just now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }
}

impl From<&Entry> for Nginx {
    fn from(entry: &Entry) -> Nginx {
        Nginx {
            bin: entry.nginx_bin.clone(),
            conf: entry.nginx_conf.clone(),
            pid_file: entry.nginx_pid.clone(),
        }
    }
}

impl Nginx {
    /// Asks for version and modules.
    ///
    /// # Errors
    /// When it cannot be run, or names no version.
    pub async fn build(&self) -> Result<Build, NginxError> {
        let output = Command::new(&self.bin).arg("-V").run().await?;
        build::parse(&(output.stderr + &output.stdout)).ok_or_else(|| NginxError::NoVersion {
            bin: self.bin.clone(),
        })
    }

    /// Tests the configuration and reads all of it.
    ///
    /// # Errors
    /// When it is broken.
    pub async fn dump(&self, deadline: Duration) -> Result<Dump, NginxError> {
        self.checked("-T", deadline)
            .await
            .map(|output| Dump::parse(&output))
    }

    /// Tests the configuration as it is on disk.
    ///
    /// # Errors
    /// [`NginxError::Rejected`] with the place that NGINX names.
    pub async fn test(&self, deadline: Duration) -> Result<(), NginxError> {
        self.checked("-t", deadline).await.map(|_| ())
    }

    /// The same for somebody who is about to have it applied.
    ///
    /// # Errors
    /// As [`Nginx::test`].
    pub async fn tested(&self, deadline: Duration) -> Result<Tested, NginxError> {
        let error_log = self.dump(deadline).await?.error_log();
        let at = Instant::now();
        Ok(Tested { error_log, at })
    }

    async fn checked(&self, flag: &str, deadline: Duration) -> Result<String, NginxError> {
        let command = Command::new(&self.bin).args([flag, "-c"]).arg(&self.conf);
        let output = command.deadline(deadline).finish().await?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(error::rejected(output.stderr.trim_end()))
        }
    }

    /// The master that runs now.
    ///
    /// # Errors
    /// When the pid file names none.
    pub fn master(&self) -> Result<Master, NginxError> {
        master::find(&self.pid_file, &self.conf)
    }

    /// How many workers only finish what they began with an older configuration; none
    /// where NGINX does not run.
    #[must_use]
    pub fn old_workers(&self) -> usize {
        let workers = self.master().map(Master::workers).unwrap_or_default();
        workers.iter().filter(|worker| worker.shutting_down).count()
    }

    /// Applies the configuration on disk, and sees that it is in force: new workers serve and
    /// no old one takes a connection. It is tested before, unless that was just done. Tried
    /// once more, after another test, when something that may pass was in the way, all within
    /// `deadline`.
    ///
    /// # Errors
    /// When the configuration is broken, the master cannot be found or signalled, or the
    /// old workers go on serving.
    pub async fn reload(&self, tested: Option<Tested>, deadline: Duration) -> Result<Applied, NginxError> {
        let until = Instant::now() + deadline;
        match self.reload_once(tested, deadline / 2).await {
            Err(error) if error.may_pass() => {
                tokio::time::sleep(SECOND_TRY.min(deadline / 10)).await;
                self.reload_once(None, until.saturating_duration_since(Instant::now()))
                    .await
            }
            other => other,
        }
    }

    async fn reload_once(&self, tested: Option<Tested>, patience: Duration) -> Result<Applied, NginxError> {
        let started = Instant::now();
        let tested = match tested {
            Some(tested) if tested.is_fresh() => tested,
            _ => self.tested(patience).await?,
        };
        let log = ErrorLog::new(tested.error_log);
        let master = self.master()?;
        let old: Vec<Worker> = master
            .workers()
            .into_iter()
            .filter(|w| !w.shutting_down)
            .collect();
        let signalled = Instant::now();
        // Not `nginx -s reload`: it would read the pid file again and signal whatever is
        // named there by then.
        let pid = Pid::from_raw(master.pid);
        fault::at("signal", Path::new("nginx/HUP"), || {
            Ok(kill(pid, Signal::SIGHUP)?)
        })
        .map_err(|source| NginxError::Signal {
            pid: master.pid,
            source,
        })?;
        loop {
            if is_replaced(&old, &master.workers()) {
                return Ok(Applied {
                    took: signalled.elapsed(),
                    old_workers: old.iter().map(|worker| worker.pid).collect(),
                });
            }
            if started.elapsed() > patience || !master.is_alive() {
                return Err(NginxError::NotApplied {
                    waited: signalled.elapsed(),
                    log: log.since(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// At least one worker is new, and no old one takes connections any more.
fn is_replaced(old: &[Worker], now: &[Worker]) -> bool {
    let is_old = |worker: &&Worker| {
        old.iter()
            .any(|o| (o.pid, o.started) == (worker.pid, worker.started))
    };
    let mut serving = now.iter().filter(|worker| !worker.shutting_down).peekable();
    serving.peek().is_some() && !serving.any(|worker| is_old(&worker))
}

/// The error log from here on.
struct ErrorLog {
    path: Option<PathBuf>,
    from: u64,
}

impl ErrorLog {
    /// More than this of the log is nobody's to read in an error.
    const MOST: u64 = 4096;

    fn new(path: Option<PathBuf>) -> ErrorLog {
        let about = path.as_ref().and_then(|path| std::fs::metadata(path).ok());
        ErrorLog {
            from: about.map_or(0, |about| about.len()),
            path,
        }
    }

    fn since(&self) -> String {
        self.read().unwrap_or_default().trim_end().to_owned()
    }

    fn read(&self) -> Option<String> {
        let mut file = std::fs::File::open(self.path.as_ref()?).ok()?;
        file.seek(SeekFrom::Start(self.from)).ok()?;
        let mut bytes = Vec::new();
        file.take(Self::MOST).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
