//! What a command put right before, or instead of, what it was asked for.

use serde::{Deserialize, Serialize};

use crate::color::Route;
use crate::drift::Drift;
use crate::journal::RunId;
use crate::recovery::Interrupted;

/// Something that was broken and is whole again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Repair {
    /// A run that had died half-way was brought to its end.
    RunEnded(Interrupted),
    /// A run that had died half-way was set aside, as somebody chose what is live.
    RunSetAside(Interrupted),
    /// Programs that a dead run had left were stopped.
    ProgramsStopped {
        /// The run's name.
        run: RunId,
        /// How many.
        programs: usize,
    },
    /// PM2's daemon was down and was started.
    Pm2Started {
        /// The names of what it started.
        processes: Vec<String>,
    },
    /// The live link was missing and was made.
    LinkMade {
        /// Where it points.
        route: Route,
    },
    /// Something that was not as the last run left it is mended.
    DriftMended(Drift),
    /// An adoption that was interrupted is finished.
    AdoptionFinished,
}
