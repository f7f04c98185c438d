//! Everything that is tried with the real thing: NGINX, PM2, git, Python, sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets the unexpected ends there and says so"
)]

mod adopt;
mod afar;
mod assets;
mod attacker;
mod canary;
mod check;
mod commands;
mod compare;
mod data;
mod demo;
mod every_client;
#[cfg(feature = "faults")]
mod faults;
mod front_door;
mod full_disk;
mod gate;
mod harness;
mod hooks;
mod hostile;
mod house;
mod input;
mod install;
mod keep;
#[path = "../../ops/load/load.rs"]
mod load;
mod lock;
mod migrate;
mod pm2;
mod ports;
mod preflight;
mod preview;
mod privacy;
mod recovery;
mod release;
mod reload_way;
mod resources;
#[allow(dead_code, reason = "a harness offers more than each day's tests ask for")]
mod sandbox;
mod secret;
mod slot;
mod source;
mod ssh;
mod static_build;
mod terminal;
mod texts;
mod umask;
mod upgrade;
mod user;
mod walk;
mod watch;
mod worker;
