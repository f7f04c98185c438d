//! A site that ran before this program came is taken over as it runs, and given back.

mod afar;
mod asked;
mod cuts;
mod daemons;
mod data;
mod exposed;
mod owners;
mod proposed;
mod refused;
mod restarted;
pub mod scene;
mod sites;
mod undone;
mod variables;
mod whole;
mod workers;
