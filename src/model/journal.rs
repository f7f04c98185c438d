//! What the journal says: the records, and what follows from them. The file is
//! read and written elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, Phase};
use crate::color::{Route, Share};
use crate::failure::Deployment;
use crate::release::ReleaseId;

/// Name of a run: when it began, to the millisecond, and its process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// The id of a run that begins at `now` in process `pid`, later than `newest` whatever
    /// the clock says.
    #[must_use]
    pub fn new(now: Timestamp, pid: u32, newest: Option<&RunId>) -> RunId {
        let at = |at: Timestamp| RunId(format!("{}-{pid}", at.strftime("%Y%m%dT%H%M%S%3fZ")));
        match newest {
            Some(newest) if at(now).stamp() <= newest.stamp() => {
                let last = newest.began_at().unwrap_or(now).max(now);
                at(last + jiff::SignedDuration::from_millis(1))
            }
            _ => at(now),
        }
    }

    fn stamp(&self) -> &str {
        self.0.split_once('-').map_or(self.0.as_str(), |(stamp, _)| stamp)
    }

    fn began_at(&self) -> Option<Timestamp> {
        let (seconds, millis) = self.stamp().strip_suffix('Z')?.split_at_checked(15)?;
        let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", seconds).ok()?;
        let at = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
        at.checked_add(jiff::SignedDuration::from_millis(millis.parse().ok()?))
            .ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run sets out to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `bg deploy`.
    Deploy,
    /// `bg switch`.
    Switch,
    /// `bg rollback`.
    Rollback,
    /// `bg maintenance`.
    Maintenance,
    /// `bg adopt`.
    Adopt,
    /// `bg repair`, where it notes what somebody else did.
    Repair,
    /// `bg preview`.
    Preview,
    /// `bg rollback --rehearse`.
    Rehearse,
    /// A step of a canary, up or down.
    Canary,
    /// What came of watching a release.
    Bake,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Deploy => "deploy",
            Verb::Switch => "switch",
            Verb::Rollback => "rollback",
            Verb::Maintenance => "maintenance",
            Verb::Adopt => "adopt",
            Verb::Repair => "repair",
            Verb::Preview => "preview",
            Verb::Rehearse => "rehearse",
            Verb::Canary => "canary",
            Verb::Bake => "watch",
        })
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A run begins.
    Begin {
        /// Its name.
        run: RunId,
        /// When.
        at: Timestamp,
        /// What it sets out to do.
        verb: Verb,
        /// Who asked.
        by: String,
        /// The route it found.
        from: Route,
        /// The release that is live.
        was: Option<ReleaseId>,
        /// Whether it takes part in a run on several hosts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fleet: bool,
        /// By what a client asks what came of it.
        #[serde(alias = "ticket", default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// It goes on to the next phase.
    Enter {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// The phase.
        phase: Phase,
        /// The route it is heading for.
        to: Route,
        /// The release in that color.
        release: Option<ReleaseId>,
        /// What the slot held before, where the run replaces it.
        replaces: Option<ReleaseId>,
    },
    /// It reached its end, and this is live.
    Commit {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// What it did.
        verb: Verb,
        /// What is live.
        live: Deployment,
        /// Whether the maintenance page stands in front.
        maintenance: bool,
        /// Who gets the other color, in a canary.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
        /// What was live before.
        was: Option<ReleaseId>,
        /// The line for `bg history`.
        summary: String,
        /// Whether the other hosts of the fleet were not heard of when it ended.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        doubt: bool,
    },
    /// It ended without; what was live before is live.
    Abort {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// What it had set out to do.
        verb: Verb,
        /// Why.
        reason: String,
        /// A release that was found unfit: refused by the gate, or put back after the swap.
        refused: Option<ReleaseId>,
        /// Whether there was nothing to do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        needless: bool,
    },
}

impl Record {
    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> &RunId {
        match self {
            Record::Begin { run, .. }
            | Record::Enter { run, .. }
            | Record::Commit { run, .. }
            | Record::Abort { run, .. } => run,
        }
    }
}

/// A run that neither committed nor aborted: it is under way, or its process died.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRun {
    /// The run.
    pub run: RunId,
    /// What it had set out to do.
    pub verb: Verb,
    /// The release that was live.
    pub was: Option<ReleaseId>,
    /// Whether it took part in a run on several hosts.
    pub fleet: bool,
    /// How far it had come.
    pub attempt: Attempt,
}

/// Where a run left traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What was live.
    pub live: Deployment,
    /// Whether the maintenance page stood in front.
    pub maintenance: bool,
    /// Who got the other color, in a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// What is wrong with the journal's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "damage", rename_all = "snake_case")]
pub enum Damage {
    /// A line cannot be parsed and is ignored.
    Unreadable {
        /// The line, counted from 1.
        line: usize,
    },
    /// The last line is incomplete and is ignored.
    Incomplete,
    /// The lines that cannot be parsed were moved to another file.
    SetAside {
        /// The file.
        file: PathBuf,
    },
}

