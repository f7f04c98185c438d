//! What any program on Linux needs: processes, sockets, locks, rights, files that survive a crash.

pub mod boot;
pub mod cgroup;
pub mod clock;
pub mod command;
pub mod custody;
pub mod dotenv;
pub mod fault;
pub mod hold;
pub mod identity;
pub mod limits;
pub mod link;
pub mod lock;
pub mod names;
pub mod process;
pub mod program;
pub mod resolve;
pub mod rotation;
pub mod sockets;
pub mod space;
pub mod store;
pub mod sudoers;
pub mod system;
pub mod terminal;
pub mod trust;
pub mod user;
