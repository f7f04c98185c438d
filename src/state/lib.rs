//! What is kept on disk between commands: the journal, releases and slots, the registry, workers.

pub mod envfile;
pub mod journal;
pub mod outcome;
pub mod registry;
pub mod releases;
pub mod seats;
pub mod stories;
