//! The ground floor: what the tool knows, with no machine underneath. Nothing in
//! here reads a file, starts a process or opens a socket.

pub mod adopted;
pub mod attempt;
pub mod bake;
pub mod canary;
pub mod color;
pub mod compare;
pub mod config;
pub mod drift;
pub mod event;
pub mod failure;
pub mod gunicorn;
pub mod instance;
pub mod journal;
pub mod judge;
pub mod layout;
pub mod ledger;
pub mod listen;
pub mod password;
pub mod path;
pub mod preview;
pub mod recovery;
pub mod release;
pub mod strategy;
pub mod wire;
pub mod written;
