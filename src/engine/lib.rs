//! The heart: a run, its slots, the gate, the cutover and its proof, and the one way back.

pub mod adopted;
pub mod app;
pub mod begin;
pub mod caller;
pub mod canary;
pub mod control;
pub mod cutover;
pub mod drift;
pub mod gate;
pub mod health;
pub mod migration;
pub mod participant;
pub mod preview;
pub mod probe_traffic;
pub mod process_list;
pub mod recover;
pub mod reload_works;
pub mod resolve;
pub mod resurrect;
pub mod run;
pub mod slot;
pub mod traffic;
pub mod verifiable;
pub mod verification;
pub mod workers;
