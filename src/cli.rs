//! The command line: types, and which verb each goes to.

pub mod args;
pub mod dispatch;
pub mod engine;
pub mod here;
pub mod man;
pub mod run;
pub mod shell;
pub mod user;
