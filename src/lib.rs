//! Zero-downtime blue-green releases for Flask behind NGINX, with PM2 keeping the processes.
//!
//! The floors, imports only downwards. Here:
//!
//! - [`cli`]: what can be typed, and which verb it goes to
//! - [`ui`]: the only code that prints
//! - [`remote`]: the same commands on other machines, over SSH
//! - [`verbs`]: deploy, switch, rollback, ...: orchestration that reads as prose
//! - [`text`]: what people read of it
//!
//! and each a crate of its own, below:
//!
//! - [`engine`]: the heart: a run, its slots, the gate, the cutover and its proof, the one way back
//! - [`release`]: how a release is made: git, checkouts, environments, static files, data
//! - [`keeper`]: PM2 and the launcher that it starts
//! - [`site`]: the NGINX files of one app, a user's own site led through it, its endpoints
//! - [`nginx`]: what NGINX reads, whether it serves that, and how traffic is moved
//! - [`state`]: what is kept on disk between commands: the journal, releases and slots
//! - [`web`]: HTTP and TLS as a client meets them
//! - [`ssh`]: a client that obeys OpenSSH's files; knows nothing of releases
//! - [`sys`]: processes, sockets, locks, rights, files that survive a crash
//! - [`model`]: pure: colors, releases, paths, the journal, the recovery table
//!
//! `bluegreen-swap`, which sudo starts as root, is built of `nginx`, `state`, `sys` and `model` alone.
//!
//! The order of a release is kept by types: only [`engine::gate`] makes a `Gated`, and a
//! cutover takes nothing else.

pub mod cli;
pub mod remote;
pub mod text;
pub mod ui;
pub mod verbs;

pub use engine;
pub use keeper;
pub use model;
pub use nginx;
pub use release;
pub use site;
pub use ssh;
pub use state;
pub use sys;
pub use web;
