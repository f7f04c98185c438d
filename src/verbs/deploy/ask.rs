//! What `bg deploy` is asked for.

use std::time::Duration;

use model::config::duration::Span;
use model::preview::PreviewKey;

use crate::verbs::check;
use crate::verbs::source::Wanted;

/// A preview of what a deploy stages.
#[derive(Clone, Debug)]
pub struct Previewed {
    /// How long it is shown.
    pub lasts: Span,
    /// The key, where several hosts are to have the same.
    pub key: Option<PreviewKey>,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What is to be released.
    pub wanted: Wanted,
    /// Stop after the gate.
    pub no_switch: bool,
    /// Show to whoever has a link what was stopped with.
    pub preview: Option<Previewed>,
    /// Send the first share of the visitors to what was stopped with.
    pub canary: bool,
    /// How long at most the release is watched after the switch. Default: as bg.toml says.
    pub bake: Option<Span>,
    /// Stay until there is a verdict.
    pub wait_bake: bool,
    /// Go past a gate that was not passed, with this reason.
    pub force_gate: Option<String>,
    /// Back the database up, whether a migration is due or not.
    pub backup: bool,
    /// Earlier releases do not work with the schema of this one.
    pub contract: bool,
    /// Do without what the live release wrote into its own folder.
    pub leave_data: bool,
    /// How much is looked at first.
    pub checks: check::Depth,
    /// How long to wait for another run.
    pub patience: Duration,
}
