//! The heart: a run, its slots, the gate, the cutover and its proof, and the one way back.

pub mod adopted;
pub mod app;
pub mod begin;
pub mod caller;
pub mod cutover;
pub mod drift;
pub mod evidence;
pub mod gate;
pub mod health;
pub mod migration;
pub mod orders;
pub mod proof;
pub mod provable;
pub mod recover;
pub mod reload_works;
pub mod resolve;
pub mod run;
pub mod save;
pub mod slot;
pub mod step;
pub mod traffic;
pub mod wake;
pub mod workers;
