//! What a run notes: facts that need nothing to be done.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::shown;
use crate::color::{Color, Route};
use crate::compare::Page;
use crate::drift::Drift;
use crate::failure::Deployment;
use crate::recovery::Interrupted;
use crate::release::ReleaseId;
use crate::written::WrittenData;

/// Something that an operator may want to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Note {
    /// Pages of a release were compared with those of the live color, and visitors would meet no new
    /// failure.
    Compared {
        /// How many.
        asked: usize,
        /// Those of them of which nothing follows: the live color fails there itself, say.
        #[serde(default)]
        unclear: usize,
        /// Those that differ otherwise.
        pages: Vec<Page>,
    },
    /// A preview is over: whoever has its link is told so.
    PreviewOver {
        /// The color that it showed.
        color: Color,
        /// Who opened it; none where its file cannot be read.
        by: Option<String>,
    },
    /// There was nothing to do: what was asked for is live.
    AlreadyLive {
        /// What is live.
        live: Deployment,
    },
    /// Somebody asked to stop when traffic had moved, and the run is finished instead.
    StopTooLate,
    /// The client asked a host to stop before traffic moves.
    AskedHostToStop {
        /// The host's name.
        on: String,
    },
    /// The client was asked to stop a command on several hosts.
    AskedHostsToStop {
        /// How far they had come.
        when: FleetStage,
    },
    /// The client stays, and leads hosts through a canary or a bake.
    LeadsHosts {
        /// Their names.
        hosts: Vec<String>,
    },
    /// The app's own smoke test passed.
    SmokePassed {
        /// The command.
        command: String,
    },
    /// A release was tried before it gets its slot, and works.
    PreflightPassed {
        /// The release.
        release: ReleaseId,
        /// What was tried.
        tried: TriedBy,
        /// How long it took.
        took_ms: u64,
    },
    /// A release was tried before it gets its slot, and neither answered nor ended.
    PreflightUnclear {
        /// The release.
        release: ReleaseId,
        /// How long it was tried.
        took_ms: u64,
    },
    /// A slot is not touched for a while: requests from before the last switch may still arrive.
    WaitingForLateRequests {
        /// The color.
        color: Color,
        /// How long.
        wait_ms: u64,
    },
    /// A slot is not stopped while connections to it are open.
    WaitingForConnections {
        /// The color.
        color: Color,
        /// How many are open.
        open: usize,
        /// The longest that they are waited for.
        wait_ms: u64,
        /// What the app then gets to stop, where it is stopped with connections open.
        stop_ms: Option<u64>,
    },
    /// A color was started anew, as it was not running.
    ColdStart {
        /// The color.
        color: Color,
        /// Its release.
        release: ReleaseId,
        /// Why it was not used as it is.
        problem: String,
    },
    /// PM2 has only just started a color, which gets the time of a new one.
    StillStarting {
        /// The color.
        color: Color,
    },
    /// The slot runs again what it held before the run.
    SlotRestored {
        /// The color.
        color: Color,
        /// What it held.
        release: ReleaseId,
    },
    /// The process that was adopted is gone from PM2.
    AdoptedRetired {
        /// Its name in PM2.
        process: String,
        /// Its work tree, which is left as it is.
        checkout: PathBuf,
    },
    /// A shared path had no content yet and got that of the commit.
    SharedSeeded {
        /// The path, relative to the release.
        #[serde(serialize_with = "shown::path")]
        path: PathBuf,
    },
    /// An old release is kept for the data in it.
    ReleaseHoldsData {
        /// The release.
        release: ReleaseId,
        /// What was written into it.
        data: WrittenData,
    },
    /// What `bg repair` sets out to do.
    RepairPlanned(RepairStep),
    /// A file of NGINX's keeps what others wrote into it.
    EditsKept {
        /// The file.
        path: PathBuf,
    },
    /// NGINX's configuration changed in nothing that it would have to read.
    NginxUnchanged,
    /// NGINX reads the new configuration.
    NginxReloaded,
    /// The folders of an app are there.
    LaidOut {
        /// The app's root.
        path: PathBuf,
    },
    /// The site answers through the new files as it did before.
    AdoptionProven {
        /// The color that answers.
        color: Color,
        /// Paths that the app answered.
        by_the_app: usize,
        /// Paths that something else answered.
        by_others: usize,
        /// The names that it was asked for as.
        names: Vec<String>,
    },
    /// Data was moved into `shared`.
    DataShared {
        /// The paths, relative to it.
        #[serde(serialize_with = "shown::paths")]
        paths: Vec<PathBuf>,
    },
    /// A process is a color now, and was not started again for it.
    Adopted {
        /// Its name in PM2.
        process: String,
        /// The color.
        color: Color,
    },
    /// The site is as it was before it was adopted.
    AdoptionUndone,
    /// An app is removed from the host.
    Removed {
        /// The app.
        app: String,
    },
    /// The last of an app is gone from the host.
    Purged {
        /// The app.
        app: String,
    },
    /// There was nothing to commit and nothing to push.
    NothingToSend,
    /// What `bg deploy -m` commits and pushes.
    Sending {
        /// The message of the commit; none where nothing is to be committed.
        message: Option<String>,
        /// The branch.
        branch: String,
        /// Where it is pushed; none where the work tree is the source itself.
        remote: Option<Remote>,
        /// Earlier commits that are pushed along; `null` where that is not known.
        earlier: Option<usize>,
        /// The first changed files.
        changes: Vec<ChangedFile>,
        /// How many files are changed beyond those.
        more: usize,
    },
    /// A commit was pushed.
    Pushed {
        /// The full commit.
        commit: String,
        /// The branch.
        branch: String,
        /// The remote's name.
        remote: String,
    },
    /// A folder was packed to be uploaded.
    Packed {
        /// The folder's name.
        folder: String,
        /// How many files are in it.
        files: usize,
        /// The commit that it became.
        commit: String,
    },
    /// The engine was installed on a host.
    EngineInstalled {
        /// The host's name.
        on: String,
        /// Its version.
        engine: String,
    },
    /// A host is no longer in doubt.
    DoubtSettled {
        /// The host's name.
        on: String,
    },
}

/// How a release was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriedBy {
    /// Its module was imported.
    Import,
    /// It was started on a spare port.
    Start,
}

/// How far a command on several hosts had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetStage {
    /// Traffic had not moved: every host is asked to stop.
    BeforeTheMove,
    /// Traffic was moving: all finish, or all go back.
    Moving,
    /// They were stopping.
    Stopping,
}

/// A remote of git's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Its address, without passwords.
    pub address: String,
}

/// A file of a work tree that is not as in the last commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// The two letters of `git status --short`.
    pub code: String,
    /// Relative to the top of the work tree.
    #[serde(serialize_with = "shown::path")]
    pub path: PathBuf,
}

/// One thing that `bg repair` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum RepairStep {
    /// Bring a run that died to its end.
    EndRun(Interrupted),
    /// Make NGINX read the link.
    FollowLink {
        /// Where the link points.
        link: Route,
        /// From where NGINX answers.
        nginx: Route,
    },
    /// Mend what is not as the last run left it.
    Mend(Drift),
    /// Bring a worker to what the live release wants.
    SettleWorker {
        /// The worker.
        worker: String,
        /// What is wrong with it.
        problem: String,
        /// The release that it is handed over to; none where it is stopped.
        release: Option<ReleaseId>,
    },
}
