//! What touches the machine: every file, process and socket is reached through here.

pub mod checkout;
pub mod command;
pub mod git;
pub mod shared;
pub mod store;
