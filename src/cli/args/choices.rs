//! Words of which one is typed.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

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
