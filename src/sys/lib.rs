//! What any program on Linux needs: processes, sockets, locks, rights, files that survive a crash.

pub mod capacity;
pub mod cgroup;
pub mod clock;
pub mod command;
pub mod dns;
pub mod dotenv;
pub mod fault;
pub mod identity;
pub mod init_units;
pub mod limits;
pub mod link;
pub mod lock;
pub mod log_rotation;
pub mod nss;
pub mod ownership;
pub mod path_security;
pub mod process;
pub mod restart_inhibitor;
pub mod self_install;
pub mod sockets;
pub mod store;
pub mod sudoers;
pub mod system_paths;
pub mod terminal;
pub mod user;
