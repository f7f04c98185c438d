//! What an operator can ask for. Each verb reads as the story that it tells.

pub mod adopt;
pub mod answer;
pub mod assets;
pub mod backup;
pub mod build;
pub mod check;
pub mod contract;
pub mod cool;
pub mod data;
pub mod deploy;
pub mod deployed;
pub mod finish;
pub mod fleet;
pub mod guess;
pub mod history;
pub mod hooks;
pub mod init;
pub mod list;
pub mod logs;
pub mod maintenance;
pub mod memory;
pub mod migrate;
pub mod notify;
pub mod packages;
pub mod plan;
pub mod preflight;
pub mod prune;
pub mod remove;
pub mod repair;
pub mod room;
pub mod setup;
pub mod sight;
pub mod source;
pub mod starter;
pub mod status;
pub mod switch;

#[cfg(test)]
mod hostile_tests;
