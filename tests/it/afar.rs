//! `bg` from a laptop: over real SSH, on one host or several.

mod alone;
mod cuts;
mod engine;
mod exec;
mod led;
mod named;
mod refused;
mod requests;
mod same;
mod secret;
mod setup;
mod together;
