//! What kind of command each is.

use super::Verb;

impl Verb {
    /// Whether it never goes to another machine.
    #[must_use]
    pub fn is_for_here(&self) -> bool {
        matches!(
            self,
            Verb::Init { .. }
                | Verb::Schema
                | Verb::Completions { .. }
                | Verb::Man
                | Verb::ShellInit { .. }
                | Verb::Engine
                | Verb::Sight
                | Verb::Outcome { .. }
                | Verb::Cool { .. }
                | Verb::Receive { .. }
                | Verb::Discard
                | Verb::Launch { .. }
                | Verb::Work { .. }
        )
    }

    /// Whether another program takes over from it, with its standard input and output.
    #[must_use]
    pub fn becomes_a_program(&self) -> bool {
        matches!(self, Verb::Exec { .. } | Verb::Worker { .. })
    }

    /// Whether it is recorded as a run.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.goes_in_step() || matches!(self, Verb::Maintenance { .. })
    }

    /// Whether several hosts do it together or not at all.
    #[must_use]
    pub fn goes_in_step(&self) -> bool {
        matches!(
            self,
            Verb::Deploy { plan: false, .. } | Verb::Switch { .. } | Verb::Rollback { .. }
        )
    }

    /// Whether traffic goes to another color by it.
    #[must_use]
    pub fn moves_traffic(&self) -> bool {
        self.goes_in_step() && !matches!(self, Verb::Deploy { no_switch: true, .. })
    }

    /// Whether it may need root's rights on the host.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        matches!(self, Verb::Setup { .. } | Verb::Adopt(_) | Verb::Remove { .. })
    }
}
