//! What touches the machine: every file, process and socket is reached through here.

pub mod command;
pub mod evidence;
pub mod front;
pub mod health;
pub mod http;
