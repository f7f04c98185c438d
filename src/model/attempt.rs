//! A run that is under way: how far it has come, each state with what the way back from it needs.

use serde::{Deserialize, Serialize};

use crate::color::Route;
use crate::release::ReleaseId;

/// The name of a state, as the journal has it. Written and synced before the step that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Fetching and building; neither slot is touched.
    Preparing,
    /// The idle slot's old process is let go, or its new one started and gated.
    Replacing,
    /// About to rename the link: whether it happened, the link tells.
    Swapping,
    /// NGINX was seen to answer with the new route.
    Proven,
    /// About to rename the link back.
    PuttingBack,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// Fetching and building; neither slot is touched.
    Preparing {
        /// The route that it found.
        from: Route,
    },
    /// The idle slot's old process is let go, or its new one started and gated.
    Replacing {
        /// The route that it found.
        from: Route,
        /// The slot.
        slot: Replaced,
    },
    /// About to rename the link: whether it happened, the link tells.
    Swapping(Move),
    /// NGINX was seen to answer with the new route.
    Proven(Move),
    /// About to rename the link back.
    PuttingBack(Move),
}

/// A slot whose release gives way to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Replaced {
    /// The route on which it will be.
    pub to: Route,
    /// The release that comes.
    pub new: Option<ReleaseId>,
    /// The one that goes; none where the slot was empty.
    pub old: Option<ReleaseId>,
}

/// The way that traffic takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The route that the run found.
    pub from: Route,
    /// The one that it heads for.
    pub to: Route,
    /// The release in that color.
    pub release: Option<ReleaseId>,
    /// That color's slot, where the run has replaced what it held.
    pub replaced: Option<Replaced>,
}

impl Attempt {
    /// The next state, as a record of the journal tells it. `old` counts where a slot is
    /// replaced only.
    #[must_use]
    pub fn next(
        &self,
        phase: Phase,
        to: Route,
        release: Option<ReleaseId>,
        old: Option<ReleaseId>,
    ) -> Attempt {
        let from = self.from();
        let moving = |release| Move {
            from,
            to,
            release,
            replaced: self.replaced().cloned(),
        };
        match phase {
            Phase::Preparing => Attempt::Preparing { from },
            Phase::Replacing => Attempt::Replacing {
                from,
                slot: Replaced {
                    to,
                    new: release,
                    old,
                },
            },
            Phase::Swapping => Attempt::Swapping(moving(release)),
            Phase::Proven => Attempt::Proven(moving(release)),
            Phase::PuttingBack => Attempt::PuttingBack(moving(release)),
        }
    }

    /// On its way back, where traffic may have moved.
    #[must_use]
    pub fn back(self) -> Attempt {
        match self {
            Attempt::Swapping(way) | Attempt::Proven(way) | Attempt::PuttingBack(way) => {
                Attempt::PuttingBack(way)
            }
            unmoved => unmoved,
        }
    }

    /// The state's name in the journal.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Attempt::Preparing { .. } => Phase::Preparing,
            Attempt::Replacing { .. } => Phase::Replacing,
            Attempt::Swapping(_) => Phase::Swapping,
            Attempt::Proven(_) => Phase::Proven,
            Attempt::PuttingBack(_) => Phase::PuttingBack,
        }
    }

    /// The route that the run found.
    #[must_use]
    pub fn from(&self) -> Route {
        match self {
            Attempt::Preparing { from } | Attempt::Replacing { from, .. } => *from,
            Attempt::Swapping(way) | Attempt::Proven(way) | Attempt::PuttingBack(way) => way.from,
        }
    }

    /// The one that it heads for; that which it found while it has not chosen one.
    #[must_use]
    pub fn to(&self) -> Route {
        match self {
            Attempt::Preparing { from } => *from,
            Attempt::Replacing { slot, .. } => slot.to,
            Attempt::Swapping(way) | Attempt::Proven(way) | Attempt::PuttingBack(way) => way.to,
        }
    }

    /// The release that it heads for.
    #[must_use]
    pub fn release(&self) -> Option<&ReleaseId> {
        match self {
            Attempt::Preparing { .. } => None,
            Attempt::Replacing { slot, .. } => slot.new.as_ref(),
            Attempt::Swapping(way) | Attempt::Proven(way) | Attempt::PuttingBack(way) => way.release.as_ref(),
        }
    }

    /// The slot whose release it has begun to replace.
    #[must_use]
    pub fn replaced(&self) -> Option<&Replaced> {
        match self {
            Attempt::Preparing { .. } => None,
            Attempt::Replacing { slot, .. } => Some(slot),
            Attempt::Swapping(way) | Attempt::Proven(way) | Attempt::PuttingBack(way) => {
                way.replaced.as_ref()
            }
        }
    }

    /// Whether visitors may have come to what it heads for.
    #[must_use]
    pub fn may_have_moved(&self) -> bool {
        !matches!(self, Attempt::Preparing { .. } | Attempt::Replacing { .. })
    }
}
