//! What a run warns of: facts that an operator should look at.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::shown;
use crate::color::Color;
use crate::drift::{Drift, Foreign};
use crate::failure::Deployment;
use crate::journal::{Damage, RunId};
use crate::release::ReleaseId;
use crate::strategy::ReloadCost;
use crate::written::{LeftBehind, WrittenData};

/// Something that an operator should look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Warning {
    /// A step failed, and the run went on without it.
    StepFailed {
        /// The step.
        step: Step,
        /// What failed, and why.
        problem: String,
    },
    /// Something is not as the last run left it.
    Drifted(Drift),
    /// Somebody else's process has the port of a color.
    PortTaken(Foreign),
    /// Another command holds the lock: a deploy would wait for it.
    OtherRunGoesOn {
        /// Who holds it.
        holder: String,
        /// How long a deploy would wait.
        wait_ms: u64,
    },
    /// A run was cut off: a deploy would finish or undo it first.
    RunCutOff {
        /// Its name.
        run: RunId,
    },
    /// The journal was damaged.
    JournalDamaged(Damage),
    /// A migration was cut off, and the schema may be half-way.
    MigrationCutOff {
        /// The run's name.
        run: String,
        /// The release that it was for.
        release: ReleaseId,
        /// The backup from before, where one was made.
        backup: Option<PathBuf>,
    },
    /// A migration was cut off, and the note of it cannot be read.
    MigrationCutOffUnnamed,
    /// A color answers and its health checks fail, which do not count.
    UnhealthyAnyway {
        /// The color.
        color: Color,
        /// What fails.
        problem: String,
        /// The color that fails the same way; none where nothing was live before.
        alike: Option<Color>,
    },
    /// What is live answers, and its health checks fail.
    LiveUnhealthy {
        /// What is live.
        live: Deployment,
        /// What fails.
        problem: String,
    },
    /// A color still had requests when its time was over, and was left running.
    LeftBusy {
        /// The color.
        color: Color,
    },
    /// A failed run found its color serving visitors, and left it so.
    LeftServing {
        /// The color.
        color: Color,
        /// What was found.
        problem: String,
    },
    /// The slot could not be given back what it held before the run.
    SlotNotRestored {
        /// The color.
        color: Color,
        /// What it held.
        release: ReleaseId,
        /// Why not.
        problem: String,
    },
    /// The slot is empty: what it held was adopted, and only its owner could start that.
    AdoptedNotRestored {
        /// The color.
        color: Color,
        /// The process's name in PM2.
        process: String,
    },
    /// The client was lost before all hosts confirmed: whether the others moved is not known.
    InDoubt,
    /// A worker does not run as it should; the run fails for another one.
    WorkerFailed(WorkerTrouble),
    /// A check before the deploy found something.
    CheckFound {
        /// What was looked at.
        subject: String,
        /// What was found.
        found: String,
        /// What to do about it.
        fix: Option<String>,
    },
    /// A release is made live that was refused or rolled back before.
    RefusedBefore {
        /// The release.
        release: ReleaseId,
    },
    /// The commit does not have in its history what the schema was last changed for.
    OlderThanSchema {
        /// The release that changed the schema.
        contract: ReleaseId,
        /// Why earlier releases cannot work with it.
        reason: String,
    },
    /// The next release starts without data, as was asked for.
    DataLeftBehind(LeftBehind),
    /// Traffic goes to a color that does not see data of the other one.
    DataStaysBehind {
        /// Whose data it is.
        live: Deployment,
        /// The data.
        data: WrittenData,
    },
    /// A static file changed its content under the same name.
    AssetChanged {
        /// The file, below the static files.
        #[serde(serialize_with = "shown::path")]
        path: PathBuf,
    },
    /// Static files that are links, which NGINX does not follow.
    StaticLinks {
        /// Which, relative to the release.
        #[serde(serialize_with = "shown::paths")]
        paths: Vec<PathBuf>,
    },
    /// A submodule was not fetched.
    SubmoduleEmpty {
        /// Its folder, relative to the top of the commit.
        #[serde(serialize_with = "shown::path")]
        path: PathBuf,
    },
    /// A file of Git LFS was not fetched, as git's configuration has it.
    LfsFileExcluded {
        /// The file, relative to the top of the commit.
        #[serde(serialize_with = "shown::path")]
        path: PathBuf,
    },
    /// A commit changes tracked files that the app does not read from the release.
    SharedChanged(SharedChange),
    /// A value of the environment file looks as if it were to be expanded.
    NotExpanded(Unexpanded),
    /// The notification had no address: the environment file lacks it.
    NoWebhook {
        /// The variable's name.
        variable: String,
    },
    /// A reload of NGINX may lose requests to every site of the host.
    ReloadCosts(ReloadCost),
    /// Work is here that the deploy does not take along.
    NotSent {
        /// Commits that are not pushed.
        commits: usize,
        /// Changed files that are not committed.
        files: usize,
        /// The remote whose commits are deployed; none where the work tree is the source.
        remote: Option<String>,
        /// The short hash of the remote's branch, as far as git was told of it.
        theirs: Option<String>,
        /// Whether `bg deploy -m` would take it along.
        can_be_sent: bool,
    },
    /// A file with the name of a secret is uploaded.
    SecretUploaded {
        /// The file, relative to the folder.
        #[serde(serialize_with = "shown::path")]
        path: PathBuf,
    },
    /// The public URL did not answer before the command began.
    UrlDownBefore {
        /// What it did.
        problem: String,
    },
    /// A line of an SSH configuration has no effect.
    SshSettingIgnored(SshSetting),
    /// The connection to a host broke, which is asked how the run ended.
    ConnectionLost {
        /// The host's name.
        on: String,
        /// How it broke.
        problem: String,
    },
}

