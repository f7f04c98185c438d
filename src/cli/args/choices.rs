//! Words of which one is typed.

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// What to do with data in a release's own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum DataAction {
    /// Move it into `shared` while the live color goes on, with a link in its place
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
