//! The command line: types, and which verb each goes to.

pub mod adopt;
pub mod args;
mod author;
mod candidates;
pub mod checks;
pub mod client_hooks;
pub mod complete;
pub mod context;
pub mod dispatch;
pub mod engine;
pub mod entry;
pub mod hosts;
pub mod invocation;
pub mod man;
pub mod many_hosts;
mod outcome;
pub mod remote_exec;
mod rights;
pub mod shell;
mod single_host;
pub mod source;
pub mod user;
