//! NGINX: what it is, what it reads, and whether it serves what it was told.

pub mod files;
pub mod render;
mod values;
