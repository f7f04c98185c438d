//! The recovery table: for each phase in which a run can have died, where the link points
//! and what NGINX answers, the one thing to do. Nothing else in the tool decides this.

use crate::attempt::Phase;
use crate::color::Route;
use crate::journal::OpenRun;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
