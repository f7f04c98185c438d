//! What tests share: text to which something has happened, a small HTTP server, releases on disk.

pub mod hostile;
pub mod releases;
pub mod server;
