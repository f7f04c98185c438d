//! How a release is made and what goes with it: git, checkouts, environments, static files, data.

pub mod adopted_checkout;
pub mod assets;
pub mod backup;
pub mod bundle;
pub mod checkout;
pub mod git;
pub mod linked_paths;
pub mod local_checkout;
pub mod prune;
pub mod relocate;
pub mod seal;
pub mod statics;
pub mod uploads;
pub mod venv;
pub mod written;
