//! The ways to move traffic that a user could pick, each on a stack of its own.

mod bg;
mod caddy;
mod ground;
mod haproxy;
mod nginx;
mod pm2;
mod slots;

use std::process::Command;

use bluegreen::model::color::Color;

use crate::traffic::Site;

pub use bg::Bg;
pub use caddy::Caddy;
pub use ground::Ground;
pub use haproxy::Haproxy;
pub use nginx::Script;
pub use pm2::Pm2;

/// A running site, and the command that moves its traffic.
pub trait Mechanism {
    /// As in the table.
    fn name(&self) -> &'static str;

    /// Where it is asked.
    fn site(&self) -> &Site;

    /// What is typed to make `to` live, which the other color is now. Not started yet.
    fn switch(&self, to: Color) -> Command;
}

/// The first program of this name on PATH.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    std::env::split_paths(&crate::sandbox::path_with_tools())
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
