//! What an operator can ask for. Each verb reads as the story that it tells.

pub mod build;
pub mod check;
pub mod cool;
pub mod cutover;
pub mod deploy;
pub mod gate;
pub mod history;
pub mod init;
pub mod logs;
pub mod maintenance;
pub mod plan;
pub mod prune;
pub mod recover;
pub mod remove;
pub mod repair;
pub mod room;
pub mod run;
pub mod save;
pub mod setup;
pub mod slot;
pub mod status;
pub mod swap_as_root;
pub mod switch;
pub mod traffic;
pub mod wake;