/// The journal, folded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalState {
    /// The run that has not ended, if any: under way, or its process died.
    #[serde(skip)]
    pub open: Option<OpenRun>,
    /// The run that made live what is live, when it never heard how the other hosts did.
    pub doubt: Option<RunId>,
    /// What the last run that reached its end left behind.
    #[serde(default)]
    pub left: Option<Left>,
    before: BTreeMap<ReleaseId, ReleaseId>,
    unfit: BTreeSet<ReleaseId>,
}

impl JournalState {
    /// Folds the records, oldest first.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> JournalState {
        JournalState::default().and(records)
    }

    /// The same story with what was recorded since.
    #[must_use]
    pub fn and<'a>(mut self, records: impl IntoIterator<Item = &'a Record>) -> JournalState {
        for record in records {
            self.add(record);
        }
        self
    }

    /// The same story without releases for which `stands` says no: they never come back, for
    /// each build has a name of its own. What served before one that stands is kept, whether
    /// it stands or not.
    #[must_use]
    pub fn only(&self, stands: impl Fn(&ReleaseId) -> bool) -> JournalState {
        let mut state = self.clone();
        state.before.retain(|live, _| stands(live));
        let needed: BTreeSet<&ReleaseId> = state.before.values().collect();
        state.unfit.retain(|id| needed.contains(id) || stands(id));
        state
    }

    /// Takes in one more record.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Begin {
                run,
                verb,
                from,
                was,
                fleet,
                ..
            } => {
                self.open = Some(OpenRun {
                    run: run.clone(),
                    verb: *verb,
                    was: was.clone(),
                    fleet: *fleet,
                    attempt: Attempt::Preparing { from: *from },
                });
            }
            Record::Enter {
                run,
                phase,
                to,
                release,
                replaces,
                ..
            } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.run == *run) {
                    let (release, replaces) = (release.clone(), replaces.clone());
                    open.attempt = open.attempt.next(*phase, *to, release, replaces);
                }
            }
            Record::Commit {
                run,
                verb,
                live,
                maintenance,
                share,
                was,
                doubt,
                ..
            } => {
                self.open = None;
                self.left = Some(Left {
                    live: live.clone(),
                    maintenance: *maintenance,
                    share: *share,
                });
                // The page, a preview, or a candidate that is only made ready, ends no doubt.
                let stays = matches!(
                    verb,
                    Verb::Deploy | Verb::Maintenance | Verb::Preview | Verb::Rehearse | Verb::Bake
                );
                if *doubt || *was != live.release || !stays {
                    self.doubt = doubt.then(|| run.clone());
                }
                self.served(*verb, live.release.as_ref(), was.as_ref());
            }
            Record::Abort { refused, .. } => {
                self.open = None;
                self.unfit.extend(refused.clone());
            }
        }
    }

    fn served(&mut self, verb: Verb, live: Option<&ReleaseId>, was: Option<&ReleaseId>) {
        let Some(live) = live else { return };
        if was == Some(live) {
            return;
        }
        self.unfit.remove(live);
        match (verb, was) {
            (Verb::Rollback, Some(was)) => {
                self.unfit.insert(was.clone());
            }
            (_, Some(was)) => {
                self.before.insert(live.clone(), was.clone());
            }
            (_, None) => {}
        }
    }

    /// What a rollback from `live` goes to: what served before it, unless that was found
    /// unfit since.
    ///
    /// # Errors
    /// Says why there is nothing to go back to.
    pub fn rollback_target(&self, live: &ReleaseId) -> Result<&ReleaseId, NoRollback> {
        let Some(before) = self.before.get(live) else {
            return Err(NoRollback::NothingBefore(live.clone()));
        };
        if self.unfit.contains(before) {
            return Err(NoRollback::Unfit(before.clone()));
        }
        Ok(before)
    }

    /// Whether a release was ever live, as far as the journal knows.
    #[must_use]
    pub fn has_served(&self, release: &ReleaseId) -> bool {
        let now = self.left.as_ref().and_then(|left| left.live.release.as_ref());
        now == Some(release)
            || self.before.contains_key(release)
            || self.before.values().any(|before| before == release)
    }

    /// Whether a release was refused, put back, or rolled back from, and not live since.
    #[must_use]
    pub fn is_unfit(&self, release: &ReleaseId) -> bool {
        self.unfit.contains(release)
    }
}

/// Why there is nothing to roll back to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRollback {
    /// Nothing served before it, as far as the journal knows.
    #[error("the history has no release before {0}")]
    NothingBefore(ReleaseId),
    /// What served before was refused or rolled back from.
    #[error("the previous release {0} was itself refused or rolled back")]
    Unfit(ReleaseId),
    /// The slot was used for another release since.
    #[error("the previous release {0} is no longer in a slot")]
    Gone(ReleaseId),
}

#[cfg(test)]
mod tests;
