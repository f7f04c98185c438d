//! What an operator can ask for. Each verb reads as the story that it tells.

pub mod cutover;
pub mod deploy;
pub mod gate;
pub mod recover;
pub mod run;
pub mod slot;
pub mod switch;
pub mod traffic;
