//! Zero-downtime blue-green releases for Flask behind NGINX, with PM2 keeping the processes.

pub mod host;
pub mod model;
