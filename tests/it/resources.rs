//! What a host runs out of besides its disk, and what it does not let anybody write.

mod closed;
mod disk;
mod files;
mod memory;
mod nginx;
mod pm2;
