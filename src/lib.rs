//! Zero-downtime blue-green releases for Flask behind NGINX, with PM2 keeping the processes.
//!
//! The floors, imports only downwards:
//!
//! - [`cli`]: what can be typed, and which verb it goes to
//! - [`ui`]: the only code that prints
//! - [`remote`]: the same commands on other machines, over SSH
//! - [`verbs`]: deploy, switch, rollback, ...: orchestration that reads as prose
//! - [`host`]: what touches the machine: NGINX, PM2, git, links, locks, sockets
//! - [`model`]: pure: colors, releases, paths, the journal, the recovery table
//!
//! The order of a release is kept by types: only [`verbs::gate`] makes a `Gated`, and a
//! cutover takes nothing else.

pub mod cli;
pub mod host;
pub mod model;
pub mod remote;
pub mod ui;
pub mod verbs;
