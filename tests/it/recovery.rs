//! What a killed run leaves, and what the next command makes of it.

mod asleep;
mod drift;
mod journal;
mod kills;
mod lingering;
mod link;
pub mod rows;
pub mod scene;
mod signals;
