//! The command line: types, and which verb each goes to.

pub mod adopt;
mod alone;
pub mod args;
mod author;
mod candidates;
pub mod checks;
pub mod complete;
pub mod desk;
pub mod dispatch;
pub mod engine;
pub mod errand;
pub mod fleet;
pub mod here;
pub mod hosts;
pub mod man;
mod outcome;
pub mod passage;
mod rights;
pub mod run;
pub mod shell;
pub mod source;
pub mod user;
