//! What touches the machine: every file, process and socket is reached through here.

pub mod command;
pub mod dotenv;
pub mod identity;
pub mod launcher;
pub mod pm2;
pub mod process;
pub mod sockets;
