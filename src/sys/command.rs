//! Starts a system program and waits for it: argv, never a shell string; a minimal
//! environment; a session of its own; a deadline, after which all of it is killed.

mod actor;
mod fit;
mod found;
mod instead;
mod lines;
mod output;
mod session;
mod streams;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User};

use crate::path_security::Untrusted;
use actor::{ACTOR, FOR_ALL};
pub use actor::{act_as, acts_for_somebody, home};
pub use found::find_program;
use output::read_capped;
pub use session::begin_session;
use streams::Input;

/// The variable that marks every program of a run, so that the next run can find what a
/// killed one left behind.
pub const RUN_MARK: &str = "BG_RUN";

static RUN: OnceLock<String> = OnceLock::new();

/// From here on every program is marked as part of `run`.
pub fn mark_run(run: &str) {
    RUN.get_or_init(|| run.to_owned());
}

static FORGOTTEN: OnceLock<()> = OnceLock::new();

/// From here on programs get nothing of what whoever started us had in the environment, and
/// find others where the system keeps them.
pub fn forget_the_environment() {
    FORGOTTEN.get_or_init(|| ());
}

const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that programs need from whoever started us. Everything else stays outside.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "BG_REGISTRY",
];

/// A command line, not yet started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    deadline: Duration,
    marked: bool,
    watched: bool,
    input: Input,
    user: Option<(u32, u32)>,
    largest: Option<u64>,
}

/// What a program that ended well has printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, the same way.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

/// A program that could not be started, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such program.
    #[error("`{program}` is not installed, or not on PATH")]
    NotFound {
        /// What was looked for.
        program: String,
    },
    /// The program is there and cannot be started.
    #[error("`{command}` cannot be started")]
    Spawn {
        /// The command line.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Root would run what somebody else can change.
    #[error("`{program}` is not run with root's rights")]
    Untrusted {
        /// The program.
        program: String,
        /// Who can change it.
        #[source]
        source: Untrusted,
    },
    /// The deadline passed; the program and its children were killed.
    #[error("`{command}` did not end within {} s and was killed", .after.as_secs_f64())]
    TimedOut {
        /// The command line.
        command: String,
        /// The deadline.
        after: Duration,
    },
    /// It ended with another status than 0.
    #[error("`{command}` failed ({status}){}", tail(.output))]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Both outputs, standard output first.
        output: String,
    },
}

/// The last lines of a program's output, indented under the message that names it.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(20);
    lines
        .iter()
        .skip(skipped)
        .map(|line| format!("\n  {line}"))
        .collect()
}

impl Command {
    /// `program`, found on PATH unless it is a path.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Command {
        Command {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            deadline: Duration::from_secs(30),
            marked: true,
            watched: false,
            input: Input::Nothing,
            user: None,
            largest: None,
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Command {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Command {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// One more variable, which wins over one that is passed on.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Command {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The folder it starts in.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Command {
        self.folder = Some(folder.into());
        self
    }

    /// The deadline, 30 s without this.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Command {
        self.deadline = deadline;
        self
    }

    /// Without the mark of the run: for a program that starts something meant to outlive
    /// the run, as PM2's daemon.
    #[must_use]
    pub fn unmarked(mut self) -> Command {
        self.marked = false;
        self
    }

    /// With a pipe as its standard input that nothing is written to and that closes when
    /// this process ends, however that is.
    #[must_use]
    pub fn watching_us(mut self) -> Command {
        self.watched = true;
        self
    }

    /// With a file as its standard input.
    #[must_use]
    pub fn reading(mut self, file: impl Into<PathBuf>) -> Command {
        self.input = Input::File(file.into());
        self
    }

    /// In our own process group and with our standard input, so that it may ask who sits at
    /// the terminal; not once root became somebody else. Past its deadline it alone is killed.
    #[must_use]
    pub fn at_the_terminal(mut self) -> Command {
        self.input = Input::Ours;
        self
    }

    /// As another user with no group but their own; only root can.
    #[must_use]
    pub fn by(mut self, user: &User) -> Command {
        self.user = Some((user.uid.as_raw(), user.gid.as_raw()));
        self.env("HOME", &user.dir)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name)
    }

    /// Runs it to its end and expects status 0.
    ///
    /// # Errors
    /// When it cannot be started, ends with another status, or misses the deadline.
    pub async fn run(&self) -> Result<Output, CommandError> {
        let output = self.finish().await?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(CommandError::Failed {
                command: self.to_string(),
                status: output.status,
                output: output.stdout + &output.stderr,
            })
        }
    }

    /// Runs it to its end, whatever its status.
    ///
    /// # Errors
    /// When it cannot be started or misses the deadline.
    pub async fn finish(&self) -> Result<Output, CommandError> {
        let started = Instant::now();
        let mut child = self.ready()?.spawn().map_err(|source| self.not_started(source))?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // `wait` would close it first.
        let _stdin = child.stdin.take();
        let whole = async {
            let (stdout, stderr) = tokio::join!(read_capped(stdout), read_capped(stderr));
            child.wait().await.map(|status| (status, stdout, stderr))
        };
        match tokio::time::timeout(self.deadline, whole).await {
            Ok(Ok((status, stdout, stderr))) => Ok(Output {
                status,
                stdout,
                stderr,
                took: started.elapsed(),
            }),
            Ok(Err(source)) => Err(self.not_started(source)),
            Err(_) => {
                if let Some(group) = group {
                    killpg(group, Signal::SIGKILL).ok();
                }
                Err(CommandError::TimedOut {
                    command: self.to_string(),
                    after: self.deadline,
                })
            }
        }
    }

    /// Starts it and leaves it to itself, without any of our streams.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn detach(&self) -> Result<(), CommandError> {
        let mut command = self.ready()?;
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(false);
        command
            .spawn()
            .map(drop)
            .map_err(|source| self.not_started(source))
    }

    /// What every way to run it starts: the fault that the tests have asked for in its place,
    /// if any, with its standard input connected.
    fn ready(&self) -> Result<tokio::process::Command, CommandError> {
        self.is_fit_for_root()?;
        let program = self.or_a_fault().map_err(|source| self.not_started(source))?;
        let mut command = program.prepare();
        let connected = self.input.connect(&mut command, self.stays_at_the_terminal());
        connected.map_err(|source| self.not_started(source))?;
        self.apart(&mut command);
        Ok(command)
    }

    fn prepare(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if FORGOTTEN.get().is_some() {
            command.env("PATH", SYSTEM_PATH);
        } else {
            let known = PASSED_ON.iter().map(|name| (name, std::env::var_os(name)));
            command.envs(known.filter_map(|(name, value)| Some((name, value?))));
        }
        if let Some(user) = ACTOR.get() {
            command
                .env("TMPDIR", FOR_ALL)
                .env("HOME", &user.dir)
                .env("USER", &user.name)
                .env("LOGNAME", &user.name);
        }
        if let (true, Some(run)) = (self.marked, RUN.get()) {
            command.env(RUN_MARK, run);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if self.watched {
            command.stdin(Stdio::piped());
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn not_started(&self, source: std::io::Error) -> CommandError {
        let folder_is_there = self.folder.as_ref().is_none_or(|folder| folder.is_dir());
        if source.kind() == std::io::ErrorKind::NotFound && folder_is_there {
            CommandError::NotFound {
                program: self.program.display().to_string(),
            }
        } else {
            CommandError::Spawn {
                command: self.to_string(),
                source,
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        for arg in &self.args {
            let word = arg.to_string_lossy();
            let quoted = shlex::try_quote(&word).unwrap_or_else(|_| word.clone());
            write!(f, " {quoted}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
