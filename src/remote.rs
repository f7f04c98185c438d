//! The same commands on other machines: what goes over SSH, and what comes back.

pub mod call;
pub mod engine;
pub mod host;
pub mod interrupts;
pub mod lockstep;
pub mod program;
pub mod public_url;
pub mod relay;
pub mod upload;
