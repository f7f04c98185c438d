//! The app's owner as an attacker: whatever they plant, nothing of root's is changed, and
//! nothing of theirs is run, parsed or read by root; and what they need to release, they
//! get without being root.
//!
//! Needs root itself. Where the tests run as somebody else, they say that they were not tried.

mod asked;
mod author;
pub mod bait;
mod checked;
mod locked;
mod planted;
mod ports;
mod reloading;
mod sudo;
mod terminal;
mod told;
