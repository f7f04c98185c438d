//! What touches the machine: every file, process and socket is reached through here.

pub mod checkout;
pub mod command;
pub mod envfile;
pub mod git;
pub mod prune;
pub mod releases;
pub mod shared;
pub mod space;
pub mod store;
pub mod venv;
