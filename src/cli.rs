//! The command line: types, and which verb each goes to.

pub mod args;
pub mod man;
pub mod run;
pub mod shell;
mod swap;
pub mod user;
