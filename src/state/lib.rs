//! What is kept on disk between commands: the journal, releases and slots, the registry, workers.

pub mod envfile;
pub mod instances;
pub mod journal;
pub mod outcome;
pub mod registry;
pub mod releases;
pub mod run_logs;
