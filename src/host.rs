//! What touches the machine: every file, process and socket is reached through here.

pub mod app;
pub mod checkout;
pub mod command;
pub mod dotenv;
pub mod evidence;
pub mod front;
pub mod git;
pub mod guess;
pub mod health;
pub mod http;
pub mod identity;
pub mod journal;
pub mod launcher;
pub mod link;
pub mod lock;
pub mod nginx;
pub mod pm2;
pub mod process;
pub mod registry;
pub mod releases;
pub mod sockets;
pub mod space;
pub mod venv;
