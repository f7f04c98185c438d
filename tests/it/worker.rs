//! Workers: never two at once, never left on the wrong release.

pub mod scene;

mod alone;
mod failing;
mod fleet;
mod handover;
mod killed;
mod other;
