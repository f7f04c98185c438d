//! The recovery table: for each phase in which a run can have died, where the link points
//! and what NGINX answers, the one thing to do. Nothing else in the tool decides this.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::Phase;
use crate::color::Route;
use crate::journal::{OpenRun, RunId, Verb};

/// Where something stands, against what the dead run had found and was heading for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// As the run had found it.
    From,
    /// Where the run was heading.
    To,
    /// Neither.
    Other,
    /// It cannot be seen: no link, no answer.
    Nothing,
}

impl Seen {
    /// Compares what is seen with what `open` knows. A route that is both (a run that has
    /// not chosen a goal yet) counts as `From`.
    #[must_use]
    pub fn of(route: Option<Route>, open: &OpenRun) -> Seen {
        match route {
            None => Seen::Nothing,
            Some(route) if route == open.attempt.from() => Seen::From,
            Some(route) if route == open.attempt.to() => Seen::To,
            Some(_) => Seen::Other,
        }
    }
}

/// What to do about a run that did not reach its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Note in the journal that it ended; no slot was touched.
    Abandon,
    /// Traffic never moved: bring back what the idle slot held before, and note the end.
    RestoreSlot,
    /// Traffic moved: prove it and note that it did; without proof, put it back.
    Finish,
    /// The link moved and NGINX did not follow, or a put-back was cut off: rename the link
    /// back, and prove that.
    PutBack,
    /// The link is back, NGINX still has the other: make it read the link again.
    Follow,
    /// Something that no run of ours does: touch nothing, ask a person.
    Refuse,
}

/// A run that died half-way, what was seen of traffic, and the one thing to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Its name.
    pub run: RunId,
    /// What it set out to do.
    pub verb: Verb,
    /// How far it had come.
    pub phase: Phase,
    /// The route that it found.
    pub from: Route,
    /// The route that it headed for.
    pub to: Route,
    /// Where the link points; none where that cannot be seen.
    pub link: Option<Route>,
    /// From where NGINX answers; none where that cannot be seen.
    pub nginx: Option<Route>,
    /// What is done about it.
    pub action: Action,
}

impl Interrupted {
    /// What is seen of traffic, in words.
    #[must_use]
    pub fn seen(&self) -> String {
        let words = |route: Option<Route>| route.map_or("nothing".to_owned(), |route| route.to_string());
        format!("link: {}, NGINX: {}", words(self.link), words(self.nginx))
    }

    /// How it ended.
    fn died(&self) -> String {
        let phase = match self.phase {
            Phase::Preparing => "preparing",
            Phase::Replacing => "replacing the idle color",
            Phase::Swapping => "moving traffic",
            Phase::Proven => "finishing up",
            Phase::PuttingBack => "putting traffic back",
        };
        format!("{} {} died while {phase} ({})", self.verb, self.run, self.seen())
    }

    /// The same as it is shown, once that is done.
    #[must_use]
    pub fn past(&self) -> String {
        let Interrupted { from, to, .. } = self;
        let done = match self.action {
            Action::Abandon => "recorded that the run ended; traffic never moved".to_owned(),
            Action::RestoreSlot => format!(
                "restored the release that {} held; traffic is on {from}",
                to.color
            ),
            Action::Finish => format!("verified that {to} is live and recorded it"),
            Action::PutBack => format!("put traffic back to {from}"),
            Action::Follow => format!("made NGINX follow the link to {from}"),
            Action::Refuse => "touched nothing; an operator decided".to_owned(),
        };
        format!("{}: {done}", self.died())
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interrupted { from, to, .. } = self;
        write!(f, "{}: ", self.died())?;
        match self.action {
            Action::Abandon => f.write_str("record that the run ended; traffic never moved"),
            Action::RestoreSlot => write!(
                f,
                "restore the release that {} held; traffic is on {from}",
                to.color
            ),
            Action::Finish => write!(f, "verify that {to} is live and record it"),
            Action::PutBack => write!(f, "put traffic back to {from}"),
            Action::Follow => write!(f, "make NGINX follow the link to {from}"),
            Action::Refuse => f.write_str("touch nothing; an operator must decide"),
        }
    }
}

/// The table.
#[must_use]
pub fn action(phase: Phase, link: Seen, nginx: Seen) -> Action {
    use Action::{Abandon, Finish, Follow, PutBack, Refuse, RestoreSlot};
    use Seen::{From, Nothing, Other, To};
    match (phase, link, nginx) {
        (Phase::Preparing, From, From | Nothing) => Abandon,
        (Phase::Preparing, _, _) => Refuse,

        (Phase::Replacing, From, From | Nothing) => RestoreSlot,
        (Phase::Replacing, _, _) => Refuse,

        (Phase::Swapping, From, From | Nothing) => RestoreSlot,
        (Phase::Swapping, From, To) => Follow,
        (Phase::Swapping, To, To) => Finish,
        (Phase::Swapping, To, From) => PutBack,

        (Phase::Proven, To, To) => Finish,
        (Phase::Proven, From, From) => RestoreSlot,
        (Phase::Proven, To, From) => PutBack,
        (Phase::Proven, From, To) => Follow,

        (Phase::PuttingBack, From, From) => RestoreSlot,
        (Phase::PuttingBack, From, To) => Follow,
        // That it goes back is on record: NGINX follows when it is there again.
        (Phase::PuttingBack, To, From | To | Nothing) => PutBack,

        (Phase::Swapping | Phase::Proven | Phase::PuttingBack, Other | Nothing, _)
        | (Phase::Swapping | Phase::Proven | Phase::PuttingBack, _, Other | Nothing) => Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_only_touched_when_link_and_nginx_agree_that_it_is_idle() {
        let phases = [
            Phase::Preparing,
            Phase::Replacing,
            Phase::Swapping,
            Phase::Proven,
            Phase::PuttingBack,
        ];
        let seen = [Seen::From, Seen::To, Seen::Other, Seen::Nothing];
        let mut rows = 0;
        for phase in phases {
            for link in seen {
                for nginx in seen {
                    rows += 1;
                    let action = action(phase, link, nginx);
                    if action == Action::RestoreSlot {
                        assert_eq!(link, Seen::From);
                        assert!(matches!(nginx, Seen::From | Seen::Nothing));
                    }
                    if link == Seen::Other || nginx == Seen::Other {
                        assert_eq!(action, Action::Refuse);
                    }
                    if action == Action::Finish {
                        assert_eq!((link, nginx), (Seen::To, Seen::To));
                    }
                }
            }
        }
        assert_eq!(rows, 80);
    }
}
