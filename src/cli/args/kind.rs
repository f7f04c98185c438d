//! What a command is: whose rights it runs with, and who records it.

/// Where a command runs, and with whose rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Here, with any rights: prints a text, or begins with what another part of this program
    /// has decided.
    AnyUser,
    /// Here alone.
    Local,
    /// On the hosts, as the app's owner.
    OnHost,
    /// The same, recorded as a run.
    Run,
    /// A run that several hosts do together or not at all.
    FleetRun,
    /// As the owner, until another program takes over from it, with its standard input and output.
    Exec,
    /// As root where root asks: looks as setup does, and then becomes the owner before it starts
    /// what the configuration names.
    Inspect,
    /// What only root can do, which reads the owner's files with the owner's rights.
    Root,
}

impl Kind {
    /// Whether it never goes to another machine.
    #[must_use]
    pub fn is_for_here(self) -> bool {
        matches!(self, Kind::AnyUser | Kind::Local)
    }

    /// Whether nobody's rights are given up for it.
    #[must_use]
    pub fn needs_no_rights(self) -> bool {
        self == Kind::AnyUser
    }

    /// Whether root goes on as root with it.
    #[must_use]
    pub fn stays_root(self) -> bool {
        matches!(self, Kind::Inspect | Kind::Root)
    }

    /// Whether it may need root's rights on the host.
    #[must_use]
    pub fn needs_root(self) -> bool {
        self == Kind::Root
    }

    /// Whether another program takes over from it.
    #[must_use]
    pub fn becomes_a_program(self) -> bool {
        self == Kind::Exec
    }

    /// Whether it is recorded as a run.
    #[must_use]
    pub fn changes(self) -> bool {
        matches!(self, Kind::Run | Kind::FleetRun)
    }

    /// Whether several hosts do it together or not at all.
    #[must_use]
    pub fn is_coordinated(self) -> bool {
        self == Kind::FleetRun
    }
}
