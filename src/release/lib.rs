//! How a release is made and what goes with it: git, checkouts, environments, static files, data.

pub mod assets;
pub mod backup;
pub mod checkout;
pub mod git;
pub mod incoming;
pub mod parcel;
pub mod prune;
pub mod relocate;
pub mod seal;
pub mod server_tree;
pub mod shared;
pub mod statics;
pub mod venv;
pub mod worktree;
pub mod written;
