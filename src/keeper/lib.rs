//! PM2, which keeps the processes, and the launcher that it starts.

pub mod launcher;
pub mod pm2;
pub mod server_log;