/// A step that a run can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Writing down that traffic moved.
    RecordProof,
    /// Writing down how the run ended.
    RecordEnd,
    /// Giving the slot back what it held.
    RestoreSlot,
    /// Stopping what the run had started.
    StopCandidate,
    /// Bringing the workers to what is live.
    SettleWorkers,
    /// Saving PM2's list for a reboot.
    SaveProcessList,
    /// Starting what PM2 kept.
    ResurrectProcesses,
    /// Compiling the app's modules.
    Compile,
    /// The hooks for a failure.
    OnFailure,
    /// Telling `[notify]`.
    Notify,
    /// Ending previews, or closing the site to them.
    Previews,
    /// Watching a release.
    Watch,
}

/// A worker that does not run as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerTrouble {
    /// The worker.
    pub worker: String,
    /// The release that it should run; none where it should stop.
    pub release: Option<ReleaseId>,
    /// The release that it runs instead.
    pub runs: Option<ReleaseId>,
    /// Why it does not run its earlier release either.
    pub back: Option<String>,
    /// Why it is not as it should be.
    pub problem: String,
}

impl WorkerTrouble {
    /// What failed, in a sentence.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.release {
            Some(release) => format!("worker `{}` did not start on {}", self.worker, release.short()),
            None => format!("worker `{}` was not stopped", self.worker),
        }
    }
}

/// The same, and what it runs now.
impl fmt::Display for WorkerTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match (&self.runs, &self.back) {
            (Some(release), _) => write!(f, "; it runs {} again", release.short()),
            (None, Some(problem)) => write!(f, "; it does not run at all: {problem}"),
            (None, None) => f.write_str("; it does not run at all"),
        }
    }
}

/// Tracked files that a commit changes below paths of `shared`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedChange {
    /// The full commit.
    pub commit: String,
    /// The commit that is live.
    pub live: String,
    /// The repository on the host.
    pub repository: PathBuf,
    /// The folder with what is shared.
    pub folder: PathBuf,
    /// How many files.
    pub files: usize,
    /// What it changes; empty where the files are too many.
    #[serde(serialize_with = "shown::paths")]
    pub changed: Vec<PathBuf>,
    /// What it deletes; empty where the files are too many.
    #[serde(serialize_with = "shown::paths")]
    pub deleted: Vec<PathBuf>,
    /// Where the files are too many: the shared paths that they lie below.
    #[serde(serialize_with = "shown::paths")]
    pub below: Vec<PathBuf>,
}

/// A reference in an environment file that stays as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpanded {
    /// The file.
    pub file: PathBuf,
    /// The line that the value begins on, counted from 1.
    pub line: usize,
    /// Whose value it is.
    pub variable: String,
    /// `${HOME}`.
    pub reference: String,
}

/// A line of an SSH configuration that has no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshSetting {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What stands there.
    pub setting: String,
    /// Why it has none.
    pub reason: WithoutEffect,
}

/// Why a line of an SSH configuration has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutEffect {
    /// Host keys are always checked.
    HostKeysAreChecked,
    /// This client does not have it.
    Unsupported,
    /// Only `ssh` itself can evaluate it; the lines under it are passed over.
    NotEvaluated,
}
