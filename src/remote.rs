//! The same commands on other machines: what goes over SSH, and what comes back.

pub mod ssh;
