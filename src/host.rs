//! What touches the machine: every file, process and socket is reached through here.

pub mod app;
pub mod command;
pub mod journal;
pub mod link;
pub mod lock;
pub mod nginx;
pub mod registry;
