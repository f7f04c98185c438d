//! Words of which one is typed, and how long to wait.

use clap::{Subcommand, ValueEnum};
use model::config::duration::Span;
use serde::{Deserialize, Serialize};

/// How long to wait for another run to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Patience {
    /// Wait for another run to end [default when given without a time: 15m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "15m")]
    pub wait: Option<Span>,
}

/// What to do with data in a release's own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum DataAction {
    /// Move that data into `shared` while the live color keeps running, with a link in its place
    Move,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum OnOff {
    /// Visitors get the page.
    On,
    /// Visitors get the app.
    Off,
}

/// Shells whose prompt has a `bg` of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PromptShell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
